//! The gateway through its public interfaces: real sockets, a real store, real processes.

mod config_api;
mod delivery;
mod events_api;
mod lambda;
mod process;
mod support;
