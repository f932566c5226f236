//! Decides how many deliveries to start for which function, from the due times, the deliveries under way and the
//! circuit breaker of each function. The deliveries themselves wait in the store.

use std::collections::BTreeMap;

use super::breaker::{Admission, Breaker, Side, Sign};
use super::share::{Demand, allot};
use crate::timestamp::Timestamp;

/// Of so many places for the deliveries of a function, and of so many attempts that begin, one is a retry even if first
/// attempts wait. So events that fail again and again take at most a twentieth from the others.
const ONE_RETRY_IN: usize = 20;

/// Of so many places for the deliveries of a function, one is left for first attempts. So retries that hang cannot take
/// all places.
const ONE_FIRST_IN: usize = 4;

/// Identifies the deliveries to one function, which wait in one line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Lane {
    pub(crate) space: String,
    pub(crate) function: String,
}

/// The lanes in which deliveries wait or are under way.
#[derive(Debug, Default)]
pub(crate) struct Lanes(pub(crate) BTreeMap<Lane, LaneState>);

/// The state of one lane.
#[derive(Debug, Default)]
pub(crate) struct LaneState {
    /// The number of deliveries under way.
    in_flight: usize,
    /// How many of them have failed before.
    retries: usize,
    /// First attempts that began since a retry took a place from them.
    firsts: usize,
    pub(crate) due: Due,
    pub(crate) breaker: Breaker,
}

/// When the next deliveries of a lane are due, as far as known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Due {
    /// The next one that has not failed yet.
    pub(crate) first: Option<Timestamp>,
    /// The next one that has failed.
    pub(crate) retry: Option<Timestamp>,
}

/// The deliveries of one lane to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) lane: Lane,
    /// Maximum number of deliveries.
    pub(crate) limit: usize,
    /// How many more may be under way, unless other gateways have some.
    pub(crate) room: usize,
    /// How many of them are retries, if so many are due, even if first attempts wait.
    pub(crate) reserved: usize,
    /// Maximum number of retries.
    pub(crate) retries: usize,
    /// Which first attempts come first.
    pub(crate) side: Side,
    /// When deliveries are due, as far as known.
    pub(crate) due: Due,
    /// Why first attempts are not made: the deliveries are given up.
    pub(crate) stop: Option<String>,
}

/// The deliveries of one lane that began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    /// Their number.
    pub(crate) deliveries: usize,
    /// How many of them have failed before.
    pub(crate) retries: usize,
    /// When the next ones are due.
    pub(crate) due: Due,
}

/// What the engine knows of a delivery under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flight {
    /// Whether it has failed before.
    pub(crate) retry: bool,
    /// Whether it is a probe of an open circuit breaker.
    pub(crate) probe: bool,
}

/// The effect of the end of a call on the circuit breaker of its function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Circuit {
    Unchanged,
    Opened,
    Closed,
}

impl Lanes {
    /// Creates lanes of which only the next due times are known, as after a start.
    pub(crate) fn new(waiting: impl IntoIterator<Item = (Lane, Due)>) -> Self {
        let lane = |(lane, due)| (lane, LaneState { due, ..LaneState::default() });
        Self(waiting.into_iter().map(lane).collect())
    }

    /// Records that deliveries of the lane are due then.
    pub(crate) fn due(&mut self, lane: Lane, due: Due) {
        if due == Due::default() {
            return;
        }
        let known = &mut self.0.entry(lane).or_default().due;
        let earlier = |known: Option<Timestamp>, at| known.into_iter().chain(at).min();
        *known = Due { first: earlier(known.first, due.first), retry: earlier(known.retry, due.retry) };
    }

    /// Returns the deliveries to start at `now`, with `free` idle workers. `limit` returns how many deliveries may be
    /// under way in a lane at once.
    pub(crate) fn wanted(
        &mut self,
        now: Timestamp,
        free: usize,
        limit: impl Fn(&Lane) -> usize,
    ) -> Vec<Wanted> {
        let mut due: Vec<(&Lane, &mut LaneState)> = self
            .0
            .iter_mut()
            .filter(|(_, state)| state.due.earliest().is_some_and(|due| due <= now))
            .collect();
        // If there are too few workers, the lane that has waited longest comes first.
        due.sort_by_key(|(_, state)| state.due.earliest());
        let demand = |(lane, state): &(&Lane, &mut LaneState)| {
            let room = limit(lane).saturating_sub(state.in_flight);
            let room = match state.breaker.admission(now) {
                Admission::Free => room,
                Admission::Probe(_) => room.min(1),
                Admission::Wait(_) | Admission::Hangs => 0,
            };
            Demand { in_flight: state.in_flight, room }
        };
        let demands: Vec<_> = due.iter().map(demand).collect();
        let grants = allot(&demands, free);
        let grants = due.into_iter().zip(grants).filter(|(_, grant)| *grant > 0);
        let wanted = grants.map(|((lane, state), grant)| {
            let room = limit(lane).saturating_sub(state.in_flight);
            Wanted { room, ..state.wanted(lane, grant, now) }
        });
        wanted.filter(|wanted| wanted.limit > 0).collect()
    }

