//! x
#![allow(dead_code)]
mod activity;
mod clock;
mod decide;
mod options;
pub use activity::{Activity, DeliveryOutcome};
pub use decide::retry::RetryPolicy;
pub use options::{ListenAddr, Options};
