//! The operations of the configuration: it is loaded as a whole, and changed resource by resource. `decide` checks the
//! changes.

use super::{Store, StoreError};
use crate::decide::catalog::{Catalog, Change, Version};
use crate::timestamp::Timestamp;

impl Store {
    /// Returns all resources, and the version that they are.
    pub(crate) async fn load_catalog(&self) -> Result<Catalog, StoreError> {
        backend!(self.load_catalog().await)
    }

    /// Stores all the changes or none, and returns the version that they make of the version `from`. From then on, the
    /// pending deliveries of a deleted or disabled subscription are not attempted any more; a job turns them into dead
    /// letters.
    ///
    /// # Errors
    /// Returns [`StoreError::Outdated`] if `from` is not the newest version.
    pub(crate) async fn change(
        &self,
        from: Version,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Version, StoreError> {
        let version = backend!(self.change(from, changes, now).await)?;
        self.signals.begin();
        Ok(version)
    }
}
