//! The live feed: one value for each activity of a gateway. `EventGateway::feed` reads it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Mismatch;

/// An activity with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedEntry {
    /// When it happened.
    #[serde(with = "super::moment")]
    pub at: OffsetDateTime,
    /// What happened, flattened into this object.
    #[serde(flatten)]
    pub activity: Activity,
}

/// An activity of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Activity {
    /// An event was stored on disk and will be delivered.
    Received {
        /// The event's id.
        event_id: String,
        /// Its type.
        event_type: String,
        /// Its source.
        source: String,
        /// The method of the request that emitted it.
        method: String,
        /// The path of that request, within its space.
        path: String,
        /// The number of asynchronous subscriptions that match it.
        subscribers: usize,
        /// The id of the event that caused it, if it names one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    /// The gateway calls the function that answers an event. Events that the function emits before it answers name
    /// this event as their cause.
    Asked {
        /// The event's id.
        event_id: String,
        /// Its type, usually `http.request`.
        event_type: String,
        /// The method of the request that emitted it.
        method: String,
        /// The path of that request, as sent.
        path: String,
        /// The id of the event that caused it, if it names one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    /// An event with a synchronous subscription was answered.
    Answered {
        /// The event's id.
        event_id: String,
        /// The method of the request.
        method: String,
        /// The path of the request, as sent.
        path: String,
        /// The type of the event, usually `http.request`.
        event_type: String,
        /// The function that was called.
        #[serde(rename = "functionId")]
        function: Option<String>,
        /// The HTTP status of the answer.
        status: u16,
        /// The time from the arrival of the request to its answer.
        #[serde(rename = "durationMs", with = "super::millis")]
        duration: Duration,
        /// Why the call failed. None if the function answered, with whatever status.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// No function answers an HTTP request, so the gateway refused it and stored nothing.
    Unrouted {
        /// The method of the request.
        method: String,
        /// The path of the request, as sent.
        path: String,
        /// The HTTP status of the answer: 404, or 405 if the path has routes with other methods.
        status: u16,
        /// The routes that the request may have meant, in words. Empty if there are none.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        hint: String,
    },
    /// An event had been accepted before; the gateway ignored this copy.
    Duplicate {
        /// The event's id.
        event_id: String,
        /// Its type.
        event_type: String,
        /// Its source.
        source: String,
        /// Whether this copy has another payload than the event that was accepted, so that two events may have got the
        /// same id.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        conflict: bool,
    },
    /// A subscription's filter does not match an event.
    Filtered {
        /// The event's id.
        event_id: String,
        /// Its type.
        event_type: String,
        /// The subscribed function.
        #[serde(rename = "functionId")]
        function: String,
        /// The clause that does not match. Sent as a string that contains JSON.
        #[serde(with = "json_text")]
        mismatch: Mismatch,
    },
    /// The gateway stopped delivering to a subscription until it is updated.
    Disabled {
        /// The space.
        space: String,
        /// The subscription.
        #[serde(rename = "subscriptionId")]
        subscription: String,
        /// The reason.
        reason: String,
    },
    /// Dead letters were redriven.
    Redriven {
        /// The space.
        space: String,
        /// The number of dead letters.
        deliveries: usize,
    },
    /// Dead letters were discarded.
    Discarded {
        /// The space.
        space: String,
        /// The number of dead letters.
        deliveries: usize,
    },
    /// Stored events were replayed.
    Replayed {
        /// The space.
        space: String,
        /// The id of the replay.
        #[serde(rename = "replayId")]
        replay: String,
        /// The number of events.
        events: usize,
        /// The number of their deliveries.
        deliveries: usize,
    },
    /// A function keeps failing, so the gateway pauses its deliveries except for one attempt per second until one
    /// succeeds.
    CircuitOpened {
        /// The space.
        space: String,
        /// The function.
        #[serde(rename = "functionId")]
        function: String,
    },
    /// A function works again, so its deliveries continue.
    CircuitClosed {
        /// The space.
        space: String,
        /// The function.
        #[serde(rename = "functionId")]
        function: String,
    },
    /// A delivery was attempted or given up.
    Delivery {
        /// The event's id.
        event_id: String,
        /// Its type.
        event_type: String,
        /// The subscribed function.
        #[serde(rename = "functionId")]
        function: String,
        /// The number of the attempt, from 1; 0 if there was no attempt.
        attempt: u32,
        /// How long the attempt took.
        #[serde(rename = "durationMs", with = "super::millis")]
        duration: Duration,
        /// The result, flattened into this object.
        #[serde(flatten)]
        outcome: DeliveryOutcome,
    },
    /// An activity that this version of the SDK does not know.
    #[serde(other)]
    Unknown,
}

/// The result of a delivery attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum DeliveryOutcome {
    /// The function accepted the event.
    Delivered,
    /// The function failed and will be called again.
    Retry {
        /// What went wrong.
        #[serde(rename = "reason")]
        error: String,
        /// The time until the next attempt.
        #[serde(rename = "retryAfterMs", with = "super::millis")]
        after: Duration,
    },
    /// The delivery became a dead letter.
    Dead {
        /// The reason.
        reason: String,
    },
    /// The delivery reached its maximum age.
    Expired {
        /// The reason.
        reason: String,
    },
}

/// Serializes a value as a string that contains its JSON.
mod json_text {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Mismatch;

    pub(super) fn serialize<S: Serializer>(value: &Mismatch, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(value).map_err(S::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mismatch, D::Error> {
        let text = String::deserialize(deserializer)?;
        serde_json::from_str(&text).map_err(D::Error::custom)
    }
}
