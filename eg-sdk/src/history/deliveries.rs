//! Deliveries and attempts: what happened to an event for one subscription. The event itself is in `events`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::names::named;

use crate::pattern::Mismatch;

named! {
    "a delivery state"
    /// The state of a delivery. Each delivery is in exactly one.
    pub enum DeliveryState {
        /// The delivery waits for its next attempt or for an earlier event with the same key.
        Pending = "pending",
        /// An attempt is in progress.
        InFlight = "in_flight",
        /// The function accepted the event.
        Delivered = "delivered",
        /// The gateway gave up the delivery: the function rejected the event or failed too often.
        Dead = "dead",
        /// The delivery reached its maximum age before it succeeded.
        Expired = "expired",
        /// The subscription's filter does not match the event.
        Filtered = "filtered",
    }
}

impl DeliveryState {
    /// Returns how the delivery was given up; `None` if it was not.
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
    /// How a delivery was given up. The gateway keeps the event and the attempts in both cases.
    pub enum Loss {
        /// The function rejected the event or failed too often.
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

/// How many deliveries of an event are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct DeliveryCounts {
    /// Deliveries that wait.
    pub pending: u32,
    /// Deliveries with an attempt in progress.
    pub in_flight: u32,
    /// Deliveries that succeeded.
    pub delivered: u32,
    /// Deliveries that were given up, discarded ones included.
    pub dead: u32,
    /// Deliveries that reached their maximum age.
    pub expired: u32,
    /// Deliveries whose subscription has a filter that does not match.
    pub filtered: u32,
    /// When the last of those that have ended did. Absent if none has.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::moment::option")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub ended_at: Option<OffsetDateTime>,
}

impl DeliveryCounts {
    /// Returns the number of deliveries in a state.
    #[must_use]
    pub const fn of(&self, state: DeliveryState) -> u32 {
        match state {
            DeliveryState::Pending => self.pending,
            DeliveryState::InFlight => self.in_flight,
            DeliveryState::Delivered => self.delivered,
            DeliveryState::Dead => self.dead,
            DeliveryState::Expired => self.expired,
            DeliveryState::Filtered => self.filtered,
        }
    }

    /// Sets the number of deliveries in a state.
    pub const fn set(&mut self, state: DeliveryState, count: u32) {
        match state {
            DeliveryState::Pending => self.pending = count,
            DeliveryState::InFlight => self.in_flight = count,
            DeliveryState::Delivered => self.delivered = count,
            DeliveryState::Dead => self.dead = count,
            DeliveryState::Expired => self.expired = count,
            DeliveryState::Filtered => self.filtered = count,
        }
    }

    /// Returns the number of deliveries that a function was to get: all but the filtered ones.
    #[must_use]
    pub const fn wanted(&self) -> u32 {
        self.pending + self.in_flight + self.delivered + self.dead + self.expired
    }
}

/// What happened to an event for one subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The id of the delivery, and of its dead letter if it becomes one.
    pub delivery_id: i64,
    /// The subscription.
    pub subscription_id: String,
    /// The subscribed function.
    pub function_id: String,
    /// Whether the subscription's filter matched.
    pub matched: bool,
    /// The current state.
    pub state: DeliveryState,
    /// The clause of the filter that did not match, for [`DeliveryState::Filtered`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<Mismatch>,
    /// Why the delivery was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the next attempt is due, for [`DeliveryState::Pending`].
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::moment::option")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub next_attempt_at: Option<OffsetDateTime>,
    /// Whether the delivery waits for an earlier event with the same key instead of a time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits_for_earlier: bool,
    /// When the delivery reached a final state.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::moment::option")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub ended_at: Option<OffsetDateTime>,
    /// When the dead letter was discarded.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::moment::option")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub discarded_at: Option<OffsetDateTime>,
    /// The id of the replay that created the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
    /// Whether the event was edited before the delivery was redriven.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited: bool,
    /// The attempts, in order.
    pub attempts: Vec<Attempt>,
}

/// One call of a function to deliver an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The number of the attempt, from 1.
    pub number: u32,
    /// When the call began.
    #[serde(with = "super::moment")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub started_at: OffsetDateTime,
    /// How long the call took. Absent while the attempt is in progress and if the gateway stopped before the answer.
    #[serde(
        default,
        rename = "durationMs",
        skip_serializing_if = "Option::is_none",
        with = "super::millis::option"
    )]
    #[cfg_attr(feature = "derive", schema(as = u64))]
    pub duration: Option<Duration>,
    /// How the attempt ended.
    pub outcome: AttemptOutcome,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

named! {
    "the outcome of an attempt"
    /// How an attempt ended.
    pub enum AttemptOutcome {
        /// The attempt is in progress.
        InFlight = "in_flight",
        /// The function accepted the event.
        Delivered = "delivered",
        /// The function failed or rejected the event.
        Failed = "failed",
        /// The gateway stopped before the function answered; the attempt does not count as a failure.
        Interrupted = "interrupted",
    }
}
