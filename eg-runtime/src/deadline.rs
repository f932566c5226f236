//! The deadline of an invocation. Lambda ends the process without notice, so the runtime gives up shortly before. The
//! clock is a parameter.

use std::time::{Duration, Instant, SystemTime};

/// How long before Lambda's deadline a function is cancelled, to leave time for the report.
const CANCEL_BEFORE: Duration = Duration::from_millis(75);

/// The minimum time left to start another message of a batch.
const BATCH_MARGIN: Duration = Duration::from_millis(500);

/// Lambda's deadline on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline {
    /// When Lambda ends the invocation.
    pub(crate) at: SystemTime,
    on_clock: Instant,
}

impl Deadline {
    /// Converts a deadline in milliseconds since 1970. A deadline that is already over is ignored, because some
    /// Lambda emulators count from the wrong year.
    pub(crate) fn new(millis: u64, now: SystemTime, clock: Instant) -> Option<Self> {
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))?;
        let left = at.duration_since(now).ok().filter(|left| !left.is_zero())?;
        Some(Self { at, on_clock: clock.checked_add(left)? })
    }

    /// Returns the deadline of a call that may take this long from now on; `None` if the clocks end before.
    pub(crate) fn within(time: Duration, now: SystemTime, clock: Instant) -> Option<Self> {
        Some(Self { at: now.checked_add(time)?, on_clock: clock.checked_add(time)? })
    }

    /// Returns when the function is cancelled.
    pub(crate) fn cancels_at(self) -> Instant {
        self.on_clock.checked_sub(CANCEL_BEFORE).unwrap_or(self.on_clock)
    }

    /// Returns whether there is time for another message of a batch.
    pub(crate) fn allows_another(self, clock: Instant) -> bool {
        self.on_clock.saturating_duration_since(clock) >= BATCH_MARGIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_that_make_no_sense_are_none() {
        let (now, clock) = (SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000), Instant::now());
        let left = |millis| Deadline::new(millis, now, clock).map(|d| d.on_clock.duration_since(clock));
        assert_eq!(left(1_800_000_003_000), Some(Duration::from_secs(3)));
        assert_eq!(left(1_800_000_000_000), None, "now");
        assert_eq!(left(600_000), None, "1970");
        assert_eq!(left(0), None);
        assert!(left(u64::MAX).is_none_or(|left| left > Duration::from_secs(1 << 40)), "no overflow");
    }

    #[test]
    fn there_is_time_to_report() {
        let (now, clock) = (SystemTime::UNIX_EPOCH, Instant::now());
        let deadline = Deadline::new(3_000, now, clock).unwrap();
        assert_eq!(deadline.cancels_at().duration_since(clock), Duration::from_millis(2_925));
        assert!(deadline.allows_another(clock + Duration::from_millis(2_500)));
        assert!(!deadline.allows_another(clock + Duration::from_millis(2_501)));
        assert!(!deadline.allows_another(clock + Duration::from_secs(9)));
    }
}