    /// Returns the earliest time after `now` at which a delivery may start.
    pub(crate) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let next = |state: &LaneState| {
            let not_before = match state.breaker.admission(now) {
                Admission::Wait(until) => until,
                _ => Timestamp::EARLIEST,
            };
            [state.due.first, state.due.retry].map(|due| due.map(|due| due.max(not_before)))
        };
        self.0.values().flat_map(next).flatten().filter(|due| *due > now).min()
    }

    /// Records that deliveries of the lane have begun. Returns whether they are probes.
    pub(crate) fn began(&mut self, lane: &Lane, begun: Begun) -> bool {
        let state = self.0.entry(lane.clone()).or_default();
        state.in_flight += begun.deliveries;
        state.retries += begun.retries;
        let firsts = state.firsts + (begun.deliveries - begun.retries);
        state.firsts =
            firsts.saturating_sub(begun.retries * ONE_RETRY_IN).min(state.in_flight.max(ONE_RETRY_IN));
        state.due = begun.due;
        let probes = state.breaker.began(begun.deliveries);
        self.forget_if_idle(lane);
        probes
    }

    /// Records that a delivery of the lane has begun that is not among those with a due time. `retry` says whether it has
    /// failed before.
    pub(crate) fn began_suspect(&mut self, lane: &Lane, retry: bool) {
        let state = self.0.entry(lane.clone()).or_default();
        state.in_flight += 1;
        state.retries += usize::from(retry);
    }

    /// Forgets what waits in lanes that are not this gateway's any more.
    pub(crate) fn keep(&mut self, is_own: impl Fn(&Lane) -> bool) {
        let others: Vec<_> = self.0.keys().filter(|lane| !is_own(lane)).cloned().collect();
        for lane in others {
            if let Some(state) = self.0.get_mut(&lane) {
                state.due = Due::default();
            }
            self.forget_if_idle(&lane);
        }
    }

    /// Returns how many deliveries of the lane are under way.
    pub(crate) fn in_flight(&self, lane: &Lane) -> usize {
        self.0.get(lane).map_or(0, |state| state.in_flight)
    }

    /// Postpones these lanes to `until`, because their deliveries could not be loaded.
    pub(crate) fn postpone(&mut self, lanes: impl IntoIterator<Item = Lane>, until: Timestamp) {
        for lane in lanes {
            let due = &mut self.0.entry(lane).or_default().due;
            for due in [&mut due.first, &mut due.retry] {
                *due = due.map(|due| due.max(until));
            }
        }
    }

    /// Records that a delivery under way ended at `now`, and what that says about the function.
    pub(crate) fn ended(&mut self, lane: &Lane, flight: Flight, sign: Sign, now: Timestamp) -> Circuit {
        let Some(state) = self.0.get_mut(lane) else { return Circuit::Unchanged };
        state.in_flight -= 1;
        state.retries -= usize::from(flight.retry);
        let was_open = state.breaker.is_open();
        state.breaker.ended(sign, flight.probe, now);
        let circuit = match (was_open, state.breaker.is_open()) {
            (false, true) => Circuit::Opened,
            (true, false) => Circuit::Closed,
            _ => Circuit::Unchanged,
        };
        self.forget_if_idle(lane);
        circuit
    }

    fn forget_if_idle(&mut self, lane: &Lane) {
        let idle = |state: &LaneState| {
            state.in_flight == 0 && state.due == Due::default() && state.breaker.is_idle()
        };
        if self.0.get(lane).is_some_and(idle) {
            self.0.remove(lane);
        }
    }
}

impl LaneState {
    /// Returns which deliveries to load, `grant` at most.
    fn wanted(&mut self, lane: &Lane, grant: usize, now: Timestamp) -> Wanted {
        let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= now);
        let (first, retry) = (is_due(self.due.first), is_due(self.due.retry));
        let places = self.in_flight + grant;
        let left_for_firsts = if places > 1 { places.div_ceil(ONE_FIRST_IN) } else { 0 };
        let most = (places - left_for_firsts).saturating_sub(self.retries).min(grant);
        let share = (places / ONE_RETRY_IN).max(1).saturating_sub(self.retries);
        let (side, most, reserved) = match self.breaker.admission(now) {
            // A probe takes a retry only if nothing else waits. Probes that hang leave no places for first attempts.
            Admission::Probe(side) => (side, grant, 0),
            _ => (Side::Oldest, most, share.min(self.firsts / ONE_RETRY_IN)),
        };
        let retries = if retry { most } else { 0 };
        let (limit, reserved) = (if first { grant } else { retries }, reserved.min(retries));
        if limit > 0 && self.breaker.is_open() {
            self.breaker.probe(now);
        }
        let (lane, due) = (lane.clone(), self.due);
        Wanted { lane, limit, room: limit, reserved, retries, side, due, stop: None }
    }
}

impl Due {
    fn earliest(self) -> Option<Timestamp> {
        self.first.into_iter().chain(self.retry).min()
    }
}

#[cfg(test)]
mod tests;
