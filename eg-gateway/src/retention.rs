//! Keeps the store within its limits: expires deliveries that wait too long and deletes finished events. `decide` and
//! `store` decide which those are.

use std::sync::Arc;
use std::time::Duration;

use eg_sdk::config::Subscription;

use crate::decide::policy;
use crate::deliver::Delivering;
use crate::options::Options;
use crate::store::Limits;
use crate::timestamp::Timestamp;

/// Pause between rounds.
const PAUSE: Duration = Duration::from_secs(10);

/// How much is kept and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// How long finished events are kept.
    pub(crate) age: Duration,
    /// Maximum size of the store in bytes.
    pub(crate) bytes: u64,
    /// How long all events are kept in any case, to recognise duplicates.
    pub(crate) dedupe_window: Duration,
}

impl Retention {
    pub(crate) fn new(options: &Options) -> Self {
        Self { age: options.retention, bytes: options.store_limit, dedupe_window: options.dedupe_window }
    }

    /// Runs until the gateway stops.
    pub(crate) async fn run<C>(self, delivering: Arc<Delivering<C>>) {
        loop {
            self.round(&delivering).await;
            tokio::select! {
                biased;
                () = delivering.stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn round<C>(&self, delivering: &Delivering<C>) {
        let now = delivering.clock.timestamp();
        let snapshot = delivering.configuration.current();
        for subscription in snapshot.catalog.table::<Subscription>().all() {
            expire(delivering, subscription, now).await;
        }
        match delivering.store.retain(self.limits(now)).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "deleted finished events"),
            Err(error) => tracing::error!(%error, "cannot delete events"),
        }
    }

    fn limits(&self, now: Timestamp) -> Limits {
        let needed_since = now.saturating_sub(self.dedupe_window);
        let older_than = now.saturating_sub(self.age).min(needed_since);
        Limits { older_than, bytes: self.bytes, needed_since }
    }
}

/// Expires the deliveries of a subscription that have waited too long, batch by batch.
async fn expire<C>(delivering: &Delivering<C>, subscription: &Subscription, now: Timestamp) {
    let policy = policy::effective(subscription.retry.as_ref(), &delivering.retry);
    let since = now.saturating_sub(policy.max_age);
    let system_events = &delivering.system_events;
    loop {
        let (space, id) = (subscription.space.clone(), subscription.subscription_id.clone());
        let (gate, notices) = (delivering.gatekeeper(), system_events.notices());
        match delivering.store.expire(space, id, since, now, gate, notices).await {
            Ok((ended, _)) if ended.is_empty() => return,
            Ok((ended, notices)) => {
                system_events.announce(&notices);
                ended.into_iter().for_each(|ended| delivering.report_ended(&subscription.space, ended));
            }
            Err(error) => {
                tracing::error!(%error, "cannot expire deliveries");
                return;
            }
        }
    }
}
