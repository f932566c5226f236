//! Holds the current configuration as a snapshot in memory, and changes it. `store` persists changes: each is on disk
//! and in the snapshot before its client gets the answer.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::decide::catalog::{Catalog, Change};
use crate::decide::refusal::Refusal;
use crate::decide::routes::Routing;
use crate::decide::snapshot::Snapshot;
use crate::store::{Store, StoreError};

/// The configuration, and the only way to change it.
pub(crate) struct Configuration {
    current: RwLock<Arc<Snapshot>>,
    /// Locked while a change is checked and written, so that two changes that exclude each other cannot both be
    /// admitted.
    store: Mutex<Store>,
    clock: Clock,
}

/// The reason why a change was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Configuration {
    /// Loads the configuration from the store. `routing` says how requests find the subscriptions.
    pub(crate) async fn load(store: Store, clock: Clock, routing: Routing) -> Result<Self, ChangeError> {
        let mut catalog = store.load_catalog().await?;
        catalog.routing = routing;
        let snapshot = Snapshot::new(catalog).map_err(Refusal::from)?;
        Ok(Self { current: RwLock::new(Arc::new(snapshot)), store: Mutex::new(store), clock })
    }

    /// Returns the current configuration.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Carries out the changes that `plan` returns, as one change. Must run to completion: a caller that may be
    /// cancelled must spawn it.
    pub(crate) async fn change<C: AsRef<[Change]>>(
        &self,
        plan: impl FnOnce(&Catalog) -> Result<C, Refusal>,
    ) -> Result<C, ChangeError> {
        let store = self.store.lock().await;
        let mut catalog = self.current().catalog.clone();
        let changes = plan(&catalog)?;
        let from = catalog.version;
        changes.as_ref().iter().for_each(|change| catalog.apply(change));
        let mut snapshot = Snapshot::new(catalog).map_err(Refusal::from)?;
        let now = self.clock.timestamp();
        let changed = store.change(from, changes.as_ref().to_vec(), now).await;
        if matches!(changed, Err(StoreError::Outdated)) {
            // The next change is based on what the store has.
            let mut catalog = store.load_catalog().await?;
            catalog.routing = snapshot.catalog.routing;
            let stored = Arc::new(Snapshot::new(catalog).map_err(Refusal::from)?);
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = stored;
        }
        snapshot.catalog.version = changed?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        Ok(changes)
    }
}
