//! Counts what the last minutes brought, in all and for each function, for people who look at the gateway now. Bounded in
//! memory, and lost at the end of the process; `metrics` has counters for programs, and `store` the exact accounts. `calls` keeps
//! what single calls left.

mod calls;
mod minutes;
mod outside;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eg_grammar::HTTP_REQUEST;
use eg_sdk::history::{CallFilter, CallPage, FunctionStatistics, LastFailure, Minute};

pub(crate) use self::calls::Notes;
use self::minutes::{Counts, MINUTE, Minutes, first, minute};
pub use self::outside::{OutsideCall, OutsideCalls};
use crate::timestamp::Timestamp;

/// The minutes that are kept of all functions together.
const HOUR: usize = 60;

/// The minutes that are kept of each function.
const WINDOW: usize = 15;

/// The number of calls of a function whose durations are kept.
const DURATIONS: usize = 200;

/// The maximum number of functions. One more replaces the one that was called longest ago.
const FUNCTIONS: usize = 4_096;

/// The maximum number of characters of an error.
const ERROR: usize = 500;

/// The recent figures of a gateway.
#[derive(Debug)]
pub(crate) struct Recent {
    started: Timestamp,
    figures: Mutex<Figures>,
    calls: calls::Calls,
}

#[derive(Debug, Default)]
struct Figures {
    minutes: Minutes<HOUR>,
    /// By space and id.
    functions: HashMap<String, HashMap<String, Calls>>,
}

/// The figures of one function.
#[derive(Debug, Default)]
struct Calls {
    minutes: Minutes<WINDOW>,
    durations: VecDeque<Duration>,
    under_way: u32,
    circuit_open: bool,
    last_at: Option<Timestamp>,
    last_failure: Option<LastFailure>,
}

impl Calls {
    fn is_idle(&self) -> bool {
        self.under_way == 0 && !self.circuit_open
    }

    fn statistics(&self, function: String, now: Timestamp) -> FunctionStatistics {
        let mut durations: Vec<Duration> = self.durations.iter().copied().collect();
        durations.sort_unstable();
        // The nearest rank.
        let of = |percent: usize| {
            durations.get((durations.len() * percent).div_ceil(100).saturating_sub(1)).copied()
        };
        let (p50, p95) = (of(50), of(95));
        let from = first::<WINDOW>(minute(now));
        let minutes = self.minutes.0.iter().filter(|(minute, _)| *minute >= from);
        let (calls, failures) = minutes.fold((0, 0), |(calls, failures), (_, counts)| {
            (calls + u64::from(counts.calls), failures + u64::from(counts.failures))
        });
        FunctionStatistics {
            function_id: function,
            calls,
            failures,
            under_way: self.under_way,
            p50,
            p95,
            circuit_open: self.circuit_open,
            last_call_at: self.last_at.map(Timestamp::date_time),
            last_failure: self.last_failure.clone(),
        }
    }
}

/// What called a function. It becomes text only where the text is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trigger<'a> {
    /// The type of an event, or something beside the gateway, for example `queue orders`.
    Named(&'a str),
    /// A request with an event of this type.
    Request { event_type: &'a str, method: &'a str, path: &'a str },
}

impl fmt::Display for Trigger<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Request { event_type: HTTP_REQUEST, method, path } => write!(f, "{method} {path}"),
            Self::Request { event_type, method, path } => write!(f, "{event_type} at {method} {path}"),
        }
    }
}

/// A call that ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended<'a> {
    pub(crate) space: &'a str,
    pub(crate) function: &'a str,
    /// What called the function.
    pub(crate) trigger: Trigger<'a>,
    /// The id and the type of the event; `None` if no event called the function.
    pub(crate) event: Option<(&'a str, &'a str)>,
    /// The delivery and the number of its attempt; `None` if an emitter waited for the answer.
    pub(crate) attempt: Option<(i64, u32)>,
    pub(crate) duration: Duration,
    /// The status of the answer to the emitter.
    pub(crate) status: Option<u16>,
    /// What went wrong.
    pub(crate) error: Option<&'a str>,
}

/// A call under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay<'a> {
    recent: &'a Recent,
    space: &'a str,
    function: &'a str,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.recent.ended(self.space, self.function);
    }
}

impl Recent {
    /// `calls` is the number of calls whose answers and logs are kept.
    pub(crate) fn new(now: Timestamp, calls: usize) -> Self {
        Self { started: now, figures: Mutex::default(), calls: calls::Calls::new(calls) }
    }

    /// Returns when the counting began.
    pub(crate) fn started(&self) -> Timestamp {
        self.started
    }

    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an event that was accepted.
    pub(crate) fn accepted(&self, now: Timestamp) {
        let mut figures = self.figures();
        let counts = figures.minutes.current(minute(now));
        counts.accepted = counts.accepted.saturating_add(1);
    }

