//! The operations of the configuration: it is loaded as a whole, and changed resource by resource. `decide` checks the
//! changes.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use super::{Store, StoreError};
use crate::decide::catalog::{Catalog, Change, Resource, Version};
use crate::decide::delivery::{SUBSCRIPTION_DELETED, disabled};
use crate::decide::refusal::Kind;
use crate::timestamp::Timestamp;

/// Returns a resource as it is stored, with its secrets.
pub(super) fn to_json(resource: &Resource) -> serde_json::Result<String> {
    match resource {
        Resource::EventType(entry) => serde_json::to_string(&**entry),
        Resource::Function(entry) => serde_json::to_string(&**entry),
        Resource::Subscription(entry) => serde_json::to_string(&**entry),
        Resource::Cors(entry) => serde_json::to_string(&**entry),
    }
}

/// Reads a stored resource of this kind.
pub(super) fn of_json(kind: &str, body: &str) -> Result<Resource, Box<dyn Error + Send + Sync>> {
    match kind {
        "event_type" => Ok(Resource::EventType(Arc::new(serde_json::from_str(body)?))),
        "function" => Ok(Resource::Function(Arc::new(serde_json::from_str(body)?))),
        "subscription" => Ok(Resource::Subscription(Arc::new(serde_json::from_str(body)?))),
        "cors" => Ok(Resource::Cors(Arc::new(serde_json::from_str(body)?))),
        other => Err(format!("unknown kind of resource `{other}`").into()),
    }
}

/// Returns the space and the id of the subscription whose waiting deliveries a change gives up, and the reason.
pub(super) fn gives_up(change: &Change) -> Option<(&str, &str, Cow<'static, str>)> {
    match change {
        Change::Put(Resource::Subscription(entry)) => {
            let why = entry.disabled.as_deref()?;
            Some((&entry.space, &entry.subscription_id, disabled(why).into()))
        }
        Change::Delete { kind: Kind::Subscription, space, id } => {
            Some((space, id, SUBSCRIPTION_DELETED.into()))
        }
        _ => None,
    }
}

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
