//! Counts the events that descend from one event, so that a chain of events that branches ends. Only events that name
//! their cause count, each for one root, so independent events never reach the limit, however many they are.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

/// Maximum number of entries in each half of what is remembered.
const HALF: usize = 1 << 15;

/// The descendants of events, as far as they are remembered. When a root is forgotten, counting begins anew with its
/// descendants; so the limit may be exceeded, and is never reached too early.
#[derive(Debug)]
pub(crate) struct FanOut {
    limit: u64,
    /// Makes the keys of events. It is random, so that nobody can choose ids with the same key.
    keys: RandomState,
    /// The key of the root, for each event that has a cause.
    roots: Recent<u64>,
    counts: Recent<Root>,
}

/// An event without a known cause.
#[derive(Debug)]
struct Root {
    id: Box<str>,
    descendants: u64,
}

impl FanOut {
    /// Creates a counter with a maximum number of descendants.
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, keys: RandomState::new(), roots: Recent::default(), counts: Recent::default() }
    }

    /// Counts an event that names its cause. Returns the reason why it must not be delivered, if there are too many.
    pub(crate) fn descend(&mut self, space: &str, id: &str, cause: &str) -> Option<String> {
        let [id, parent] = [id, cause].map(|id| self.keys.hash_one((space, id)));
        let root = self.roots.get(parent, || parent);
        let root = *root;
        // A function that is called again may emit its events again.
        let (mut is_new, limit) = (false, self.limit);
        self.roots.get(id, || {
            is_new = true;
            root
        });
        let counted = self.counts.get(root, || Root { id: cause.into(), descendants: 0 });
        counted.descendants += u64::from(is_new);
        let root = &counted.id;
        (counted.descendants > limit).then(|| {
            format!(
                "a fan-out: event \"{root}\" has led to more than {limit} events, and {limit} are allowed"
            )
        })
    }
}

/// A map that remembers the entries that were used last: at least [`HALF`], and at most twice as many.
#[derive(Debug)]
struct Recent<V> {
    young: HashMap<u64, V>,
    old: HashMap<u64, V>,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<V> Recent<V> {
    /// Returns the entry of a key, or makes one.
    fn get(&mut self, key: u64, make: impl FnOnce() -> V) -> &mut V {
        if self.young.len() >= HALF && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        let old = &mut self.old;
        self.young.entry(key).or_insert_with(|| old.remove(&key).unwrap_or_else(make))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_that_branches_ends() {
        let mut counter = FanOut::new(100);
        // Each event leads to two others.
        let (mut waiting, mut delivered) = (vec!["root".to_owned()], 0);
        while let Some(cause) = waiting.pop() {
            for branch in ["a", "b"] {
                let id = format!("{cause}{branch}");
                match counter.descend("s", &id, &cause) {
                    None => {
                        delivered += 1;
                        waiting.push(id);
                    }
                    Some(reason) => assert_eq!(
                        reason,
                        "a fan-out: event \"root\" has led to more than 100 events, and 100 are allowed"
                    ),
                }
            }
        }
        assert_eq!(delivered, 100);
    }

    #[test]
    fn roots_and_spaces_count_apart_and_repeated_events_once() {
        let mut counter = FanOut::new(2);
        for space in ["s", "t"] {
            for root in ["a", "b"] {
                for _ in 0..3 {
                    assert_eq!(counter.descend(space, &format!("{root}1"), root), None);
                    assert_eq!(counter.descend(space, &format!("{root}2"), &format!("{root}1")), None);
                }
                assert!(counter.descend(space, &format!("{root}3"), &format!("{root}2")).is_some());
            }
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut counter = FanOut::new(10);
        for n in 0..5 * HALF {
            assert_eq!(counter.descend("s", &format!("{n} caused"), &n.to_string()), None);
        }
        for half in [counter.counts.young.len(), counter.counts.old.len(), counter.roots.young.len()] {
            assert!(half <= HALF, "{half}");
        }
    }
}