    /// Counts calls that have begun. [`ended`](Self::ended) counts their ends.
    pub(crate) fn began(&self, space: &str, function: &str, calls: usize) {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        let mut figures = self.figures();
        let known = figures.function(space, function);
        known.under_way = known.under_way.saturating_add(calls);
    }

    /// Counts a call that is no longer under way.
    pub(crate) fn ended(&self, space: &str, function: &str) {
        let mut figures = self.figures();
        let known = figures.function(space, function);
        known.under_way = known.under_way.saturating_sub(1);
    }

    /// Counts a call as under way as long as the answer lives.
    pub(crate) fn under_way<'a>(&'a self, space: &'a str, function: &'a str) -> UnderWay<'a> {
        self.began(space, function, 1);
        UnderWay { recent: self, space, function }
    }

    /// Returns the notes of a call that begins, for [`called`](Self::called).
    pub(crate) fn notes(&self) -> Notes {
        self.calls.notes()
    }

    /// Lists calls of a space that are kept, the newest first.
    pub(crate) fn calls(
        &self,
        space: &str,
        filter: &CallFilter,
        before: Option<i64>,
        limit: usize,
    ) -> CallPage {
        self.calls.list(space, filter, before, limit)
    }

    /// Records how a call ended.
    pub(crate) fn called(&self, ended: Ended<'_>, notes: &Notes, now: Timestamp) {
        self.calls.keep(&ended, notes, now);
        let Ended { space, function, trigger, event, duration, error, .. } = ended;
        let add = |counts: &mut Counts| {
            counts.calls = counts.calls.saturating_add(1);
            counts.failures = counts.failures.saturating_add(u32::from(error.is_some()));
        };
        let mut figures = self.figures();
        add(figures.minutes.current(minute(now)));
        let calls = figures.function(space, function);
        add(calls.minutes.current(minute(now)));
        if calls.durations.len() == DURATIONS {
            calls.durations.pop_front();
        }
        calls.durations.push_back(duration);
        calls.last_at = Some(now);
        if let Some(error) = error {
            calls.last_failure = Some(LastFailure {
                at: now.date_time(),
                trigger: trigger.to_string(),
                event_id: event.map(|(id, _)| id.to_owned()),
                event_type: event.map(|(_, ty)| ty.to_owned()),
                error: error.chars().take(ERROR).collect(),
            });
        }
    }

    /// Records that the circuit breaker of a function opened or closed.
    pub(crate) fn circuit(&self, space: &str, function: &str, is_open: bool) {
        self.figures().function(space, function).circuit_open = is_open;
    }

    /// Returns the figures of the last hour, or of the time since the start.
    pub(crate) fn minutes(&self, now: Timestamp) -> Vec<Minute> {
        let figures = self.figures();
        let from = first::<HOUR>(minute(now)).max(minute(self.started));
        let of = |minute| {
            let Counts { accepted, calls, failures } = figures.minutes.at(minute);
            let at = Timestamp::from_millis(minute.saturating_mul(MINUTE)).date_time();
            Minute { at, accepted: accepted.into(), calls: calls.into(), failures: failures.into() }
        };
        (from..=minute(now)).map(of).collect()
    }

    /// Returns the time that the figures of functions cover.
    pub(crate) fn window(&self, now: Timestamp) -> Duration {
        let from = Timestamp::from_millis(first::<WINDOW>(minute(now)).saturating_mul(MINUTE));
        now.since(from.max(self.started))
    }

    /// Returns the figures of functions of a space.
    pub(crate) fn functions<'a>(
        &self,
        space: &str,
        functions: impl Iterator<Item = &'a str>,
        now: Timestamp,
    ) -> Vec<FunctionStatistics> {
        let figures = self.figures();
        let of_space = figures.functions.get(space);
        let statistics = |id: &str| match of_space.and_then(|known| known.get(id)) {
            Some(calls) => calls.statistics(id.to_owned(), now),
            None => FunctionStatistics { function_id: id.to_owned(), ..FunctionStatistics::default() },
        };
        functions.map(statistics).collect()
    }
}

impl Figures {
    /// Returns the figures of a function.
    fn function(&mut self, space: &str, function: &str) -> &mut Calls {
        let is_known = self.functions.get(space).is_some_and(|known| known.contains_key(function));
        if !is_known && self.functions.values().map(HashMap::len).sum::<usize>() >= FUNCTIONS {
            self.forget_one();
        }
        if !self.functions.contains_key(space) {
            self.functions.insert(space.to_owned(), HashMap::new());
        }
        let of_space = self.functions.get_mut(space).expect("it was just inserted");
        if !is_known {
            of_space.insert(function.to_owned(), Calls::default());
        }
        of_space.get_mut(function).expect("it was just inserted")
    }

