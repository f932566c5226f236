//! Decides how many deliveries to start for which function, from the due times, the deliveries under way and the
//! circuit breaker of each function. The deliveries themselves wait in the store.

use std::collections::BTreeMap;

use super::breaker::{Admission, Breaker};
use super::share::{Demand, allot};
use crate::timestamp::Timestamp;

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
    pub(crate) in_flight: usize,
    /// When the next delivery is due, as far as known.
    pub(crate) due: Option<Timestamp>,
    pub(crate) breaker: Breaker,
}

/// The effect of the end of a call on the circuit breaker of its function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Circuit {
    Unchanged,
    Opened,
    Closed,
}

impl Lanes {
    /// Creates lanes of which only the next due time is known, as after a start.
    pub(crate) fn new(waiting: impl IntoIterator<Item = (Lane, Timestamp)>) -> Self {
        let lane = |(lane, due)| (lane, LaneState { due: Some(due), ..LaneState::default() });
        Self(waiting.into_iter().map(lane).collect())
    }

    /// Records that a delivery of the lane is due at `at`.
    pub(crate) fn due(&mut self, lane: Lane, at: Timestamp) {
        let state = self.0.entry(lane).or_default();
        state.due = Some(state.due.map_or(at, |due| due.min(at)));
    }

    /// Returns how many deliveries of which lanes to start at `now`, with `free` idle workers. `limit` returns how
    /// many deliveries may be under way in a lane at once.
    pub(crate) fn wanted(
        &mut self,
        now: Timestamp,
        free: usize,
        limit: impl Fn(&Lane) -> usize,
    ) -> Vec<(Lane, usize)> {
        let mut due: Vec<(&Lane, &mut LaneState)> =
            self.0.iter_mut().filter(|(_, state)| state.due.is_some_and(|due| due <= now)).collect();
        // If there are too few workers, the lane that has waited longest comes first.
        due.sort_by_key(|(_, state)| state.due);
        let demand = |(lane, state): &(&Lane, &mut LaneState)| {
            let room = match state.breaker.admission(now) {
                Admission::Free => limit(lane).saturating_sub(state.in_flight),
                Admission::Probe => usize::from(state.in_flight == 0),
                Admission::Wait(_) => 0,
            };
            Demand { in_flight: state.in_flight, room }
        };
        let demands: Vec<_> = due.iter().map(demand).collect();
        let grants = allot(&demands, free);
        let mut wanted = Vec::new();
        for ((lane, state), grant) in due.into_iter().zip(grants) {
            if let Admission::Wait(until) = state.breaker.admission(now) {
                state.due = Some(until);
            } else if grant > 0 {
                if state.breaker.is_open() {
                    state.breaker.probe(now);
                }
                wanted.push((lane.clone(), grant));
            }
        }
        wanted
    }

