//! The operations with which a gateway follows the others that work with the same store. A store in a directory has one gateway.

use std::sync::Arc;

use super::feed::SharedFeed;
use super::{Store, StoreError};
use crate::decide::catalog::Version;
use crate::decide::lanes::{Due, Lane};
use crate::decide::members::Members;
use crate::decide::suspects::Suspect;
use crate::timestamp::Timestamp;

/// What has changed in the store.
#[derive(Debug)]
pub(crate) struct News {
    /// The version of the configuration.
    pub(crate) version: Version,
    pub(crate) waiting: Waiting,
    pub(crate) feed: SharedFeed,
}

/// What waits in the store.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) lanes: Vec<(Lane, Due)>,
    pub(crate) suspects: Vec<Suspect>,
}

impl Store {
    /// Returns the gateways that work with the store, as far as this one knows.
    pub(crate) fn members(&self) -> Arc<Members> {
        backend!(self.members())
    }

    /// Waits until gateways have changed something, this one included, and returns it. Gateways that are silent for longer than
    /// their lease are removed; what they had in flight becomes due at `now`.
    pub(crate) async fn news(&self, now: impl Fn() -> Timestamp) -> News {
        let news = backend!(self.news(now).await);
        // A job may have begun or progressed.
        self.signals.begin();
        self.signals.progress();
        news
    }

    /// Lets the other gateways know that this one works with this version of the configuration.
    ///
    /// # Errors
    /// Fails if the store cannot be written.
    pub(crate) async fn work_with(&self, version: Version) -> Result<(), StoreError> {
        backend!(self.work_with(version).await)
    }

    /// Returns once each gateway works with this version of the configuration or a newer one. One that does not answer is removed
    /// when its lease has run out, so this takes little longer than that while the store can be reached.
    ///
    /// # Errors
    /// Fails if this gateway must not use the store any more, and with [`StoreError::NotEverywhere`] if another one does not
    /// work with the version although it renews its lease.
    pub(crate) async fn in_force(&self, version: Version) -> Result<(), StoreError> {
        backend!(self.in_force(version).await)
    }
}
