//! The circuit breaker of one function: after a run of failures it lets only one attempt per second through, until one
//! succeeds.

use crate::clock::Millis;

/// So many failures in a row open the breaker.
const TOLERATED: u32 = 10;

/// Pause between probes.
const PROBE_MS: Millis = 1000;

/// What the recent attempts say about a function. Remembered only while the gateway runs: a restart is a fresh start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Breaker {
    /// Failures since the last success.
    failures: u32,
    /// When the last probe began.
    probed: Option<Millis>,
}

/// How many attempts may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// As many as there are workers for.
    Free,
    /// One, as a probe.
    Probe,
    /// None before this time.
    Wait(Millis),
}

impl Breaker {
    /// What may begin at `now`.
    pub(crate) fn admission(&self, now: Millis) -> Admission {
        if self.failures < TOLERATED {
            return Admission::Free;
        }
        match self.probed {
            // A clock that was set back must not stop the probes.
            Some(probed) if (probed..probed.saturating_add(PROBE_MS)).contains(&now) => {
                Admission::Wait(probed.saturating_add(PROBE_MS))
            }
            _ => Admission::Probe,
        }
    }

    /// A probe begins.
    pub(crate) fn probe(&mut self, now: Millis) {
        self.probed = Some(now);
    }

    /// The function took an event, or refused that one for good: it is there.
    pub(crate) fn answered(&mut self) {
        *self = Self::default();
    }

    /// The function did not do its work.
    pub(crate) fn failed(&mut self, now: Millis) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == TOLERATED {
            self.probed = Some(now);
        }
    }

    /// Whether only probes get through.
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
