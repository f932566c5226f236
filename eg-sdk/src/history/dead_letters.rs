//! Dead letters: deliveries that the gateway gave up, with their events and attempts.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::{Attempt, Loss};

/// A delivery that the gateway gave up.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The id of the dead letter, which is that of its delivery.
    pub dead_letter_id: i64,
    /// The event's `id`.
    pub event_id: String,
    /// The event's `type`.
    pub event_type: String,
    /// The event's `source`.
    pub source: String,
    /// The subscription.
    pub subscription_id: String,
    /// The subscribed function.
    pub function_id: String,
    /// Whether the delivery is dead or expired.
    pub state: Loss,
    /// The reason.
    pub reason: String,
    /// When the gateway accepted the event.
    #[serde(with = "super::moment")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub accepted_at: OffsetDateTime,
    /// When the delivery was given up.
    #[serde(with = "super::moment")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub dead_at: OffsetDateTime,
    /// The attempts, in order.
    pub attempts: Vec<Attempt>,
    /// The event as it is delivered to the function. If it is damaged, a string with what is left of it.
    pub event: Box<RawValue>,
    /// Whether the event does not match its checksum, because the disk of the gateway changed it. Redrive it with an
    /// edited event.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub damaged: bool,
}

/// A page of dead letters, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterPage {
    /// The dead letters.
    pub dead_letters: Vec<DeadLetter>,
    /// The cursor (`before`) of the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// A request to redrive one dead letter with an edited event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
pub struct RedriveRequest {
    /// The event that replaces the original.
    pub event: Box<RawValue>,
}

/// The result of redriving dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct Redriven {
    /// The number of deliveries that will be attempted again.
    pub redriven: usize,
    /// The number of dead letters that remain because their subscription was deleted or is disabled.
    pub skipped: usize,
    /// The id of the [`Job`](super::Job) that redrives the rest. Absent when all of them are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<i64>,
}

/// The result of discarding all dead letters of a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct Discarded {
    /// The number of discarded dead letters. They remain in the history of their events.
    pub discarded: usize,
    /// The id of the [`Job`](super::Job) that discards the rest. Absent when all of them are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<i64>,
}
