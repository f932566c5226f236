//! Disables subscriptions whose function reports that it is gone for good. `configuration` stores the change.

use std::sync::Arc;

use eg_sdk::config::Subscription;

use super::delivering::Delivering;
use crate::activity::Activity;
use crate::decide::catalog::{Catalog, Change, Resource};

/// Disables a subscription. Its pending deliveries become dead letters.
pub(super) async fn disable<C>(delivering: &Delivering<C>, space: &str, subscription_id: &str, reason: &str) {
    let plan = |catalog: &Catalog| {
        let mut subscription = (**catalog.table::<Subscription>().find(space, subscription_id)?).clone();
        subscription.disabled = Some(reason.to_owned());
        Ok([Change::Put(Resource::Subscription(Arc::new(subscription)))])
    };
    match delivering.configuration.change(plan).await {
        Ok(_) => delivering.feed.publish(|| Activity::Disabled {
            space: space.to_owned(),
            subscription: subscription_id.to_owned(),
            reason: reason.to_owned(),
        }),
        // Either the subscription was deleted meanwhile, or the disk failed and the next delivery will try again.
        Err(error) => tracing::warn!(subscription = subscription_id, %error, "cannot disable a subscription"),
    }
}
