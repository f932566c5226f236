//! Deliveries and attempts: what happened to an event at one subscription.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::names::named;

named! {
    "a delivery state"
    /// The state of a delivery. Each delivery is in exactly one.
    pub enum DeliveryState {
        /// It waits for its next attempt, or for an earlier event with the same key.
        Pending = "pending",
        /// An attempt is under way.
        InFlight = "in_flight",
        /// The function accepted the event.
        Delivered = "delivered",
        /// The gateway gave it up: the function rejected the event, or failed too often.
        Dead = "dead",
        /// It reached its maximum age before it succeeded.
        Expired = "expired",
        /// The subscription's filter does not match the event.
        Filtered = "filtered",
    }
}

impl DeliveryState {
    /// How the delivery was given up; `None` when it was not.
    #[must_use]
    pub const fn loss(self) -> Option<Loss> {
        match self {
            Self::Dead => Some(Loss::Dead),
            Self::Expired => Some(Loss::Expired),
            Self::Pending | Self::InFlight | Self::Delivered | Self::Filtered => None,
        }
    }
}

named! {
    "a way in which deliveries are given up"
    /// How a delivery was given up. Its event and its attempts are kept in both cases.
    pub enum Loss {
        /// The function rejected the event, or failed too often.
        Dead = "dead",
        /// The delivery reached its maximum age.
        Expired = "expired",
    }
}

impl From<Loss> for DeliveryState {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Dead => Self::Dead,
            Loss::Expired => Self::Expired,
        }
    }
}

/// What happened to an event at one subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Identifies the delivery; the id of its dead letter, if it becomes one.
    pub delivery_id: i64,
    /// The subscription.
    pub subscription_id: String,
    /// The subscribed function.
    pub function_id: String,
    /// Whether the subscription's filter matched.
    pub matched: bool,
    /// The state that it is in.
    pub state: DeliveryState,
    /// The clause of the filter that did not match, for [`DeliveryState::Filtered`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<Mismatch>,
    /// Why it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the next attempt is due, for [`DeliveryState::Pending`].
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::moment::option")]
    pub next_attempt_at: Option<OffsetDateTime>,
    /// Whether it waits for an earlier event with the same key instead of a time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits_for_earlier: bool,
    /// When it reached a final state.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::moment::option")]
    pub ended_at: Option<OffsetDateTime>,
    /// When somebody discarded the dead letter.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::moment::option")]
    pub discarded_at: Option<OffsetDateTime>,
    /// The replay that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
    /// Whether somebody edited the event before it was redriven.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited: bool,
    /// The attempts, in order.
    pub attempts: Vec<Attempt>,
}

/// The clause of a filter that an event does not match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// The field that the clause is about, for example `data.address.city`, or `$or`.
    pub clause: String,
    /// What the event has there: one value, or an array of several. Absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What the filter demands.
    pub expected: Value,
}

/// One call of a function to deliver an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Counts from 1.
    pub number: u32,
    /// When the call began.
    #[serde(with = "super::moment")]
    pub started_at: OffsetDateTime,
    /// How long it took. Absent while it is under way, and when the gateway stopped before the answer.
    #[serde(
        default,
        rename = "durationMs",
        skip_serializing_if = "Option::is_none",
        with = "super::millis::option"
    )]
    pub duration: Option<Duration>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

named! {
    "the outcome of an attempt"
    /// How an attempt ended.
    pub enum AttemptOutcome {
        /// It is under way.
        InFlight = "in_flight",
        /// The function accepted the event.
        Delivered = "delivered",
        /// The function failed, or rejected the event.
        Failed = "failed",
        /// The gateway stopped before the function answered; the attempt does not count as a failure.
        Interrupted = "interrupted",
    }
}
