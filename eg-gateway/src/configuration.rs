//! Holds the current configuration as a snapshot in memory, and changes it. `store` persists changes: each is on disk and in the
//! snapshot of every gateway of the store before its client gets the answer.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::decide::catalog::{Catalog, Change, Version};
use crate::decide::refusal::Refusal;
use crate::decide::routes::Routing;
use crate::decide::snapshot::Snapshot;
use crate::store::{Store, StoreError};

/// How often a change is planned anew that collides with changes of other gateways.
const TRIES: usize = 20;

/// The configuration, and the only way to change it.
pub(crate) struct Configuration {
    current: RwLock<Arc<Snapshot>>,
    /// Locked while a change is checked and written, so that two changes that exclude each other cannot both be
    /// admitted.
    changing: Mutex<()>,
    store: Store,
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
        store.work_with(snapshot.catalog.version).await?;
        Ok(Self { current: RwLock::new(Arc::new(snapshot)), changing: Mutex::default(), store, clock })
    }

    /// Returns the current configuration.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Carries out the changes that `plan` returns, as one change, and returns once every gateway works with them. Must run to
    /// completion: a caller that may be cancelled must spawn it.
    pub(crate) async fn change<C: AsRef<[Change]>>(
        &self,
        plan: impl Fn(&Catalog) -> Result<C, Refusal>,
    ) -> Result<C, ChangeError> {
        let mut tries = 1;
        let (changes, version) = loop {
            match self.make(&plan).await {
                // Another gateway was faster.
                Err(ChangeError::Store(StoreError::Outdated)) if tries < TRIES => tries += 1,
                made => break made?,
            }
        };
        self.store.in_force(version).await?;
        Ok(changes)
    }

    /// Makes a change of the newest configuration that this gateway knows. Returns the changes and the version that they make.
    async fn make<C: AsRef<[Change]>>(
        &self,
        plan: impl Fn(&Catalog) -> Result<C, Refusal>,
    ) -> Result<(C, Version), ChangeError> {
        let changing = self.changing.lock().await;
        let mut catalog = self.current().catalog.clone();
        let changes = plan(&catalog)?;
        let from = catalog.version;
        changes.as_ref().iter().for_each(|change| catalog.apply(change));
        let mut snapshot = Snapshot::new(catalog).map_err(Refusal::from)?;
        let changed = self.store.change(from, changes.as_ref().to_vec(), self.clock.timestamp()).await;
        if matches!(changed, Err(StoreError::Outdated)) {
            drop(changing);
            self.reload().await?;
        }
        let version = changed?;
        snapshot.catalog.version = version;
        self.use_from_now_on(snapshot);
        Ok((changes, version))
    }

    /// Works with the configuration of the store, if another gateway has made it `version`.
    pub(crate) async fn follow(&self, version: Version) {
        if self.current().catalog.version >= version {
            return;
        }
        match self.reload().await {
            Ok(version) => tracing::info!(?version, "another gateway has changed the configuration"),
            Err(error) => {
                tracing::error!(%error, "cannot read the configuration that another gateway has changed");
            }
        }
    }

    /// Reads the configuration of the store, and lets the other gateways know that this one works with it.
    async fn reload(&self) -> Result<Version, ChangeError> {
        let changing = self.changing.lock().await;
        let mut catalog = self.store.load_catalog().await?;
        catalog.routing = self.current().catalog.routing;
        let version = catalog.version;
        self.use_from_now_on(Snapshot::new(catalog).map_err(Refusal::from)?);
        drop(changing);
        self.store.work_with(version).await?;
        Ok(version)
    }

    fn use_from_now_on(&self, snapshot: Snapshot) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }
}
