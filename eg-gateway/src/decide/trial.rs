//! Finds functions that keep themselves busy: each event for the function is emitted because of the one before, and names
//! no known cause. Nothing in such an event shows this, so the function is put to the test: its deliveries are held for a moment.
//! Events that are independent keep coming then. If none does, and events come as before once the deliveries go on, then
//! the events depend on the deliveries.
//!
//! Traffic of independent events passes, however high it is. Each test waits for eight times the longest pause between
//! the last `limit / TESTS` arrivals. If the arrivals do not depend on the deliveries, no moment is special, so a test
//! fails with a probability below `TESTS / limit`, and all of them in a row with the power of that: 10⁻¹⁶ for the default
//! limit. After a test that it has passed, a function is left alone for ten minutes.

use std::collections::HashMap;
use std::time::Duration;

use super::lanes::Lane;
use crate::timestamp::Timestamp;

/// The number of tests in a row that a function must fail.
const TESTS: u64 = 5;

/// The longest pause between two arrivals of a row. Slower loops do little harm, and testing them would take long.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// The shortest pause that counts: below it, the machine may be the reason.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// How many pauses long deliveries are held before arrivals count, because calls of other functions may be under way that
/// depend on earlier deliveries.
const SETTLING: u32 = 4;

/// For how many pauses arrivals are waited for after that.
const WATCHING: u32 = 8;

/// The longest time to wait for the calls under way.
const LONGEST_CALL: Duration = Duration::from_secs(1);

/// The number of functions from which on those are forgotten for which no events have arrived lately.
const REMEMBERED: usize = 1024;

/// How long a function is left alone that has passed a test.
const LEFT_ALONE: Duration = Duration::from_secs(600);

/// The functions for which events have arrived lately.
#[derive(Debug)]
pub(crate) struct Trials {
    limit: u64,
    lanes: HashMap<Lane, Trial>,
    /// The functions that are being tested.
    tested: Vec<Lane>,
    /// The earliest end of a test.
    until: Option<Timestamp>,
}

/// The functions whose deliveries do not go on as usual.
#[derive(Debug, Default)]
pub(crate) struct Courses {
    /// Nothing may begin.
    pub(crate) held: Vec<Lane>,
    /// What waits is given up: each delivery leads to another one.
    pub(crate) loops: Vec<Lane>,
}

impl Trials {
    /// Tests functions so that one is stopped after `limit` events in a row. Zero turns that off.
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, lanes: HashMap::new(), tested: Vec::new(), until: None }
    }

    /// Records that events without a known cause have arrived for the function of a lane.
    pub(crate) fn arrived(&mut self, lane: &Lane, now: Timestamp) {
        if self.limit == 0 {
            return;
        }
        let trial = match self.lanes.get_mut(lane) {
            Some(trial) => trial,
            None => {
                if self.lanes.len() >= REMEMBERED {
                    self.lanes.retain(|_, trial| !trial.is_over(now));
                }
                self.lanes.entry(lane.clone()).or_default()
            }
        };
        let was_tested = trial.test.is_some();
        trial.arrived(self.limit, now);
        if trial.test.is_some() && !was_tested {
            self.tested.push(lane.clone());
        }
    }

    /// Decides about the functions that are being tested. `under_way` returns how many calls of one are under way.
    pub(crate) fn courses(&mut self, under_way: impl Fn(&Lane) -> usize, now: Timestamp) -> Courses {
        let mut courses = Courses::default();
        self.until = None;
        for lane in std::mem::take(&mut self.tested) {
            let Some(trial) = self.lanes.get_mut(&lane) else { continue };
            match trial.course(under_way(&lane), now) {
                Course::Free => {}
                Course::Held(until) => {
                    self.until = self.until.into_iter().chain([until]).min();
                    self.tested.push(lane.clone());
                    courses.held.push(lane);
                }
                Course::Loops => {
                    self.tested.push(lane.clone());
                    courses.loops.push(lane);
                }
            }
        }
        courses
    }

    /// Records that no delivery to a function in a loop waits any more.
    pub(crate) fn stopped(&mut self, lane: &Lane) {
        self.lanes.remove(lane);
        self.tested.retain(|tested| tested != lane);
    }

    /// Returns why the deliveries to a function in a loop are given up.
    pub(crate) fn reason(&self) -> String {
        let limit = self.limit;
        format!("a loop: about {limit} events in a row came because of the one before, without a known cause")
    }

    /// Returns when the next test ends.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.until
    }
}

