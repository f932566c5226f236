//! A local cloud for tests and development. Knows neither the event gateway nor `cargo eg`.
//!

#![doc = include_str!("../README.md")]

mod activity;
mod cloud;
pub mod emulator;
mod private;
pub mod queues;
pub mod schedules;
mod screening;
pub mod websockets;

pub use activity::{Observer, TriggerActivity};
pub use cloud::{Cloud, CloudBuilder, Error};
pub use emulator::FunctionSpec;
pub use queues::{Mapping, Queue, QueueError};
pub use websockets::{SocketFunctions, WebSockets};
