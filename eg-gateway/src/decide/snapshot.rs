//! The configuration at one moment, with its routes. How it changes and where it is kept is `configuration`'s part.

use eg_sdk::config::Subscription;

use super::catalog::Catalog;
use super::policy;
use super::retry::RetryPolicy;
use super::router::Router;
use super::routes::Conflict;

/// All resources, and the routes made of them.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) catalog: Catalog,
    pub(crate) router: Router,
}

impl Snapshot {
    /// # Errors
    /// When two routes of a space exclude each other, which the Config API never admits.
    pub(crate) fn new(catalog: Catalog) -> Result<Self, Conflict> {
        let router = Router::new(&catalog)?;
        Ok(Self { catalog, router })
    }

    /// The retry policy of a subscription; `default` completes it, and replaces it when the subscription is gone.
    pub(crate) fn retry_policy(
        &self,
        space: &str,
        subscription_id: &str,
        default: &RetryPolicy,
    ) -> RetryPolicy {
        let subscription = self.catalog.table::<Subscription>().get(space, subscription_id);
        policy::effective(subscription.and_then(|subscription| subscription.retry.as_ref()), default)
    }
}
