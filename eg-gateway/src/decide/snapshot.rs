//! Represents the configuration at one moment, with its routes. `configuration` keeps and changes it.

use eg_sdk::config::Subscription;

use super::catalog::Catalog;
use super::policy;
use super::router::Router;
use super::routes::Conflict;
use eg_grammar::DeliveryPolicy;

/// All resources, and the routes built from them.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) catalog: Catalog,
    pub(crate) router: Router,
}

impl Snapshot {
    /// # Errors
    /// Fails if two routes of a space conflict, which the Config API never admits.
    pub(crate) fn new(catalog: Catalog) -> Result<Self, Conflict> {
        let router = Router::new(&catalog)?;
        Ok(Self { catalog, router })
    }

    /// Returns the retry policy of a subscription, which `default` completes. `None`: the subscription is deleted.
    pub(crate) fn retry_policy(
        &self,
        space: &str,
        subscription_id: &str,
        default: &DeliveryPolicy,
    ) -> Option<DeliveryPolicy> {
        let subscription = self.catalog.table::<Subscription>().get(space, subscription_id)?;
        Some(policy::effective(subscription.retry.as_ref(), default))
    }
}
