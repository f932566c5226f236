//! The circuit breaker of one function: when many different deliveries fail and none succeeds, it allows one attempt per
//! second, until one succeeds. `lanes` asks it before each attempt and tells it how the attempts ended.

use std::time::Duration;

use crate::timestamp::Timestamp;

/// The number of different deliveries that must fail, with no success between, before the breaker opens.
const TOLERATED: usize = 10;

/// Time without a success before the breaker opens, and the pause between probes.
const PROBE: Duration = Duration::from_secs(1);

/// Maximum number of probes under way. A function that hangs gets no more.
const PROBES: usize = 10;

/// The recent attempts of a function. Kept in memory only: a restart closes the breaker.
///
/// It judges the function, not the events. A delivery that fails again although the function has answered others
/// meanwhile says something about its event only, so it does not count; and a delivery counts once, however often it
/// fails.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Breaker {
    /// The different deliveries whose failures count, at most [`TOLERATED`].
    failed: Vec<i64>,
    /// When the function last answered.
    answered: Option<Timestamp>,
    /// When the last probe began, or the breaker opened. `None`: it is closed.
    probed: Option<Timestamp>,
    /// The number of probes under way.
    probes: usize,
    /// Which event the next probe takes.
    next: Side,
}

/// The attempts that may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// No limit but the number of workers.
    Free,
    /// One attempt, as a probe.
    Probe(Side),
    /// No attempt before this time.
    Wait(Timestamp),
    /// No attempt until a probe ends.
    Hangs,
}

/// Which of the deliveries that have not failed yet a probe takes. Probes alternate, so that neither old nor new events
/// that always fail can keep the breaker open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Side {
    #[default]
    Newest,
    Oldest,
}

/// What the end of a call says about the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// The function handled the event, or rejected that one event.
    Answered,
    /// The call failed. `previous` is the start of the attempt that failed before this one.
    Failed { delivery: i64, previous: Option<Timestamp> },
    /// Nothing: the gateway could not make the call.
    Unmade,
}

impl Breaker {
    /// Returns the attempts that may start at `now`.
    pub(crate) fn admission(&self, now: Timestamp) -> Admission {
        match self.probed {
            None => Admission::Free,
            Some(_) if self.probes >= PROBES => Admission::Hangs,
            // Probes must continue even if the clock is set back.
            Some(probed) if within(probed, now) => Admission::Wait(probed.saturating_add(PROBE)),
            Some(_) => Admission::Probe(self.next),
        }
    }

    /// Records that a delivery is loaded for a probe.
    pub(crate) fn probe(&mut self, now: Timestamp) {
        self.probed = Some(now);
        self.next = match self.next {
            Side::Newest => Side::Oldest,
            Side::Oldest => Side::Newest,
        };
    }

    /// Records that so many attempts have begun, and returns whether they are probes.
    pub(crate) fn began(&mut self, attempts: usize) -> bool {
        if self.is_open() {
            self.probes += attempts;
        }
        self.is_open()
    }

    /// Records how a call ended, which was a probe or not.
    pub(crate) fn ended(&mut self, sign: Sign, probe: bool, now: Timestamp) {
        if probe {
            self.probes = self.probes.saturating_sub(1);
        }
        match sign {
            Sign::Answered => {
                self.failed.clear();
                self.answered = Some(now);
                self.probed = None;
            }
            Sign::Failed { delivery, previous } => self.failed(delivery, previous, now),
            Sign::Unmade => {}
        }
    }

    fn failed(&mut self, delivery: i64, previous: Option<Timestamp>, now: Timestamp) {
        let its_own_fault =
            previous.zip(self.answered).is_some_and(|(previous, answered)| answered >= previous);
        if self.is_open() || its_own_fault {
            return;
        }
        if self.failed.len() < TOLERATED && !self.failed.contains(&delivery) {
            self.failed.push(delivery);
        }
        let answers = self.answered.is_some_and(|answered| within(answered, now));
        if self.failed.len() == TOLERATED && !answers {
            self.probed = Some(now);
        }
    }

    /// Returns whether the breaker is open: only probes are allowed.
    pub(crate) fn is_open(&self) -> bool {
        self.probed.is_some()
    }

    /// Returns whether there is nothing to remember if no delivery waits or is under way.
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_open() && self.failed.is_empty()
    }
}

