//! What a test sees of deliveries: attempts with their outcomes, and dead letters. Makes no calls.

use axum::response::Response;
use eg_sdk::CloudEvent;

use crate::outcome::{Failure, FailureKind};

/// One attempt to deliver an event to a function.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Delivery {
    /// The event.
    pub event: CloudEvent,
    /// The function's name.
    pub function: &'static str,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// The outcome.
    pub outcome: Outcome,
}

/// What a function's answer means for the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The event is handled.
    Done,
    /// The event is retried later, for this reason, unless this was the last attempt.
    Retry(String),
    /// The function rejected the event, for this reason.
    Rejected(String),
}

/// An event that was given up.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The event.
    pub event: CloudEvent,
    /// The name of the function that did not handle it.
    pub function: &'static str,
    /// How often it was attempted.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub reason: String,
}

impl From<Result<Response, Failure>> for Outcome {
    fn from(answer: Result<Response, Failure>) -> Self {
        match answer {
            Ok(_) => Self::Done,
            Err(Failure { kind: FailureKind::Reject, message, .. }) => Self::Rejected(message),
            Err(failure) => Self::Retry(failure.message),
        }
    }
}
