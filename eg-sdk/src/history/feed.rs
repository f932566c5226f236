//! The live feed: one value for each thing that happens in a gateway.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Mismatch;

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedEntry {
    /// When it happened.
    #[serde(with = "super::moment")]
    pub at: OffsetDateTime,
    /// What happened. Its members stand beside `at`.
    #[serde(flatten)]
    pub activity: Activity,
}

/// One thing that happened in a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Activity {
    /// An event is on disk and will be delivered.
    Received {
        /// The event's id.
        #[serde(rename = "eventId")]
        id: String,
        /// Its type.
        event_type: String,
        /// Its source.
        source: String,
        /// Method of the request that brought it.
        method: String,
        /// Path of that request, within its space.
        path: String,
        /// How many asynchronous subscriptions match it.
        subscribers: usize,
        /// The id of the event that caused it, if it names one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    /// The gateway calls the function that answers an event. What the function emits until it has answered names that
    /// event as its cause.
    Asked {
        /// The event's id.
        #[serde(rename = "eventId")]
        id: String,
        /// Its type, usually `http.request`.
        event_type: String,
        /// Method of the request that brought it.
        method: String,
        /// Path of that request, as sent.
        path: String,
        /// The id of the event that caused it, if it names one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    /// An event with a synchronous subscription was answered.
    Answered {
        /// The event's id.
        #[serde(rename = "eventId")]
        id: String,
        /// Method of the request.
        method: String,
        /// Path of the request, as sent.
        path: String,
        /// Type of the event, usually `http.request`.
        event_type: String,
        /// The function that was called.
        #[serde(rename = "functionId")]
        function: Option<String>,
        /// HTTP status of the answer.
        status: u16,
        /// From the arrival of the request to its answer.
        #[serde(rename = "durationMs", with = "super::millis")]
        duration: Duration,
    },
    /// An event was accepted before; the gateway ignores this copy.
    Duplicate {
        /// The event's id.
        #[serde(rename = "eventId")]
        id: String,
        /// Its type.
        event_type: String,
        /// Its source.
        source: String,
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
        /// The clause that does not match. Travels as a string that contains JSON.
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
        /// Why.
        reason: String,
    },
    /// Dead letters are due again.
    Redriven {
        /// The space.
        space: String,
        /// How many.
        deliveries: usize,
    },
    /// Dead letters were discarded.
    Discarded {
        /// The space.
        space: String,
        /// How many.
        deliveries: usize,
    },
    /// Stored events are delivered again.
    Replayed {
        /// The space.
        space: String,
        /// The id of the replay.
        #[serde(rename = "replayId")]
        replay: String,
        /// How many events.
        events: usize,
        /// How many deliveries of them.
        deliveries: usize,
    },
    /// After a run of failures a function gets one attempt per second only, until one succeeds.
    CircuitOpened {
        /// The space.
        space: String,
        /// The function.
        #[serde(rename = "functionId")]
        function: String,
    },
    /// A function works again.
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
        /// The number of the attempt, from 1; 0 when none was made.
        attempt: u32,
        /// How long the attempt took.
        #[serde(rename = "durationMs", with = "super::millis")]
        duration: Duration,
        /// The result. Its members stand beside the others.
        #[serde(flatten)]
        outcome: DeliveryOutcome,
    },
    /// Something that this version of the SDK does not know.
    #[serde(other)]
    Unknown,
}

/// The result of an attempt to deliver.
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
    /// The delivery is a dead letter now.
    Dead {
        /// Why.
        reason: String,
    },
    /// The delivery reached its maximum age.
    Expired {
        /// How.
        reason: String,
    },
}

/// A value as a string that contains its JSON.
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
