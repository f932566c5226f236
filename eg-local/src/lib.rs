//! A local cloud for tests and development: AWS Lambda, SQS queues and EventBridge schedules in one process,
//! without Docker, network or account. Knows neither the event gateway nor `cargo eg`.

mod activity;
pub mod emulator;
pub mod queues;
pub mod schedules;

pub use activity::{Observer, TriggerActivity};
