//! Remembers whether the last writes to a store succeeded, and counts damaged rows. The backends report both.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::StoreError;
use super::notices::{Losses, Lost};
use super::seal::DAMAGED;

/// The health of an open store.
#[derive(Debug, Default)]
pub(in crate::store) struct Health {
    failing: AtomicBool,
    error: Mutex<Option<StoreError>>,
    damaged: AtomicU64,
}

impl Health {
    /// Records how a group of writes ended. Only a change takes the lock.
    pub(in crate::store) fn wrote(&self, result: Result<(), &StoreError>) {
        let failing = result.is_err();
        if failing || self.failing.load(Ordering::Relaxed) {
            *self.error.lock().unwrap_or_else(PoisonError::into_inner) = result.err().cloned();
            self.failing.store(failing, Ordering::Relaxed);
        }
    }

    /// Returns the error of the last write, if it failed.
    pub(in crate::store) fn error(&self) -> Option<StoreError> {
        if !self.failing.load(Ordering::Relaxed) {
            return None;
        }
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts and reports the deliveries that were given up because their event is damaged.
    pub(in crate::store) fn report_given_up(&self, losses: &Losses) {
        for Lost { delivery, event_id, function, .. } in
            losses.lost.iter().filter(|lost| lost.reason == DAMAGED)
        {
            self.damaged.fetch_add(1, Ordering::Relaxed);
            tracing::error!(delivery, event_id, function, "a stored event is damaged and is not delivered");
        }
    }

    /// Counts and reports a damaged event that is not replayed.
    pub(in crate::store) fn report_not_replayed(&self, event: i64) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
        tracing::error!(event, "a stored event is damaged and is not replayed");
    }

    /// Returns how often damage was found since the store was opened.
    pub(in crate::store) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_write_counts() {
        let health = Health::default();
        assert!(health.error().is_none());
        health.wrote(Err(&StoreError::Closed));
        assert!(matches!(health.error(), Some(StoreError::Closed)));
        health.wrote(Ok(()));
        assert!(health.error().is_none());
    }
}
