//! Calls of functions that the gateway did not make, for people who look at its dashboard.

use std::sync::Arc;
use std::time::Duration;

use super::{Ended, Recent, Trigger};
use crate::clock;

/// A call of a function that something beside the gateway made.
#[derive(Debug, Clone)]
pub struct OutsideCall {
    /// The space of the function.
    pub space: String,
    /// The function.
    pub function: String,
    /// What called it, for example `queue orders`.
    pub trigger: String,
    /// The duration of the call.
    pub duration: Duration,
    /// What went wrong.
    pub error: Option<String>,
    /// What the function printed. Only the last 4,096 bytes are kept.
    pub log: Vec<u8>,
}

/// Adds calls that something beside the gateway makes to the gateway's recent figures and calls, for people who look at its
/// dashboard. Clones share them. See [`Gateway::outside_calls`](crate::Gateway::outside_calls).
#[derive(Debug, Clone)]
pub struct OutsideCalls(pub(crate) Arc<Recent>);

impl OutsideCalls {
    /// Adds a call that has ended.
    pub fn add(&self, call: &OutsideCall) {
        let OutsideCall { space, function, trigger, duration, error, log } = call;
        let notes = self.0.notes();
        notes.printed(log);
        let ended = Ended {
            space,
            function,
            trigger: Trigger::Named(trigger),
            event: None,
            attempt: None,
            duration: *duration,
            status: None,
            error: error.as_deref(),
        };
        self.0.called(ended, &notes, clock::timestamp());
    }
}
