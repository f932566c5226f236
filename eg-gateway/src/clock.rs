//! The only place that asks the machine for time and randomness. Everything else gets both as values.

use std::time::{Duration, Instant};

use time::OffsetDateTime;
use uuid::Uuid;

/// Milliseconds since the Unix epoch.
pub(crate) type Millis = i64;

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// The wall clock in milliseconds.
pub(crate) fn now_millis() -> Millis {
    millis(now())
}

/// `at` in milliseconds since the Unix epoch.
pub(crate) fn millis(at: OffsetDateTime) -> Millis {
    // Milliseconds of the years ±9999 fit easily.
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// `millis` as a duration; none when it is negative.
pub(crate) fn duration(millis: Millis) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

/// The steady clock, for durations.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// A random number from 0 (inclusive) to 1 (exclusive).
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn random() -> f64 {
    fastrand::f64()
}

/// A random id for an event that the gateway makes itself.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn event_id() -> Uuid {
    Uuid::new_v4()
}
