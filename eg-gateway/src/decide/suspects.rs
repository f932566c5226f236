//! Decides when to attempt the deliveries that were under way when the gateway ended unexpectedly: one of them may be the
//! reason. `store` counts how often that happened to each, and `lanes` decides about all other deliveries.

use std::collections::BTreeMap;

use super::lanes::Lane;
use crate::timestamp::Timestamp;

/// The number of interrupted attempts after which a delivery is given up. A function that brings the gateway down does
/// so this often, at most.
pub(crate) const INTERRUPTIONS: u32 = 4;

/// Maximum number of suspects under way that were interrupted once. Those that were interrupted more often are attempted
/// alone: while one of them is under way, no other suspect of any function is, although they would not wait for each other
/// otherwise. So if the gateway ends again, few others are under suspicion, and the next end shows which one it is.
/// Deliveries that are no suspects go on meanwhile.
const TOGETHER: usize = 16;

/// A delivery that was under way when the gateway ended unexpectedly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suspect {
    pub(crate) delivery: i64,
    pub(crate) lane: Lane,
    /// How many of its attempts were interrupted in a row.
    pub(crate) crashes: u32,
}

/// The suspects that have not been attempted since the start, and those under way.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    waiting: Vec<Suspect>,
    /// The suspects under way, with their interrupted attempts.
    under_way: BTreeMap<i64, u32>,
    /// Until then, none is attempted, because they could not be loaded.
    postponed: Option<Timestamp>,
}

impl Suspects {
    pub(crate) fn new(mut suspects: Vec<Suspect>) -> Self {
        // The strongest suspicion first.
        suspects.sort_by_key(|suspect| (std::cmp::Reverse(suspect.crashes), suspect.delivery));
        Self { waiting: suspects, ..Self::default() }
    }

    /// Replaces the suspects that wait by those that were found in the store.
    pub(crate) fn found(&mut self, suspects: Vec<Suspect>) {
        let mut waiting = suspects;
        waiting.retain(|suspect| !self.under_way.contains_key(&suspect.delivery));
        self.waiting = Self::new(waiting).waiting;
    }

    /// Takes the suspects to attempt at `now`, with `free` idle workers. `has_room` returns whether another delivery of a
    /// lane may begin.
    pub(crate) fn take(
        &mut self,
        now: Timestamp,
        free: usize,
        has_room: impl Fn(&Lane) -> bool,
    ) -> Vec<Suspect> {
        let strongest =
            self.waiting.iter().map(|suspect| suspect.crashes).chain(self.under_way.values().copied());
        let room = match strongest.max() {
            None => return Vec::new(),
            Some(1) => TOGETHER,
            Some(_) => 1,
        };
        if self.postponed.is_some_and(|until| now < until) {
            return Vec::new();
        }
        self.postponed = None;
        let room = room.saturating_sub(self.under_way.len()).min(free);
        let mut lanes = Vec::new();
        let may_begin = |suspect: &mut Suspect| {
            let begins = lanes.len() < room && !lanes.contains(&suspect.lane) && has_room(&suspect.lane);
            if begins {
                lanes.push(suspect.lane.clone());
            }
            begins
        };
        let taken: Vec<_> = self.waiting.extract_if(.., may_begin).collect();
        self.under_way.extend(taken.iter().map(|suspect| (suspect.delivery, suspect.crashes)));
        taken
    }

    /// Puts suspects back that could not be loaded. None is attempted before `until`.
    pub(crate) fn postpone(&mut self, suspects: Vec<Suspect>, until: Timestamp) {
        for suspect in &suspects {
            self.under_way.remove(&suspect.delivery);
        }
        self.waiting.splice(..0, suspects);
        self.postponed = Some(until);
    }

    /// Records that a suspect is none any more: its attempt ended, or it needs none.
    pub(crate) fn cleared(&mut self, delivery: i64) {
        self.under_way.remove(&delivery);
    }

    /// Returns when suspects that could not be loaded are loaded again.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.postponed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(0);

    fn suspect(delivery: i64, crashes: u32) -> Suspect {
        // Each has a function of its own.
        let lane = Lane { space: "s".to_owned(), function: delivery.to_string() };
        Suspect { delivery, lane, crashes }
    }

    fn take(suspects: &mut Suspects, free: usize) -> Vec<i64> {
        suspects.take(NOW, free, |lane| lane.function != "full").iter().map(|one| one.delivery).collect()
    }

    #[test]
    fn those_interrupted_once_are_attempted_together_up_to_a_limit() {
        let mut suspects = Suspects::new((0..20).map(|n| suspect(n, 1)).collect());
        assert_eq!(take(&mut suspects, 3), [0, 1, 2]);
        assert_eq!(take(&mut suspects, 100).len(), 13);
        assert!(take(&mut suspects, 100).is_empty());
        suspects.cleared(5);
        assert_eq!(take(&mut suspects, 100), [16]);
    }

    #[test]
    fn those_interrupted_more_often_are_attempted_alone_and_first() {
        let mut suspects = Suspects::new(vec![suspect(1, 1), suspect(2, 2), suspect(3, 3), suspect(4, 1)]);
        assert_eq!(take(&mut suspects, 100), [3]);
        assert!(take(&mut suspects, 100).is_empty());
        suspects.cleared(3);
        assert_eq!(take(&mut suspects, 100), [2]);
        suspects.cleared(2);
        assert_eq!(take(&mut suspects, 100), [1, 4]);
        suspects.cleared(1);
        suspects.cleared(4);
        assert!(take(&mut suspects, 100).is_empty());
    }

    #[test]
    fn limits_of_functions_are_kept() {
        let (mut full, mut other) = (suspect(1, 1), suspect(2, 1));
        full.lane.function = "full".to_owned();
        other.lane.function = "other".to_owned();
        let third = Suspect { delivery: 3, ..other.clone() };
        let mut suspects = Suspects::new(vec![full, other, third]);
        // One at a time for each function, so that the limit is looked at for each.
        assert_eq!(take(&mut suspects, 100), [2]);
        assert_eq!(take(&mut suspects, 100), [3]);
        assert!(take(&mut suspects, 100).is_empty());
    }

    #[test]
    fn what_could_not_be_loaded_is_loaded_later() {
        let mut suspects = Suspects::new(vec![suspect(1, 2), suspect(2, 2)]);
        let taken = suspects.take(NOW, 1, |_| true);
        let later = Timestamp::from_millis(1000);
        suspects.postpone(taken, later);
        assert_eq!((take(&mut suspects, 1), suspects.next_due()), (vec![], Some(later)));
        assert_eq!(suspects.take(later, 1, |_| true)[0].delivery, 1);
        assert_eq!(suspects.next_due(), None);
    }
}
