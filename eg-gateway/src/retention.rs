//! Keeps the store within its limits: expires deliveries that wait too long and deletes finished events. `decide` and
//! `store` decide which those are.

use std::sync::Arc;
use std::time::Duration;

use eg_sdk::config::Subscription;
use tokio::time::Instant;

use crate::decide::lived::{Stop, older_than};
use crate::decide::policy;
use crate::deliver::Delivering;
use crate::options::Options;
use crate::store::Limits;
use crate::timestamp::Timestamp;

/// Pause between rounds.
const PAUSE: Duration = Duration::from_secs(10);

/// Pause between attempts to make room while the store is nearly full.
const ROOM_PAUSE: Duration = Duration::from_millis(100);

/// How much is kept and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Retention {
    /// How long finished events are kept.
    pub(crate) age: Duration,
    /// Maximum size of the store in bytes.
    pub(crate) bytes: u64,
    /// How long all events are kept in any case, to recognise duplicates.
    pub(crate) dedupe_window: Duration,
    /// The times in which no gateway ran, the latest first.
    pub(crate) stops: Vec<Stop>,
}

impl Retention {
    pub(crate) fn new(options: &Options, stops: Vec<Stop>) -> Self {
        let (age, bytes) = (options.retention, options.store_limit);
        Self { age, bytes, dedupe_window: options.dedupe_window, stops }
    }

    /// Runs until the gateway stops.
    pub(crate) async fn run<C>(self, delivering: Arc<Delivering<C>>) {
        delivering.store.set_limit(self.bytes);
        let stop = delivering.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.rounds(&delivering) => {}
        }
    }

    async fn rounds<C>(&self, delivering: &Delivering<C>) {
        loop {
            if !delivering.store.members().leads() {
                // Another gateway does it.
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let now = delivering.clock.timestamp();
            let snapshot = delivering.configuration.current();
            for subscription in snapshot.catalog.table::<Subscription>().all() {
                expire(delivering, subscription, now).await;
            }
            let next = Instant::now() + PAUSE;
            self.forget(delivering).await;
            while tokio::time::timeout_at(next, delivering.store.needs_room()).await.is_ok() {
                self.forget(delivering).await;
                tokio::time::sleep(ROOM_PAUSE).await;
            }
        }
    }

    /// Deletes events that are not needed any more.
    async fn forget<C>(&self, delivering: &Delivering<C>) {
        let now = delivering.clock.timestamp();
        match delivering.store.retain(self.limits(now)).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "deleted finished events"),
            Err(error) => tracing::error!(%error, "cannot delete events"),
        }
    }

    fn limits(&self, now: Timestamp) -> Limits {
        let needed_since = now.saturating_sub(self.dedupe_window);
        let older_than = older_than(now, self.age, &self.stops).min(needed_since);
        Limits { older_than, needed_since }
    }
}

/// Expires the deliveries of a subscription that have waited too long, batch by batch.
async fn expire<C>(delivering: &Delivering<C>, subscription: &Subscription, now: Timestamp) {
    let policy = policy::effective(subscription.retry.as_ref(), &delivering.retry);
    let since = now.saturating_sub(policy.max_age);
    loop {
        let (space, id) = (subscription.space.clone(), subscription.subscription_id.clone());
        let (gate, notices) = (delivering.gatekeeper(), delivering.reception.notices());
        match delivering.store.expire(space, id, since, now, gate, notices).await {
            Ok(losses) if losses.lost.is_empty() => return,
            Ok(losses) => delivering.reception.lost(losses),
            Err(error) => {
                tracing::error!(%error, "cannot expire deliveries");
                return;
            }
        }
    }
}
