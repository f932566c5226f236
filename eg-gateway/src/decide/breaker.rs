//! The circuit breaker of one function: after a run of failures it allows one attempt per second, until one succeeds. The
//! engine asks it before each attempt.

use crate::clock::Millis;

/// The number of consecutive failures that opens the breaker.
const TOLERATED: u32 = 10;

/// Pause between probes.
const PROBE_MS: Millis = 1000;

/// The recent attempts of a function. Kept in memory only: a restart closes the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Breaker {
    /// Failures since the last success.
    failures: u32,
    /// When the last probe began.
    probed: Option<Millis>,
}

/// The attempts that may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// No limit but the number of workers.
    Free,
    /// One attempt, as a probe.
    Probe,
    /// No attempt before this time.
    Wait(Millis),
}

impl Breaker {
    /// Returns how many attempts may start at `now`.
    pub(crate) fn admission(&self, now: Millis) -> Admission {
        if self.failures < TOLERATED {
            return Admission::Free;
        }
        match self.probed {
            // Probes must continue even if the clock is set back.
            Some(probed) if (probed..probed.saturating_add(PROBE_MS)).contains(&now) => {
                Admission::Wait(probed.saturating_add(PROBE_MS))
            }
            _ => Admission::Probe,
        }
    }

    /// Records that a probe starts.
    pub(crate) fn probe(&mut self, now: Millis) {
        self.probed = Some(now);
    }

    /// Records that the function works: it accepted an event, or rejected that one event.
    pub(crate) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Records that the function failed.
    pub(crate) fn failed(&mut self, now: Millis) {
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

    fn open_at(now: Millis) -> Breaker {
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
        let mut breaker = open_at(5000);
        assert_eq!(breaker.admission(5000), Admission::Wait(6000));
        assert_eq!(breaker.admission(5999), Admission::Wait(6000));
        assert_eq!(breaker.admission(6000), Admission::Probe);
        breaker.probe(6000);
        assert_eq!(breaker.admission(6000), Admission::Wait(7000));
        breaker.failed(6100);
        assert_eq!(breaker.admission(6100), Admission::Wait(7000));
        assert_eq!(breaker.admission(7000), Admission::Probe);
    }

    #[test]
    fn a_success_closes_it() {
        let mut breaker = open_at(0);
        breaker.answered();
        assert!(!breaker.is_open());
        assert_eq!(breaker.admission(1), Admission::Free);
    }

    #[test]
    fn a_clock_set_back_does_not_stop_probes() {
        assert_eq!(open_at(5000).admission(10), Admission::Probe);
    }
}