/// What is known about the arrivals of events for one function.
#[derive(Debug, Clone, Default)]
struct Trial {
    /// The arrivals since the last test, without a long pause between them.
    arrivals: u64,
    /// The longest pause between them.
    pause: Duration,
    last: Option<Timestamp>,
    /// The tests in a row that failed.
    failed: u64,
    /// The test that is under way.
    test: Option<Test>,
    /// Until then, there are no tests.
    left_alone: Option<Timestamp>,
    /// All tests have failed, and deliveries wait.
    loops: bool,
}

/// Deliveries are held.
#[derive(Debug, Clone, Copy)]
struct Test {
    since: Timestamp,
    /// When the last call under way ended.
    idle: Option<Timestamp>,
}

/// What may happen to the deliveries of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Free,
    /// They are held until then, at the latest.
    Held(Timestamp),
    /// Those that wait are given up: each leads to another one.
    Loops,
}

impl Trial {
    /// Records that events for the function have arrived. After `limit` arrivals in a row, all tests have been made.
    fn arrived(&mut self, limit: u64, now: Timestamp) {
        if let Some(test) = self.test {
            if test.idle.is_some_and(|idle| now >= idle.saturating_add(self.pause * SETTLING)) {
                *self = Self { left_alone: Some(now.saturating_add(LEFT_ALONE)), ..Self::default() };
            }
            return;
        }
        if self.loops || self.left_alone.is_some_and(|until| now < until) {
            return;
        }
        let mut pause = self.last.map_or(Duration::ZERO, |last| now.since(last));
        if pause > LONGEST_PAUSE {
            // A new row begins, and the pause before it is not a part of it.
            *self = Self::default();
            pause = Duration::ZERO;
        }
        self.last = Some(now);
        self.arrivals += 1;
        self.pause = self.pause.max(pause).max(SHORTEST_PAUSE);
        if self.arrivals >= (limit / TESTS).max(1) {
            self.test = Some(Test { since: now, idle: None });
        }
    }

    /// Decides about the deliveries that are due, with so many calls of the function under way.
    fn course(&mut self, under_way: usize, now: Timestamp) -> Course {
        if self.loops {
            return Course::Loops;
        }
        let Some(test) = &mut self.test else { return Course::Free };
        let idle = match test.idle {
            Some(idle) => idle,
            None if under_way == 0 => *test.idle.insert(now),
            None => {
                let until = test.since.saturating_add(LONGEST_CALL);
                if now < until {
                    return Course::Held(until);
                }
                *self = Self { left_alone: Some(now.saturating_add(LEFT_ALONE)), ..Self::default() };
                return Course::Free;
            }
        };
        let until = idle.saturating_add(self.pause * (SETTLING + WATCHING));
        if now < until {
            return Course::Held(until);
        }
        let failed = self.failed + 1;
        *self = Self { failed, last: Some(now), ..Self::default() };
        if failed < TESTS {
            return Course::Free;
        }
        *self = Self { loops: true, ..Self::default() };
        Course::Loops
    }

