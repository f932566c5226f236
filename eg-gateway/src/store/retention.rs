//! The operations that keep a store within its limits. `crate::retention` calls them regularly.

use super::{Store, StoreError};
use crate::timestamp::Timestamp;

/// How much the store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Finished events accepted before this time are deleted, except for the newest.
    pub(crate) older_than: Timestamp,
    /// If the store is nearly full, finished events accepted before this time are deleted too, the oldest first. Later
    /// ones are needed to recognise duplicates.
    pub(crate) needed_since: Timestamp,
}

impl Store {
    /// Sets the maximum size of the store in bytes.
    pub(crate) fn set_limit(&self, bytes: u64) {
        backend!(self.set_limit(bytes));
    }

    /// Returns whether the store is full and accepts no more events.
    pub(crate) fn is_full(&self) -> bool {
        backend!(self.is_full())
    }

    /// Returns when [`retain`](Self::retain) should be called before its time, because the store fills up.
    pub(crate) async fn needs_room(&self) {
        backend!(self.needs_room().await);
    }

    /// Deletes finished events that exceed the limits, and returns how many. Never deletes events with unfinished
    /// deliveries, or with dead letters that nobody discarded.
    pub(crate) async fn retain(&self, limits: Limits) -> Result<usize, StoreError> {
        backend!(self.retain(limits).await)
    }
}
