//! Orders the waiting writes: each space has a line of its own, and the lines take turns. So a space that emits much makes
//! only itself wait. `writer` runs the writes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum number of waiting emitters. Beyond that, emitters are asked to retry later.
const WAITING: usize = 1024;

/// The number of emitters that may wait in each space, however many wait in others.
const SHARE: usize = 64;

/// Maximum number of writes in one transaction. It limits how long the first of them waits for the last.
const WRITES: usize = 256;

/// Maximum weight of the writes in one transaction, except that its last write may exceed it.
const WEIGHT: usize = 256;

/// Whose writes share a line: those of a space, or (`None`) the gateway's own.
pub(super) type Party = Option<Arc<str>>;

/// A write that waits.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    pub(super) party: Party,
    /// How long it takes, compared with the smallest.
    pub(super) weight: usize,
    pub(super) write: T,
}

/// The lines. Every line has at least one write.
#[derive(Debug)]
pub(super) struct Lines<T> {
    lines: HashMap<Party, VecDeque<Waiting<T>>>,
    /// The parties in the order of their turns.
    turns: VecDeque<Party>,
}

impl<T> Default for Lines<T> {
    fn default() -> Self {
        Self { lines: HashMap::new(), turns: VecDeque::new() }
    }
}

impl<T> Lines<T> {
    /// Adds a write at the end of its line.
    pub(super) fn push(&mut self, waiting: Waiting<T>) {
        match self.lines.get_mut(&waiting.party) {
            Some(line) => line.push_back(waiting),
            None => {
                self.turns.push_back(waiting.party.clone());
                self.lines.insert(waiting.party.clone(), VecDeque::from([waiting]));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Takes the writes of the next transaction, one of each line in turn.
    pub(super) fn take(&mut self) -> Vec<Waiting<T>> {
        let (mut taken, mut weight) = (Vec::new(), 0);
        while taken.len() < WRITES
            && weight < WEIGHT
            && let Some(party) = self.turns.pop_front()
        {
            let Some(line) = self.lines.get_mut(&party) else { continue };
            if let Some(next) = line.pop_front() {
                weight += next.weight;
                taken.push(next);
            }
            if line.is_empty() {
                self.lines.remove(&party);
            } else {
                self.turns.push_back(party);
            }
        }
        taken
    }
}

/// The emitters that wait, by space.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    spaces: HashMap<Arc<str>, usize>,
}

impl Crowd {
    /// Lets an emitter wait. Returns `None` if too many wait already.
    pub(super) fn enter(&self, space: &str) -> Option<Arc<str>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Counts { all, spaces } = &mut *counts;
        let known = spaces.get_key_value(space).map(|(space, count)| (Arc::clone(space), *count));
        let (space, count) = known.unwrap_or_else(|| (space.into(), 0));
        if *all >= WAITING && count >= SHARE {
            return None;
        }
        *all += 1;
        spaces.insert(Arc::clone(&space), count + 1);
        Some(space)
    }

    /// Counts writes that do not wait any more.
    pub(super) fn leave<'a>(&self, parties: impl IntoIterator<Item = &'a Party>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for space in parties.into_iter().flatten() {
            counts.all = counts.all.saturating_sub(1);
            if let Some(count) = counts.spaces.get_mut(space) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    counts.spaces.remove(space);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(party: &str, weight: usize, write: usize) -> Waiting<usize> {
        let party = (party != "gateway").then(|| party.into());
        Waiting { party, weight, write }
    }

    fn taken(lines: &mut Lines<usize>) -> Vec<(String, usize)> {
        let name = |party: Party| party.map_or_else(|| "gateway".to_owned(), |space| space.to_string());
        lines.take().into_iter().map(|one| (name(one.party), one.write)).collect()
    }

    /// A space with a thousand waiting events made those of all others wait until its own were stored.
    #[test]
    fn lines_take_turns() {
        let mut lines = Lines::default();
        for n in 0..1_000 {
            lines.push(waiting("noisy", 1, n));
        }
        for n in 0..2 {
            lines.push(waiting("quiet", 1, n));
            lines.push(waiting("gateway", 1, n));
        }
        let first = taken(&mut lines);
        assert_eq!(first.len(), WRITES);
        let order: Vec<(&str, usize)> = first.iter().map(|(name, n)| (&**name, *n)).collect();
        let expected = [
            ("noisy", 0),
            ("quiet", 0),
            ("gateway", 0),
            ("noisy", 1),
            ("quiet", 1),
            ("gateway", 1),
            ("noisy", 2),
        ];
        assert_eq!(order[..7], expected);
        // Each line keeps its order, and nothing is left behind.
        let mut noisy = first.len() - 4;
        while !lines.is_empty() {
            for one in taken(&mut lines) {
                assert_eq!(one, ("noisy".to_owned(), noisy));
                noisy += 1;
            }
        }
        assert_eq!(noisy, 1_000);
    }

    #[test]
    fn large_writes_share_a_transaction_with_few_others() {
        let mut lines = Lines::default();
        for n in 0..10 {
            lines.push(waiting("large", WEIGHT / 2, n));
            lines.push(waiting("small", 1, n));
        }
        let first = taken(&mut lines);
        let large = first.iter().filter(|(name, _)| name == "large").count();
        assert_eq!((large, first.len()), (2, 3), "{first:?}");
        lines.push(waiting("gateway", 0, 0));
        assert!(taken(&mut lines).contains(&("gateway".to_owned(), 0)));
    }

    #[test]
    fn a_full_queue_still_takes_some_of_each_space() {
        let crowd = Crowd::default();
        let noisy = (0..2 * WAITING).filter_map(|_| crowd.enter("noisy")).count();
        assert_eq!(noisy, WAITING);
        let quiet: Vec<Party> = (0..2 * SHARE).filter_map(|_| crowd.enter("quiet")).map(Some).collect();
        assert_eq!(quiet.len(), SHARE);
        crowd.leave(&quiet);
        assert!(crowd.enter("noisy").is_none());
        crowd.leave(&vec![Some("noisy".into()); SHARE + 1]);
        assert!(crowd.enter("noisy").is_some());
        assert_eq!(crowd.0.lock().unwrap().spaces.len(), 1, "spaces without emitters are forgotten");
    }
}
