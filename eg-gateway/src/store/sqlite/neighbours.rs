//! Says that there are no other gateways: one at a time is the owner of a directory.

use std::sync::Arc;

use eg_sdk::history::FeedEntry;

use super::{SqliteStore, StoreError};
use crate::decide::catalog::Version;
use crate::decide::members::Members;
use crate::store::neighbours::News;
use crate::timestamp::Timestamp;

#[expect(clippy::unused_async, reason = "other backends need time for it")]
impl SqliteStore {
    pub(in crate::store) fn members(&self) -> Arc<Members> {
        Arc::clone(&self.members)
    }

    pub(in crate::store) async fn news(&self, _: impl Fn() -> Timestamp) -> News {
        std::future::pending().await
    }

    pub(in crate::store) async fn work_with(&self, _: Version) -> Result<(), StoreError> {
        Ok(())
    }

    pub(in crate::store) async fn in_force(&self, _: Version) -> Result<(), StoreError> {
        Ok(())
    }

    pub(in crate::store) fn shares_feed(&self) -> bool {
        false
    }

    pub(in crate::store) async fn share(&self, _: Vec<Option<FeedEntry>>) -> Result<(), StoreError> {
        Ok(())
    }

    pub(in crate::store) async fn set_sharing(&self, _: bool) -> Result<(), StoreError> {
        Ok(())
    }

    pub(in crate::store) async fn watch(&self, _: bool) -> Result<(), StoreError> {
        Ok(())
    }
}
