//! What the gateway does beside accepting and delivering: expiring what waits too long, forgetting what is over,
//! disabling subscriptions. What is late and what is over is decided in `decide` and `store`.

use std::sync::Arc;
use std::time::Duration;

use eg_sdk::config::Subscription;

use crate::activity::Activity;
use crate::clock;
use crate::configuration::Snapshot;
use crate::decide::catalog::{Change, Resource};
use crate::decide::delivery;
use crate::decide::policy;
use crate::decide::retry::RetryPolicy;
use crate::deliver::attempt::{Delivering, tell_ended};
use crate::options::Options;
use crate::store::{Candidate, Gatekeeper, Limits};

/// Pause between rounds.
const PAUSE: Duration = Duration::from_secs(10);

/// How much is kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    age: Duration,
    bytes: u64,
    dedupe_window: Duration,
}

impl Retention {
    pub(crate) fn new(options: &Options) -> Self {
        Self { age: options.retention, bytes: options.store_limit, dedupe_window: options.dedupe_window }
    }
}

/// Lets through what the subscription's policy of this moment allows.
pub(crate) fn gatekeeper(snapshot: &Arc<Snapshot>, default: &RetryPolicy) -> Gatekeeper {
    let (snapshot, default) = (Arc::clone(snapshot), default.clone());
    Arc::new(move |candidate: &Candidate<'_>| {
        let subscriptions = snapshot.catalog.table::<Subscription>();
        let subscription = subscriptions.get(candidate.space, candidate.subscription_id);
        let policy = policy::effective(subscription.and_then(|s| s.retry.as_ref()), &default);
        let disabled = subscription.and_then(|s| s.disabled.as_deref());
        let age = clock::duration(candidate.now.saturating_sub(candidate.since));
        delivery::before_attempt(&policy, disabled, candidate.failures, age)
    })
}

/// Works until the gateway stops.
pub(crate) async fn run(delivering: Arc<Delivering>, retention: Retention) {
    loop {
        round(&delivering, retention).await;
        tokio::select! {
            () = delivering.stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn round(delivering: &Delivering, retention: Retention) {
    let now = clock::now_millis();
    let snapshot = delivering.configuration.current();
    for subscription in snapshot.catalog.table::<Subscription>().all() {
        expire(delivering, &snapshot, subscription, now).await;
    }
    let needed_since = now.saturating_sub(millis(retention.dedupe_window));
    let older_than = now.saturating_sub(millis(retention.age)).min(needed_since);
    let limits = Limits { older_than, bytes: retention.bytes, needed_since };
    match delivering.store.retain(limits).await {
        Ok(0) => {}
        Ok(events) => tracing::info!(events, "forgot events that are over"),
        Err(error) => tracing::error!(%error, "cannot forget events"),
    }
}

async fn expire(delivering: &Delivering, snapshot: &Arc<Snapshot>, subscription: &Subscription, now: i64) {
    let policy = policy::effective(subscription.retry.as_ref(), &delivering.retry);
    let since = now.saturating_sub(millis(policy.max_age));
    let gate = gatekeeper(snapshot, &delivering.retry);
    loop {
        let (space, id) = (subscription.space.clone(), subscription.subscription_id.clone());
        let teller = delivering.invoker.system().teller();
        match delivering.store.expire(space, id, since, now, Arc::clone(&gate), teller).await {
            Ok((ended, _)) if ended.is_empty() => return,
            Ok((ended, told)) => {
                delivering.invoker.system().told(&told);
                ended.into_iter().for_each(|ended| tell_ended(delivering, &subscription.space, ended));
            }
            Err(error) => {
                tracing::error!(%error, "cannot expire deliveries");
                return;
            }
        }
    }
}

/// Disables a subscription whose function said that it is gone for good. What waits for it becomes dead letters.
pub(crate) async fn disable(delivering: &Delivering, space: &str, subscription_id: &str, reason: &str) {
    let plan = |catalog: &crate::decide::catalog::Catalog| {
        let mut subscription = (**catalog.table::<Subscription>().find(space, subscription_id)?).clone();
        subscription.disabled = Some(reason.to_owned());
        Ok([Change::Put(Resource::Subscription(Arc::new(subscription)))])
    };
    match delivering.configuration.change(plan).await {
        Ok(_) => delivering.feed.tell(|| Activity::Disabled {
            space: space.to_owned(),
            subscription: subscription_id.to_owned(),
            reason: reason.to_owned(),
        }),
        // Deleted meanwhile, or the disk fails: the next delivery finds out again.
        Err(error) => tracing::warn!(subscription = subscription_id, %error, "cannot disable a subscription"),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
