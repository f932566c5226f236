//! Decides what time it is for the gateway when the wall clock is set. Deliveries, keys and history depend on how much time
//! has passed, so the gateway's time follows a jump slowly and never runs backwards.

use std::time::Duration;

use time::OffsetDateTime;

/// How much faster or slower than the steady clock the gateway's time runs to follow the wall clock: by a tenth.
const FOLLOWS: i128 = 10;

/// Difference between the wall clock and the gateway's time, in nanoseconds, from which the wall clock counts as set.
const JUMP: i128 = 10 * 1_000_000_000;

/// The time of the gateway, from readings of the wall clock and of a steady clock.
#[derive(Debug, Clone)]
pub(crate) struct Steady {
    /// Nanoseconds since the Unix epoch. Dates would cost several times as much to compute with.
    now: i128,
    /// The steady clock at `now`.
    steady: Duration,
    /// How many nanoseconds the wall clock was ahead at the last reading.
    ahead: i128,
    jumped: bool,
    /// Whether somebody has read the time. From then on it must not run backwards.
    is_read: bool,
}

/// A reading of the gateway's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) now: OffsetDateTime,
    /// How far the wall clock is ahead, if it was set since the last reading.
    pub(crate) jump: Option<time::Duration>,
}

impl Steady {
    /// Starts with the time of the wall clock.
    pub(crate) fn new(wall: OffsetDateTime, steady: Duration) -> Self {
        Self { now: wall.unix_timestamp_nanos(), steady, ahead: 0, jumped: false, is_read: false }
    }

    /// Reads the time. The wall clock may show anything; `steady` never decreases.
    pub(crate) fn read(&mut self, wall: OffsetDateTime, steady: Duration) -> Reading {
        let passed = nanos(steady.saturating_sub(self.steady));
        let (steps, limit) = (self.now.saturating_add(passed), passed / FOLLOWS);
        let wall = wall.unix_timestamp_nanos();
        self.now = steps.saturating_add((wall - steps).clamp(-limit, limit));
        self.steady = self.steady.max(steady);
        self.ahead = wall - self.now;
        let is_far = self.ahead.abs() > JUMP;
        let jump = (is_far && !self.jumped).then(|| self.ahead());
        self.jumped = is_far;
        self.is_read = true;
        // Only a clock that is off by thousands of years shows a time that is no date.
        let now = OffsetDateTime::from_unix_timestamp_nanos(self.now);
        Reading { now: now.unwrap_or(OffsetDateTime::UNIX_EPOCH), jump }
    }

    /// Continues from the time of an earlier process, at which the steady clock showed `at`, if the wall clock was set since.
    /// Has no effect once the time was read.
    pub(crate) fn resume(&mut self, time: OffsetDateTime, at: Duration) {
        let passed = nanos(self.steady.saturating_sub(at));
        let resumed = time.unix_timestamp_nanos().saturating_add(passed);
        if !self.is_read && (self.now - resumed).abs() > JUMP {
            self.now = resumed;
        }
    }

    /// Continues from `time`, if that is later: the time that an earlier process has reached.
    pub(crate) fn not_before(&mut self, time: OffsetDateTime) {
        self.now = self.now.max(time.unix_timestamp_nanos());
    }

    /// Returns how far the wall clock was ahead at the last reading, if that is so much that it was set.
    pub(crate) fn jump(&self) -> Option<time::Duration> {
        self.jumped.then(|| self.ahead())
    }

    /// Returns how far the wall clock was ahead of the gateway's time at the last reading.
    pub(crate) fn ahead(&self) -> time::Duration {
        let farthest = if self.ahead < 0 { i64::MIN } else { i64::MAX };
        time::Duration::nanoseconds(i64::try_from(self.ahead).unwrap_or(farthest))
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn after(seconds: i64) -> OffsetDateTime {
        START + time::Duration::seconds(seconds)
    }

    #[test]
    fn a_jump_is_followed_slowly_and_reported_once() {
        for (jump, expected) in [(3600, 110), (-3600, 90), (25 * 3600, 110), (8 * 24 * 3600, 110)] {
            let mut clock = Steady::new(START, s(1000));
            assert_eq!(clock.read(after(100), s(1100)), Reading { now: after(100), jump: None });
            let found = clock.read(after(200 + jump), s(1200));
            assert_eq!(found.now, after(100 + expected), "{jump}");
            let ahead = time::Duration::seconds(100 + jump - expected);
            assert_eq!((found.jump, clock.ahead()), (Some(ahead), ahead), "{jump}");
            assert_eq!(clock.read(after(300 + jump), s(1300)).jump, None, "{jump}");
            assert_eq!(clock.jump(), Some(clock.ahead()), "{jump}");
        }
    }

    #[test]
    fn a_clock_that_is_set_right_again_is_met() {
        let mut clock = Steady::new(START, s(0));
        assert!(clock.read(after(3601), s(1)).jump.is_some());
        assert_eq!(clock.read(after(10), s(10)), Reading { now: after(10), jump: None });
        assert_eq!(clock.jump(), None);
        assert!(clock.read(after(7200), s(11)).jump.is_some(), "another jump");
    }

    #[test]
    fn it_continues_where_an_earlier_process_ended() {
        let mut clock = Steady::new(START, s(0));
        clock.not_before(after(3600));
        let Reading { now, jump } = clock.read(after(10), s(10));
        assert_eq!((now, jump), (after(3609), Some(time::Duration::seconds(-3599))));
    }

    /// After a restart, a clock that had been set counted for the age of deliveries, and all of them expired.
    #[test]
    fn a_clock_that_was_set_while_no_gateway_ran_is_followed_slowly() {
        for set in [25 * 3600, -3600] {
            let mut clock = Steady::new(after(500 + set), s(1500));
            clock.resume(after(100), s(1100));
            let found = clock.read(after(500 + set), s(1500));
            let ahead = time::Duration::seconds(set);
            assert_eq!(found, Reading { now: after(500), jump: Some(ahead) });
            // Another gateway of the same process shares the time.
            clock.resume(after(0), s(1500));
            assert_eq!(clock.read(after(500 + set), s(1500)).now, after(500));
        }
        let mut right = Steady::new(after(503), s(1500));
        right.resume(after(100), s(1100));
        assert_eq!(right.read(after(503), s(1500)), Reading { now: after(503), jump: None });
    }

    proptest! {
        #[test]
        fn it_runs_forward_at_almost_the_right_speed(
            readings in prop::collection::vec((0u64..10_000, -1_000_000_000i64..1_000_000_000), 1..100),
        ) {
            let mut clock = Steady::new(START, Duration::ZERO);
            let (mut steady, mut last) = (Duration::ZERO, START);
            for (passed, wall) in readings {
                steady += s(passed);
                let now = clock.read(after(wall), steady).now;
                let moved = (now - last).as_seconds_f64();
                let passed = s(passed).as_secs_f64();
                prop_assert!((passed * 0.899..=passed * 1.101).contains(&moved), "{moved} in {passed}");
                last = now;
            }
        }
    }
}
