//! The operations of the live feed that the gateways of a store share.

use eg_sdk::history::FeedEntry;

use super::{Store, StoreError};

/// What the store has of the live feed.
#[derive(Debug, Default)]
pub(crate) struct SharedFeed {
    /// Whether somebody watches at any gateway.
    pub(crate) watched: bool,
    /// The number of the next entry, or of the first of these.
    pub(crate) first: u64,
    /// New entries; none stands for some that are missing.
    pub(crate) entries: Vec<Option<FeedEntry>>,
}

impl Store {
    /// Returns whether other gateways may work with the store, so that the live feed goes through it.
    pub(crate) fn shares_feed(&self) -> bool {
        backend!(self.shares_feed())
    }

    /// Appends entries to the shared feed. None stands for some that are missing.
    ///
    /// # Errors
    /// Fails if the store cannot be written.
    pub(crate) async fn share(&self, entries: Vec<Option<FeedEntry>>) -> Result<(), StoreError> {
        backend!(self.share(entries).await)
    }

    /// Records whether this gateway appends what happens to the shared feed.
    ///
    /// # Errors
    /// Fails if the store cannot be written.
    pub(crate) async fn set_sharing(&self, shares: bool) -> Result<(), StoreError> {
        backend!(self.set_sharing(shares).await)
    }

    /// Records whether somebody watches here. If so, returns once all gateways append what happens.
    ///
    /// # Errors
    /// Fails if the store cannot be reached.
    pub(crate) async fn watch(&self, watches: bool) -> Result<(), StoreError> {
        backend!(self.watch(watches).await)
    }
}
