//! The circuit breaker of one function: after a run of failures it allows one attempt per second, until one succeeds. The
//! engine asks it before each attempt.

use std::time::Duration;

use crate::timestamp::Timestamp;

/// The number of consecutive failures that opens the breaker.
const TOLERATED: u32 = 10;

/// Pause between probes.
const PROBE: Duration = Duration::from_secs(1);

/// The recent attempts of a function. Kept in memory only: a restart closes the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Breaker {
    /// Failures since the last success.
    failures: u32,
    /// When the last probe began.
    probed: Option<Timestamp>,
}

/// The attempts that may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// No limit but the number of workers.
    Free,
    /// One attempt, as a probe.
    Probe,
    /// No attempt before this time.
    Wait(Timestamp),
}

impl Breaker {
    /// Returns how many attempts may start at `now`.
    pub(crate) fn admission(&self, now: Timestamp) -> Admission {
        if self.failures < TOLERATED {
            return Admission::Free;
        }
        match self.probed {
            // Probes must continue even if the clock is set back.
            Some(probed) if (probed..probed.saturating_add(PROBE)).contains(&now) => {
                Admission::Wait(probed.saturating_add(PROBE))
            }
            _ => Admission::Probe,
        }
    }

    /// Records that a probe starts.
    pub(crate) fn probe(&mut self, now: Timestamp) {
        self.probed = Some(now);
    }

    /// Records that the function works: it accepted an event, or rejected that one event.
    pub(crate) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Records that the function failed.
    pub(crate) fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == TOLERATED {
            self.probed = Some(now);
        }
    }

    /// Returns whether the breaker is open: only probes are allowed.
    pub(crate) fn is_open(&self) -> bool {
        self.failures >= TOLERATED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn open_at(now: Timestamp) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..TOLERATED {
            assert_eq!(breaker.admission(now), Admission::Free);
            breaker.failed(now);
        }
        assert!(breaker.is_open());
        breaker
    }

    #[test]
    fn one_probe_per_second() {
        let mut breaker = open_at(at(5000));
        assert_eq!(breaker.admission(at(5000)), Admission::Wait(at(6000)));
        assert_eq!(breaker.admission(at(5999)), Admission::Wait(at(6000)));
        assert_eq!(breaker.admission(at(6000)), Admission::Probe);
        breaker.probe(at(6000));
        assert_eq!(breaker.admission(at(6000)), Admission::Wait(at(7000)));
        breaker.failed(at(6100));
        assert_eq!(breaker.admission(at(6100)), Admission::Wait(at(7000)));
        assert_eq!(breaker.admission(at(7000)), Admission::Probe);
    }

    #[test]
    fn a_success_closes_it() {
        let mut breaker = open_at(at(0));
        breaker.answered();
        assert!(!breaker.is_open());
        assert_eq!(breaker.admission(at(1)), Admission::Free);
    }

    #[test]
    fn a_clock_set_back_does_not_stop_probes() {
        assert_eq!(open_at(at(5000)).admission(at(10)), Admission::Probe);
    }
}
