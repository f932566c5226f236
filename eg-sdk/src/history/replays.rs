//! Replays: requests to deliver stored events again, and their results. The gateway carries them out.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Which events to deliver again, and to which subscription. At least `event_id` or `from` is required.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayRequest {
    /// The event with this `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// Events from this source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Events of this type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub ty: Option<String>,
    /// Events accepted at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::moment::option")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub from: Option<OffsetDateTime>,
    /// Events accepted before this time.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::moment::option")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub to: Option<OffsetDateTime>,
    /// The only subscription to deliver to. Absent: all subscriptions that match the events now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<String>,
}

/// A replay whose deliveries, as far as they are counted, are stored on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// The id of the replay. Functions receive it as the extension `replay` of the event.
    pub replay_id: String,
    /// The number of events that matched so far.
    pub events: usize,
    /// The number of their deliveries.
    pub deliveries: usize,
    /// The id of the [`Job`](super::Job) that replays the rest. Absent when all events are replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<i64>,
}