/// Returns whether `now` is less than a pause between probes after `then`.
fn within(then: Timestamp, now: Timestamp) -> bool {
    (then..then.saturating_add(PROBE)).contains(&now)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// The failure of a delivery that has not failed before.
    const fn first(delivery: i64) -> Sign {
        Sign::Failed { delivery, previous: None }
    }

    fn open_at(now: Timestamp) -> Breaker {
        let mut breaker = Breaker::default();
        for delivery in 0..10 {
            assert_eq!(breaker.admission(now), Admission::Free);
            breaker.ended(first(delivery), false, now);
        }
        assert!(breaker.is_open());
        breaker
    }

    #[test]
    fn one_probe_per_second_of_the_newest_and_the_oldest_in_turn() {
        let mut breaker = open_at(at(5000));
        assert_eq!(breaker.admission(at(5000)), Admission::Wait(at(6000)));
        assert_eq!(breaker.admission(at(5999)), Admission::Wait(at(6000)));
        assert_eq!(breaker.admission(at(6000)), Admission::Probe(Side::Newest));
        breaker.probe(at(6000));
        breaker.began(1);
        assert_eq!(breaker.admission(at(6000)), Admission::Wait(at(7000)));
        breaker.ended(first(10), true, at(6100));
        assert_eq!(breaker.admission(at(6100)), Admission::Wait(at(7000)));
        assert_eq!(breaker.admission(at(7000)), Admission::Probe(Side::Oldest));
    }

    #[test]
    fn probes_that_hang_are_limited() {
        let mut breaker = open_at(at(0));
        for second in 1..=10 {
            assert!(matches!(breaker.admission(at(second * 1000)), Admission::Probe(_)));
            breaker.probe(at(second * 1000));
            assert!(breaker.began(1));
        }
        assert_eq!(breaker.admission(at(60_000)), Admission::Hangs);
        breaker.ended(first(11), true, at(60_000));
        assert!(matches!(breaker.admission(at(60_000)), Admission::Probe(_)));
    }

    #[test]
    fn a_success_closes_it() {
        let mut breaker = open_at(at(0));
        breaker.ended(Sign::Answered, false, at(500));
        assert!(!breaker.is_open());
        assert_eq!(breaker.admission(at(501)), Admission::Free);
    }

    #[test]
    fn a_clock_set_back_does_not_stop_probes() {
        assert_eq!(open_at(at(5000)).admission(at(10)), Admission::Probe(Side::Newest));
    }

    #[test]
    fn one_delivery_counts_once() {
        let mut breaker = Breaker::default();
        for n in 0..100 {
            breaker.ended(Sign::Failed { delivery: n % 9, previous: Some(at(n)) }, false, at(n));
        }
        assert!(!breaker.is_open());
        breaker.ended(first(9), false, at(100));
        assert!(breaker.is_open());
    }

    #[test]
    fn what_fails_again_while_others_succeed_does_not_count() {
        let mut breaker = Breaker::default();
        breaker.ended(Sign::Answered, false, at(1000));
        for delivery in 0..100 {
            breaker.ended(Sign::Failed { delivery, previous: Some(at(999)) }, false, at(10_000));
        }
        assert!(!breaker.is_open());
        // The function has answered nothing since they failed the second time.
        for delivery in 0..10 {
            breaker.ended(Sign::Failed { delivery, previous: Some(at(10_000)) }, false, at(20_000));
        }
        assert!(breaker.is_open());
    }

    #[test]
    fn it_stays_closed_within_a_second_of_a_success() {
        let mut breaker = Breaker::default();
        breaker.ended(Sign::Answered, false, at(1000));
        for delivery in 0..100 {
            breaker.ended(first(delivery), false, at(1999));
        }
        assert!(!breaker.is_open());
        breaker.ended(first(100), false, at(2000));
        assert!(breaker.is_open());
    }

    #[test]
    fn the_gateways_own_failures_say_nothing() {
        let mut breaker = Breaker::default();
        for n in 0..100 {
            breaker.ended(Sign::Unmade, false, at(n));
        }
        assert_eq!(breaker, Breaker::default());
        let mut open = open_at(at(0));
        open.probe(at(1000));
        open.began(1);
        open.ended(Sign::Unmade, true, at(1000));
        assert!(open.is_open());
    }

    proptest! {
        /// Whatever fails, an answer per second keeps it closed.
        #[test]
        fn a_function_that_answers_is_never_paused(
            mut failures in prop::collection::vec((0i64..20_000, 0i64..50), 0..300),
        ) {
            failures.sort_unstable();
            let mut breaker = Breaker::default();
            for second in 0..20 {
                breaker.ended(Sign::Answered, false, at(second * 1000));
                for (time, delivery) in failures.extract_if(.., |(time, _)| *time < (second + 1) * 1000) {
                    breaker.ended(first(delivery), false, at(time));
                    prop_assert_eq!(breaker.admission(at(time)), Admission::Free);
                }
            }
        }
    }
}
