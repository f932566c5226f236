//! Orders the waiting writes: each space has a line of its own, and the lines take turns. So a space that emits much makes
//! only itself wait. `group` runs the writes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Maximum number of waiting emitters. Beyond that, emitters are asked to retry later.
const WAITING: usize = 1024;

/// The number of emitters that may wait in each space, however many wait in others.
const SHARE: usize = 64;

/// Maximum number of writes in one transaction. It limits how long the first of them waits for the last.
const WRITES: usize = 256;

/// Maximum weight of the writes in one transaction, except that its last write may exceed it.
const WEIGHT: usize = 256;

/// The number of lines from which on those of spaces without waiting emitters are forgotten.
const LINES: usize = 1024;

/// A line: that of a space, or that of the gateway's own writes. A space keeps its number at least as long as one of its
/// emitters waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Line(usize);

/// The line of the gateway's own writes.
pub(in crate::store) const OWN: Line = Line(0);

/// A write that waits.
#[derive(Debug)]
pub(in crate::store) struct Waiting<T> {
    pub(in crate::store) line: Line,
    /// How long it takes, compared with the smallest.
    pub(in crate::store) weight: usize,
    pub(in crate::store) write: T,
}

/// The lines.
#[derive(Debug)]
pub(in crate::store) struct Lines<T> {
    /// By number.
    lines: Vec<VecDeque<Waiting<T>>>,
    /// The numbers of the lines with waiting writes, in the order of their turns.
    turns: VecDeque<usize>,
}

impl<T> Default for Lines<T> {
    fn default() -> Self {
        Self { lines: Vec::new(), turns: VecDeque::new() }
    }
}

impl<T> Lines<T> {
    /// Adds a write at the end of its line.
    pub(in crate::store) fn push(&mut self, waiting: Waiting<T>) {
        let Line(number) = waiting.line;
        if number >= self.lines.len() {
            self.lines.resize_with(number + 1, VecDeque::new);
        }
        let line = &mut self.lines[number];
        if line.is_empty() {
            self.turns.push_back(number);
        }
        line.push_back(waiting);
    }

    pub(in crate::store) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Takes the writes of the next transaction, one of each line in turn.
    pub(in crate::store) fn take(&mut self) -> Vec<Waiting<T>> {
        let (mut taken, mut weight) = (Vec::new(), 0);
        while taken.len() < WRITES
            && weight < WEIGHT
            && let Some(number) = self.turns.pop_front()
        {
            let line = &mut self.lines[number];
            if let Some(next) = line.pop_front() {
                weight += next.weight;
                taken.push(next);
            }
            if !line.is_empty() {
                self.turns.push_back(number);
            } else if line.capacity() > SHARE {
                // The memory of a line that was long once is given back.
                *line = VecDeque::new();
            }
        }
        taken
    }
}

/// The emitters that wait, by line.
#[derive(Debug, Default)]
pub(in crate::store) struct Crowd(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    all: usize,
    /// The number of the line of each space.
    lines: HashMap<String, usize>,
    /// How many emitters wait in each line.
    waiting: Vec<usize>,
    /// The numbers that no space has.
    free: Vec<usize>,
    /// The number of lines from which on some may be forgotten.
    many: usize,
}

impl Default for Counts {
    fn default() -> Self {
        let Line(own) = OWN;
        Self { all: 0, lines: HashMap::new(), waiting: vec![0; own + 1], free: Vec::new(), many: LINES }
    }
}

impl Crowd {
    /// Lets an emitter wait. Returns its line, or `None` if too many wait already.
    pub(in crate::store) fn enter(&self, space: &str) -> Option<Line> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = counts.lines.get(space).copied();
        let waiting = known.map_or(0, |line| counts.waiting[line]);
        if counts.all >= WAITING && waiting >= SHARE {
            return None;
        }
        let line = known.unwrap_or_else(|| counts.add(space));
        counts.all += 1;
        counts.waiting[line] += 1;
        Some(Line(line))
    }

    /// Counts writes that do not wait any more.
    pub(in crate::store) fn leave(&self, lines: impl IntoIterator<Item = Line>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Line(number) in lines.into_iter().filter(|line| *line != OWN) {
            counts.all -= 1;
            counts.waiting[number] -= 1;
        }
    }
}

impl Counts {
    /// Gives a space a line.
    fn add(&mut self, space: &str) -> usize {
        if self.lines.len() >= self.many {
            let Self { lines, waiting, free, .. } = self;
            lines.retain(|_, line| {
                let waits = waiting[*line] > 0;
                if !waits {
                    free.push(*line);
                }
                waits
            });
            self.many = LINES.max(2 * self.lines.len());
        }
        let line = self.free.pop().unwrap_or_else(|| {
            self.waiting.push(0);
            self.waiting.len() - 1
        });
        self.lines.insert(space.to_owned(), line);
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = ["gateway", "noisy", "quiet", "large", "small"];

    fn waiting(name: &str, weight: usize, write: usize) -> Waiting<usize> {
        let line = Line(NAMES.iter().position(|known| *known == name).unwrap());
        Waiting { line, weight, write }
    }

    fn taken(lines: &mut Lines<usize>) -> Vec<(&'static str, usize)> {
        lines.take().into_iter().map(|one| (NAMES[one.line.0], one.write)).collect()
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
        let expected = [
            ("noisy", 0),
            ("quiet", 0),
            ("gateway", 0),
            ("noisy", 1),
            ("quiet", 1),
            ("gateway", 1),
            ("noisy", 2),
        ];
        assert_eq!(first[..7], expected);
        // Each line keeps its order, and nothing is left behind.
        let mut noisy = first.len() - 4;
        while !lines.is_empty() {
            for one in taken(&mut lines) {
                assert_eq!(one, ("noisy", noisy));
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
        let large = first.iter().filter(|(name, _)| *name == "large").count();
        assert_eq!((large, first.len()), (2, 3), "{first:?}");
        lines.push(waiting("gateway", 0, 0));
        assert!(taken(&mut lines).contains(&("gateway", 0)));
    }

    #[test]
    fn a_full_queue_still_takes_some_of_each_space() {
        let crowd = Crowd::default();
        let noisy: Vec<Line> = (0..2 * WAITING).filter_map(|_| crowd.enter("noisy")).collect();
        assert_eq!(noisy.len(), WAITING);
        let quiet: Vec<Line> = (0..2 * SHARE).filter_map(|_| crowd.enter("quiet")).collect();
        assert_eq!(quiet.len(), SHARE);
        assert!(noisy[0] != quiet[0] && noisy[0] != OWN && quiet[0] != OWN);
        crowd.leave(quiet);
        assert!(crowd.enter("noisy").is_none());
        crowd.leave(noisy.into_iter().take(SHARE).chain([OWN]));
        assert!(crowd.enter("noisy").is_some());
    }

    #[test]
    fn spaces_without_emitters_are_forgotten() {
        let crowd = Crowd::default();
        let first = crowd.enter("first").unwrap();
        for space in 0..10 * LINES {
            let line = crowd.enter(&space.to_string()).unwrap();
            assert_ne!(line, first);
            crowd.leave([line]);
        }
        let counts = crowd.0.lock().unwrap();
        assert!(counts.lines.len() <= LINES && counts.waiting.len() <= LINES + 1);
        assert_eq!((counts.all, counts.lines["first"]), (1, first.0));
    }
}