    /// Forgets the function that was called longest ago.
    fn forget_one(&mut self) {
        let all = self.functions.iter().flat_map(|(space, of_space)| {
            of_space.iter().map(move |(function, calls)| (space, function, calls))
        });
        let oldest = all.min_by_key(|(_, _, calls)| (!calls.is_idle(), calls.last_at));
        let Some((space, function, _)) = oldest else { return };
        let (space, function) = (space.clone(), function.clone());
        if let Some(of_space) = self.functions.get_mut(&space) {
            of_space.remove(&function);
            if of_space.is_empty() {
                self.functions.remove(&space);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000 * MINUTE + 30_000);

    fn after(minutes: u64) -> Timestamp {
        START.saturating_add(Duration::from_secs(60 * minutes))
    }

    fn call<'a>(function: &'a str, millis: u64, error: Option<&'a str>) -> Ended<'a> {
        let (event, duration) = (Some(("1", "user.created")), Duration::from_millis(millis));
        let (space, trigger) = ("default", Trigger::Named("user.created"));
        Ended { space, function, trigger, event, attempt: None, duration, status: None, error }
    }

    fn one(recent: &Recent, now: Timestamp) -> FunctionStatistics {
        recent.functions("default", ["f"].into_iter(), now).remove(0)
    }

    #[test]
    fn calls_count_for_fifteen_minutes() {
        let recent = Recent::new(START, 0);
        recent.called(call("f", 10, None), &Notes::default(), START);
        recent.called(call("f", 10, Some("boom")), &Notes::default(), after(1));
        for (minutes, expected) in [(1, (2, 1)), (14, (2, 1)), (15, (1, 1)), (16, (0, 0))] {
            let found = one(&recent, after(minutes));
            assert_eq!((found.calls, found.failures), expected, "{minutes}");
        }
        let failure = one(&recent, after(100)).last_failure.unwrap();
        assert_eq!((failure.error.as_str(), failure.at), ("boom", after(1).date_time()));
        assert_eq!(recent.window(after(1)), Duration::from_secs(60));
        assert_eq!(recent.window(after(100)), Duration::from_secs(14 * 60 + 30));
    }

    #[test]
    fn percentiles_are_those_of_the_last_calls() {
        let recent = Recent::new(START, 0);
        assert_eq!((one(&recent, START).p50, one(&recent, START).p95), (None, None));
        recent.called(call("f", 7, None), &Notes::default(), START);
        let millis = |duration: Option<Duration>| duration.map(|duration| duration.as_millis());
        assert_eq!((millis(one(&recent, START).p50), millis(one(&recent, START).p95)), (Some(7), Some(7)));
        (1..=200).for_each(|at| recent.called(call("f", at, None), &Notes::default(), START));
        let found = one(&recent, START);
        assert_eq!((millis(found.p50), millis(found.p95)), (Some(100), Some(190)));
    }

    #[test]
    fn every_minute_since_the_start_has_its_figures() {
        let recent = Recent::new(START, 0);
        recent.accepted(START);
        recent.called(call("f", 1, Some("boom")), &Notes::default(), after(2));
        let counts = |now| -> Vec<_> {
            recent.minutes(now).iter().map(|one| (one.accepted, one.calls, one.failures)).collect()
        };
        assert_eq!(counts(after(2)), [(1, 0, 0), (0, 0, 0), (0, 1, 1)]);
        let later = counts(after(60));
        assert_eq!((later.len(), later[0], later[1]), (60, (0, 0, 0), (0, 1, 1)));
        recent.accepted(after(70));
        assert_eq!(recent.figures().minutes.0.len(), 1);
    }

    #[test]
    fn calls_under_way_and_open_circuits_are_known() {
        let recent = Recent::new(START, 0);
        recent.began("default", "f", 2);
        recent.circuit("default", "f", true);
        let call = recent.under_way("default", "f");
        assert_eq!((one(&recent, START).under_way, one(&recent, START).circuit_open), (3, true));
        drop(call);
        recent.ended("default", "f");
        recent.circuit("default", "f", false);
        assert_eq!((one(&recent, START).under_way, one(&recent, START).circuit_open), (1, false));
    }

    #[test]
    fn many_functions_do_not_use_up_the_memory() {
        let recent = Recent::new(START, 0);
        recent.began("default", "f", 1);
        for at in 0..2 * FUNCTIONS {
            recent.called(
                call(&format!("g{at}"), 1, Some(&"ä".repeat(10_000))),
                &Notes::default(),
                after(at as u64),
            );
        }
        let known = |id: &str| recent.figures().functions["default"].contains_key(id);
        assert_eq!(recent.figures().functions["default"].len(), FUNCTIONS);
        assert!(known("f") && !known("g0") && known(&format!("g{}", 2 * FUNCTIONS - 1)));
        let last = recent.functions("default", ["g8191"].into_iter(), START).remove(0);
        assert_eq!(last.last_failure.unwrap().error.chars().count(), ERROR);
    }
}
