//! Recent figures of a gateway: how often its functions were called, how long they took, what failed, and how much waits. The
//! gateway counts in memory since its start; `accounting` has the exact numbers.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::config::RetryLimits;

/// The recent figures of the functions of a space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct SpaceStatistics {
    /// The time before now that `calls` and `failures` count: 15 minutes, or less if the gateway started later.
    #[serde(rename = "windowMs", with = "super::millis")]
    #[cfg_attr(feature = "derive", schema(as = u64))]
    pub window: Duration,
    /// When deliveries are retried whose subscription says nothing else. All members are present.
    pub default_retry: RetryLimits,
    /// The registered functions, ordered by id. A function that was not called since the gateway started has zeros.
    pub functions: Vec<FunctionStatistics>,
}

/// The recent figures of a function. A call is a synchronous request or one attempt of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct FunctionStatistics {
    /// The function.
    pub function_id: String,
    /// The calls that ended within the window.
    pub calls: u64,
    /// Those of the calls that failed: the function failed, rejected the event or could not be reached.
    pub failures: u64,
    /// The calls under way.
    pub under_way: u32,
    /// The duration that half of the last 200 calls did not exceed. Absent if there was no call.
    #[serde(
        default,
        rename = "p50Ms",
        skip_serializing_if = "Option::is_none",
        with = "super::millis::option"
    )]
    #[cfg_attr(feature = "derive", schema(as = u64))]
    pub p50: Option<Duration>,
    /// The duration that 95 % of the last 200 calls did not exceed. Absent if there was no call.
    #[serde(
        default,
        rename = "p95Ms",
        skip_serializing_if = "Option::is_none",
        with = "super::millis::option"
    )]
    #[cfg_attr(feature = "derive", schema(as = u64))]
    pub p95: Option<Duration>,
    /// Whether the circuit breaker is open: many different deliveries failed, so the gateway makes one attempt per second
    /// until one succeeds.
    pub circuit_open: bool,
    /// When the last call ended. Absent if there was no call.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::moment::option")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub last_call_at: Option<OffsetDateTime>,
    /// The last call that failed. Absent if none has failed since the gateway started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
}

/// The last call of a function that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct LastFailure {
    /// When it ended.
    #[serde(with = "super::moment")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub at: OffsetDateTime,
    /// What called the function: the type of an event, a request such as `POST /users`, or, locally, something like `queue orders`.
    pub trigger: String,
    /// The `id` of the event that the function was called with. Absent if no event called it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// The type of that event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// What went wrong, cut after 500 characters.
    pub error: String,
}

/// The recent figures of a gateway, for all spaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatistics {
    /// The version of the gateway.
    pub version: String,
    /// When the gateway started.
    #[serde(with = "super::moment")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub started_at: OffsetDateTime,
    /// The minutes of the last hour since the gateway started, the oldest first. The last one is the current minute.
    pub minutes: Vec<Minute>,
    /// The deliveries that wait or are under way.
    pub backlog: u64,
    /// From when the age of the oldest waiting delivery counts. Absent if none waits.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::moment::option")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub oldest_waiting_since: Option<OffsetDateTime>,
    /// The size of the store in bytes, without free pages.
    pub store_bytes: u64,
    /// The size that the store may reach, in bytes. At this size, the gateway refuses events.
    pub store_limit_bytes: u64,
}

/// What happened in one minute, in all spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
pub struct Minute {
    /// When the minute began.
    #[serde(with = "super::moment")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub at: OffsetDateTime,
    /// The events that were accepted, without the gateway's own.
    pub accepted: u64,
    /// The calls of functions that ended.
    pub calls: u64,
    /// Those of the calls that failed.
    pub failures: u64,
}
