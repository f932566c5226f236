//! Follows the other gateways of the store: takes over their changes of the configuration, tells the engine what they made due,
//! and shows what happens there. `store` finds it out, and `decide` says which gateway does what.

use std::sync::Arc;

use crate::deliver::Delivering;
use crate::store::News;
use crate::wakeups::Wakeups;

/// Follows until the gateway stops.
pub(crate) async fn follow<C>(delivering: Arc<Delivering<C>>, wakeups: Arc<Wakeups>) {
    let Delivering { store, clock, configuration, feed, stop, .. } = &*delivering;
    while let Some(news) = stop.run_until_cancelled(store.news(|| clock.timestamp())).await {
        let News { version, waiting, feed: shared } = news;
        if let Some(shares) = feed.follow(shared)
            && let Err(error) = store.set_sharing(shares).await
        {
            tracing::warn!(%error, "cannot tell the other gateways that this one shares what happens");
        }
        // First, because what waits may be for a function that another gateway has just created.
        configuration.follow(version).await;
        wakeups.found(waiting);
    }
}
