//! The functions of a history: what they answer, and what they saw.

use std::time::Duration;

use fastrand::Rng;

use crate::decide::delivery::Failure;

/// A call that a function got.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) subscription: String,
    pub(super) delivery: i64,
    pub(super) attempt: u32,
    pub(super) event: String,
    /// The wall clock when it was made.
    pub(super) at: i64,
    /// When the failure was seen, and the pause that was asked for.
    pub(super) asked: Option<(i64, Duration)>,
    pub(super) accepted: bool,
}

/// What a function answers to the next call.
pub(super) fn answer(rng: &mut Rng, healthy: bool) -> Result<(), Failure> {
    if healthy {
        return Ok(());
    }
    match rng.u32(..100) {
        0..45 => Ok(()),
        45..75 => Err(Failure::Retry("HTTP status 500".to_owned())),
        75..88 => Err(Failure::Later("HTTP status 503".to_owned(), Duration::from_secs(rng.u64(1..40)))),
        88..99 => Err(Failure::Reject("HTTP status 422".to_owned())),
        _ => Err(Failure::Gone("HTTP status 410".to_owned())),
    }
}
