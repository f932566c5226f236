//! How far the clock of a test is ahead, for the parts of the runtime that measure time. `TestApp` moves the clock.

use std::future::Future;
use std::time::{Duration, Instant, SystemTime};

use crate::deadline::Deadline;

tokio::task_local! {
    /// How far the test has advanced its clock, while it calls a function.
    static AHEAD: Duration;
}

/// Calls a function while the clock is this far ahead.
pub(super) async fn ahead<T>(by: Duration, call: impl Future<Output = T>) -> T {
    AHEAD.scope(by, call).await
}

/// Returns the current time, by the clock of the test if there is one.
pub(crate) fn now() -> Instant {
    let now = Instant::now();
    AHEAD.try_with(|ahead| now.checked_add(*ahead)).ok().flatten().unwrap_or(now)
}

/// Returns the deadline of a call that may take this many seconds. Time passes by tokio's clock, which a test can pause.
pub(super) fn deadline(seconds: u32) -> Option<Deadline> {
    Deadline::within(
        Duration::from_secs(seconds.into()),
        SystemTime::now(),
        tokio::time::Instant::now().into_std(),
    )
}