    /// Returns whether nothing is remembered that still matters at `now`.
    fn is_over(&self, now: Timestamp) -> bool {
        let recent = self.last.is_some_and(|last| now.since(last) <= LONGEST_PAUSE);
        !recent && self.test.is_none() && !self.loops && self.left_alone.is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const LIMIT: u64 = 1_000;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// A function that takes `call` milliseconds, and emits `emits` events at the end of each call.
    struct Function {
        call: i64,
        emits: usize,
    }

    /// Runs the function for so many milliseconds, with independent events at `arrivals`. Returns when deliveries were
    /// given up, and how long deliveries were held.
    fn run(function: &Function, millis: i64, arrivals: impl Fn(i64) -> usize) -> (Option<i64>, i64) {
        let (mut trial, mut waiting, mut held) = (Trial::default(), 0, 0);
        let mut calls = VecDeque::<i64>::new();
        for now in 0..millis {
            let ended = calls.iter().take_while(|end| **end <= now).count();
            calls.drain(..ended);
            let arriving = arrivals(now) + ended * function.emits;
            if arriving > 0 {
                waiting += arriving;
                trial.arrived(LIMIT, at(now));
            }
            if waiting == 0 {
                continue;
            }
            match trial.course(calls.len(), at(now)) {
                Course::Free => {
                    let begin = waiting.min(100 - calls.len().min(100));
                    waiting -= begin;
                    calls.extend((0..begin).map(|_| now + function.call));
                }
                Course::Held(_) => held += 1,
                Course::Loops => return (Some(now), held),
            }
        }
        (None, held)
    }

    #[test]
    fn a_function_that_keeps_itself_busy_is_found() {
        for call in [1, 5, 50] {
            let (found, _) = run(&Function { call, emits: 1 }, 1_000_000, |now| usize::from(now == 0));
            let found = found.unwrap_or_else(|| panic!("a loop of {call} ms was not found"));
            // The limit, and the tests.
            assert!(found < 1_000 * call + 5 * 13 * call.max(5), "{call} ms: {found}");
        }
        // Several events go around.
        assert!(run(&Function { call: 10, emits: 1 }, 1_000_000, |now| usize::from(now < 5)).0.is_some());
    }

    #[test]
    fn busy_functions_are_not() {
        let works = |call| Function { call, emits: 0 };
        // Steady traffic, a backlog, bursts, and traffic that begins after one lone event.
        for (name, call, traffic) in [
            ("steady", 3, (|now| usize::from(now % 2 == 0)) as fn(i64) -> usize),
            ("saturated", 200, |_| 2),
            ("all at once", 20, |now| if now == 0 { 200_000 } else { 0 }),
            ("bursts", 20, |now| if now % 3_000 < 1_000 { 1 } else { 0 }),
            ("after a quiet time", 20, |now| if now == 0 || now > 50_000 { 1 } else { 0 }),
        ] {
            let (found, held) = run(&works(call), 200_000, traffic);
            assert_eq!(found, None, "{name}");
            assert!(held < 1_300, "{name}: held for {held} ms of 200 s");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Whatever the pauses are, arrivals that do not depend on the deliveries show it, in each of many tests.
        #[test]
        fn independent_events_never_look_like_a_loop(seed: u64, longest in 1i64..120, call in 1i64..60) {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut times, mut now) = (Vec::new(), 0);
            while now < 200_000 {
                now += if random.u32(..2_000) == 0 { 6_000 } else { random.i64(0..=longest) };
                times.push(now);
            }
            let (mut trial, mut until, mut tests) = (Trial::default(), None, 0);
            for pair in times.windows(2) {
                let (now, next) = (pair[0], pair[1]);
                if until.is_some_and(|until| at(now) >= until) {
                    let course = trial.course(0, at(now));
                    prop_assert_ne!(course, Course::Loops, "after {} tests", tests);
                    until = None;
                }
                // It is tested again at once.
                trial.left_alone = None;
                trial.arrived(LIMIT, at(now));
                // The calls under way end before the next arrival.
                if let Course::Held(end) = trial.course(0, at(next.min(now + call))) {
                    tests += u32::from(until.is_none());
                    until = Some(end);
                }
            }
            prop_assert!(tests > 3 || longest > 100, "{} tests", tests);
        }
    }
}
