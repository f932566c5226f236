//! Runs the application: decides which functions and resources it consists of, and starts, changes and stops it.
//! Finding and building services is left to `project`, terminal output to `console`.

mod app;
mod deploy;
mod local_aws;
mod orphans;
mod ports;
mod secrets;
mod streams;
mod tables;

pub(crate) use app::{LocalApp, Observers, Options, Update};
pub(crate) use deploy::deployments;
pub(crate) use ports::Ports;