    /// Returns the earliest due time after `now`.
    pub(crate) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.values().filter_map(|state| state.due).filter(|due| *due > now).min()
    }

    /// Records that this many deliveries of the lane have begun, and that the next one is due at `next_due`.
    pub(crate) fn began(&mut self, lane: &Lane, deliveries: usize, next_due: Option<Timestamp>) {
        let state = self.0.entry(lane.clone()).or_default();
        state.in_flight += deliveries;
        state.due = next_due;
        self.forget_if_idle(lane);
    }

    /// Postpones these lanes to `until`, because their deliveries could not be loaded.
    pub(crate) fn postpone(&mut self, lanes: impl IntoIterator<Item = Lane>, until: Timestamp) {
        for lane in lanes {
            self.0.entry(lane).or_default().due = Some(until);
        }
    }

    /// Records that a delivery under way ended at `now`. `answered` says whether the function handled the event or
    /// rejected it for good.
    pub(crate) fn ended(&mut self, lane: &Lane, answered: bool, now: Timestamp) -> Circuit {
        let Some(state) = self.0.get_mut(lane) else { return Circuit::Unchanged };
        state.in_flight -= 1;
        let was_open = state.breaker.is_open();
        if answered {
            state.breaker.answered();
        } else {
            state.breaker.failed(now);
        }
        let circuit = match (was_open, state.breaker.is_open()) {
            (false, true) => Circuit::Opened,
            (true, false) => {
                // Deliveries that the breaker held back need not wait for the next probe.
                state.due = state.due.map(|due| due.min(now));
                Circuit::Closed
            }
            _ => Circuit::Unchanged,
        };
        self.forget_if_idle(lane);
        circuit
    }

    fn forget_if_idle(&mut self, lane: &Lane) {
        let idle = |state: &LaneState| {
            state.in_flight == 0 && state.due.is_none() && state.breaker == Breaker::default()
        };
        if self.0.get(lane).is_some_and(idle) {
            self.0.remove(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(function: &str) -> Lane {
        Lane { space: "s".to_owned(), function: function.to_owned() }
    }

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn wanted(lanes: &mut Lanes, now: Timestamp, free: usize) -> Vec<(String, usize)> {
        let wanted = lanes.wanted(now, free, |lane| if lane.function == "limited" { 1 } else { usize::MAX });
        wanted.into_iter().map(|(lane, grant)| (lane.function, grant)).collect()
    }

    #[test]
    fn lanes_that_are_due_share_the_workers() {
        let mut lanes = Lanes::new([
            (lane("a"), at(20)),
            (lane("b"), at(10)),
            (lane("limited"), at(30)),
            (lane("c"), at(31)),
        ]);
        assert_eq!(wanted(&mut lanes, at(9), 100), []);
        assert_eq!(lanes.next_due(at(9)), Some(at(10)));
        let expected = [("b".to_owned(), 33), ("a".to_owned(), 33), ("limited".to_owned(), 1)];
        assert_eq!(wanted(&mut lanes, at(30), 100), expected);
        assert_eq!(lanes.next_due(at(30)), Some(at(31)));
    }

    #[test]
    fn a_lane_is_known_while_something_waits_or_is_under_way() {
        let mut lanes = Lanes::default();
        lanes.due(lane("a"), at(5));
        lanes.began(&lane("a"), 2, None);
        assert_eq!(wanted(&mut lanes, at(10), 100), []);
        lanes.ended(&lane("a"), true, at(10));
        assert_eq!(lanes.0.len(), 1);
        lanes.ended(&lane("a"), true, at(10));
        assert!(lanes.0.is_empty());
    }

    #[test]
    fn what_could_not_be_loaded_is_due_again() {
        let mut lanes = Lanes::new([(lane("a"), at(0))]);
        lanes.postpone([lane("a")], at(1000));
        assert_eq!(wanted(&mut lanes, at(999), 100), []);
        assert_eq!(wanted(&mut lanes, at(1000), 100), [("a".to_owned(), 50)]);
    }

    #[test]
    fn an_open_circuit_lets_probes_through_until_one_is_answered() {
        let mut lanes = Lanes::new([(lane("a"), at(0))]);
        lanes.began(&lane("a"), 10, Some(at(0)));
        let circuits: Vec<_> = (0..10).map(|_| lanes.ended(&lane("a"), false, at(0))).collect();
        assert_eq!(circuits.last(), Some(&Circuit::Opened));
        assert_eq!(wanted(&mut lanes, at(999), 100), []);
        assert_eq!(lanes.next_due(at(999)), Some(at(1000)));
        assert_eq!(wanted(&mut lanes, at(1000), 100), [("a".to_owned(), 1)]);
        lanes.began(&lane("a"), 1, Some(at(5000)));
        assert_eq!(lanes.ended(&lane("a"), true, at(1100)), Circuit::Closed);
        // Deliveries that the breaker held back are due at once.
        assert_eq!(wanted(&mut lanes, at(1100), 100), [("a".to_owned(), 50)]);
    }
}
