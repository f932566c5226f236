//! The operations that keep a store within its limits. `crate::retention` calls them regularly.

use std::time::Duration;

use tokio::time::Instant;

use super::{Store, StoreError};
use crate::timestamp::Timestamp;

/// Number of events that one search examines.
pub(in crate::store) const EXAMINED: i64 = 500;

/// Pause before events are examined again that had to be kept, when there is room.
pub(in crate::store) const AGE_PAUSE: Duration = Duration::from_secs(60);

/// The same when there is little room.
pub(in crate::store) const SIZE_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause between two transactions.
pub(in crate::store) const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// An event's place in the order of acceptance.
pub(in crate::store) type Place = (Timestamp, i64);

/// How far the searches for finished events are. Most events that had to be kept once have to be kept for long, so each
/// search continues where the last one ended, and begins anew only from time to time.
#[derive(Debug, Default)]
pub(in crate::store) struct Sweeps {
    pub(in crate::store) age: Sweep,
    pub(in crate::store) size: Sweep,
}

#[derive(Debug, Default)]
pub(in crate::store) struct Sweep {
    /// The last event that was examined, and when the search began.
    pub(in crate::store) at: Option<(Place, Instant)>,
}

impl Sweep {
    /// Begins the search anew if the last one began so long ago.
    pub(in crate::store) fn begin(&mut self, pause: Duration) {
        if self.at.is_none_or(|(_, began)| began.elapsed() >= pause) {
            self.at = Some(((Timestamp::EARLIEST, 0), Instant::now()));
        }
    }
}

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
