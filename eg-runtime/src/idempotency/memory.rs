//! A store in memory, for tests and for services that run as one process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Claim, IdempotencyStore, StoreError};
use crate::testing::clock::now;

/// A store that lasts as long as the process.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    keys: HashMap<String, Entry>,
    /// The number of entries at which expired ones are removed next.
    tidy_at: usize,
}

#[derive(Debug)]
struct Entry {
    /// `None` while the event is claimed.
    answer: Option<Vec<u8>>,
    /// `None` for entries that never expire.
    until: Option<Instant>,
}

impl Entry {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl MemoryStore {
    fn known(&self) -> MutexGuard<'_, Known> {
        // The lock guards no partial state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn claim(&mut self, key: &str, lease: Duration, now: Instant) -> Claim {
        match self.keys.get(key) {
            Some(entry) if !entry.is_over(now) => {
                return entry.answer.clone().map_or(Claim::InProgress, Claim::Done);
            }
            _ => {}
        }
        self.tidy(now);
        self.keys.insert(key.to_owned(), Entry { answer: None, until: now.checked_add(lease) });
        Claim::Granted
    }

    /// Removes expired entries whenever the number of entries has doubled.
    fn tidy(&mut self, now: Instant) {
        if self.keys.len() >= self.tidy_at.max(1024) {
            self.keys.retain(|_, entry| !entry.is_over(now));
            self.tidy_at = self.keys.len() * 2;
        }
    }
}

impl IdempotencyStore for MemoryStore {
    async fn claim(&self, key: &str, lease: Duration) -> Result<Claim, StoreError> {
        Ok(self.known().claim(key, lease, now()))
    }

    async fn complete(&self, key: &str, answer: Vec<u8>, keep: Duration) -> Result<(), StoreError> {
        let entry = Entry { answer: Some(answer), until: now().checked_add(keep) };
        self.known().keys.insert(key.to_owned(), entry);
        Ok(())
    }

    async fn release(&self, key: &str) -> Result<(), StoreError> {
        let mut known = self.known();
        if known.keys.get(key).is_some_and(|entry| entry.answer.is_none()) {
            known.keys.remove(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn claims_last_for_their_lease_and_answers_for_as_long_as_they_are_kept() {
        let (mut known, start) = (Known::default(), Instant::now());
        assert_eq!(known.claim("a", MINUTE, start), Claim::Granted);
        assert_eq!(known.claim("a", MINUTE, start + MINUTE / 2), Claim::InProgress);
        assert_eq!(known.claim("b", MINUTE, start), Claim::Granted, "another key");
        assert_eq!(known.claim("a", MINUTE, start + MINUTE), Claim::Granted, "its process has died");
        let done = Entry { answer: Some(b"1".to_vec()), until: Some(start + 5 * MINUTE) };
        known.keys.insert("a".to_owned(), done);
        assert_eq!(known.claim("a", MINUTE, start + 4 * MINUTE), Claim::Done(b"1".to_vec()));
        assert_eq!(known.claim("a", MINUTE, start + 5 * MINUTE), Claim::Granted, "forgotten");
    }

    #[test]
    fn what_is_over_takes_no_memory() {
        let (mut known, start) = (Known::default(), Instant::now());
        for n in 0..100_000_u32 {
            let now = start + Duration::from_secs(n.into());
            assert_eq!(known.claim(&n.to_string(), MINUTE, now), Claim::Granted);
            assert!(known.keys.len() <= 1_025, "{} at {n}", known.keys.len());
        }
    }
}
