//! What the gateway says about events and deliveries, as it travels.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An accepted event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) accepted_at: String,
    /// The event itself, as it was emitted.
    pub(crate) event: Box<RawValue>,
}

/// A page of events, the newest first.
#[derive(Debug, Deserialize)]
pub(crate) struct Events {
    pub(crate) events: Vec<Event>,
    /// Where the next page begins.
    pub(crate) next: Option<i64>,
}

/// An event and what became of it.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) event: Event,
    pub(crate) deliveries: Vec<Delivery>,
}

impl History {
    /// Reads an answer. In two steps, because raw JSON does not survive `flatten`.
    pub(crate) fn read(json: &RawValue) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Deliveries {
            deliveries: Vec<Delivery>,
        }
        let Deliveries { deliveries } = serde_json::from_str(json.get())?;
        Ok(Self { event: serde_json::from_str(json.get())?, deliveries })
    }
}

/// What became of an event for one subscription.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    pub(crate) delivery_id: i64,
    pub(crate) function_id: String,
    pub(crate) state: String,
    pub(crate) mismatch: Option<Mismatch>,
    pub(crate) reason: Option<String>,
    pub(crate) next_attempt_at: Option<String>,
    #[serde(default)]
    pub(crate) waits_for_earlier: bool,
    pub(crate) discarded_at: Option<String>,
    /// The replay that it belongs to.
    pub(crate) replay: Option<String>,
    /// Whether somebody changed the event before it was delivered again.
    #[serde(default)]
    pub(crate) edited: bool,
    #[serde(default)]
    pub(crate) attempts: Vec<Attempt>,
}

/// Why a filter did not let an event through.
#[derive(Debug, Deserialize)]
pub(crate) struct Mismatch {
    /// The field that the clause is about, or `$or`.
    pub(crate) clause: String,
    /// What the event has there.
    pub(crate) value: Option<serde_json::Value>,
    pub(crate) expected: serde_json::Value,
}

/// One call of a function.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) started_at: String,
    pub(crate) duration_ms: Option<i64>,
    pub(crate) outcome: String,
    pub(crate) error: Option<String>,
}

/// A delivery that was given up.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLetter {
    pub(crate) dead_letter_id: i64,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) source: String,
    pub(crate) subscription_id: String,
    pub(crate) function_id: String,
    pub(crate) reason: String,
    pub(crate) accepted_at: String,
    pub(crate) dead_at: String,
    #[serde(default)]
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) event: Box<RawValue>,
}
