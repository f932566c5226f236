//! One attempt to deliver: the call, what follows from its outcome, and the writing down of that. When attempts are made
//! is `engine`'s part.

use std::sync::Arc;
use std::time::Duration;

use eg_sdk::config::{Function, Subscription};
use tokio_util::sync::CancellationToken;

use super::Invoker;
use crate::activity::{Activity, DeliveryOutcome};
use crate::clock::{self, Millis};
use crate::configuration::Configuration;
use crate::decide::delivery::{self, Failure, Next};
use crate::decide::event::Outgoing;
use crate::decide::policy;
use crate::decide::retry::RetryPolicy;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::store::{Claimed, Ended, Finish, Lane, Store, StoreError};
use crate::upkeep;

/// How long to wait before asking a store again that failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// What an attempt needs.
pub(crate) struct Delivering {
    pub(crate) store: Store,
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) invoker: Arc<Invoker>,
    pub(crate) feed: Feed,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) retry: RetryPolicy,
    pub(crate) stop: CancellationToken,
}

/// A call that ended, and what is to be written down about it.
pub(super) struct Called {
    pub(super) lane: Lane,
    /// Whether the function did its work or said that it never will.
    pub(super) answered: bool,
    finish: Finish,
    subscription_id: String,
    event_id: String,
    event_type: String,
    /// How old the delivery is.
    age: Duration,
}

impl Called {
    /// Whether the delivery has ended without success.
    pub(super) fn gives_up(&self) -> bool {
        self.finish.next.gives_up()
    }
}

/// The end of a call that is on disk.
pub(super) struct Recorded {
    pub(super) lane: Lane,
    /// When the delivery, or the one that waited for it, is due.
    pub(super) due: Option<Millis>,
}

/// Makes one attempt and decides what follows from it.
pub(super) async fn attempt(delivering: Arc<Delivering>, lane: Lane, claimed: Claimed) -> Called {
    let Claimed {
        delivery,
        attempt,
        failures,
        subscription_id,
        event_id,
        event_type,
        since,
        ordered,
        replay,
        json,
    } = claimed;
    let started = clock::instant();
    let event = Outgoing::stored(event_type, json, replay.as_deref());
    let outcome = call(&delivering, &lane, &event).await;
    let event_type = event.ty;
    let duration = started.elapsed();
    let now = clock::now_millis();
    let answered = !matches!(outcome, Err(Failure::Retry(_) | Failure::Later(..)));
    let policy = {
        let configuration = delivering.configuration.current();
        let subscription = configuration.catalog.table::<Subscription>().get(&lane.space, &subscription_id);
        policy::effective(subscription.and_then(|s| s.retry.as_ref()), &delivering.retry)
    };
    let age = clock::duration(now.saturating_sub(since));
    let next = delivery::after_attempt(&policy, failures, age, outcome, clock::random());
    let finish = Finish { delivery, attempt, duration, next, ordered, now };
    Called { lane, answered, finish, subscription_id, event_id, event_type, age }
}

/// Writes down the ends of attempts, in one transaction, and tells the watchers.
pub(super) async fn conclude(delivering: Arc<Delivering>, ended: Vec<Called>) -> Vec<Recorded> {
    for Called { lane, finish, subscription_id, .. } in &ended {
        if let Next::Disable { reason, .. } = &finish.next {
            upkeep::disable(&delivering, &lane.space, subscription_id, reason).await;
        }
    }
    record(&delivering, ended.iter().map(|called| called.finish.clone()).collect()).await;
    ended.into_iter().map(|called| tell(&delivering, called)).collect()
}

/// Counts an attempt that has been recorded, and tells the watchers.
fn tell(delivering: &Delivering, called: Called) -> Recorded {
    let Called { lane, finish, event_id, event_type, age, .. } = called;
    let Finish { attempt, duration, next, ordered, now, .. } = finish;
    let (outcome, due) = match next {
        Next::Delivered => (DeliveryOutcome::Delivered, None),
        Next::Retry { after, error } => {
            let pause = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
            (DeliveryOutcome::Retry { error, after }, Some(now.saturating_add(pause)))
        }
        Next::Dead { reason, .. } | Next::Disable { reason, .. } => (DeliveryOutcome::Dead { reason }, None),
        Next::Expired { reason, .. } => (DeliveryOutcome::Expired { reason }, None),
    };
    delivering.metrics.attempted(&lane.space, (&outcome).into(), duration, age);
    tracing::debug!(event = event_id, function = lane.function, attempt, ?outcome, "delivery");
    let function = lane.function.clone();
    delivering.feed.tell(|| Activity::Delivery {
        event_id,
        event_type,
        function,
        attempt,
        duration,
        outcome,
    });
    // The one that waited for this one is due at once.
    Recorded { lane, due: due.or(ordered.then_some(now)) }
}

/// Counts a delivery that ended without another attempt, and tells the watchers.
pub(crate) fn tell_ended(delivering: &Delivering, space: &str, ended: Ended) {
    let Ended { event_id, event_type, function, expired, reason, .. } = ended;
    let outcome =
        if expired { DeliveryOutcome::Expired { reason } } else { DeliveryOutcome::Dead { reason } };
    delivering.metrics.ended(space, (&outcome).into(), 1);
    delivering.feed.tell(|| Activity::unattempted(event_id, event_type, function, outcome));
}

async fn call(delivering: &Delivering, lane: &Lane, event: &Outgoing) -> Result<(), Failure> {
    let configuration = delivering.configuration.current();
    let Some(function) = configuration.catalog.table::<Function>().get(&lane.space, &lane.function) else {
        // Its subscription went with it; the next claim finds that out and keeps the reason.
        return Err(Failure::Retry(format!("function \"{}\" was deleted", lane.function)));
    };
    delivering.invoker.invoke(function, event).await?;
    Ok(())
}

/// Writes down the ends of attempts, however long the store takes: without that, the deliveries would be made again.
async fn record(delivering: &Delivering, finishes: Vec<Finish>) {
    let system = delivering.invoker.system();
    loop {
        let error = match delivering.store.finish(finishes.clone(), system.teller()).await {
            Ok(told) => return system.told(&told),
            Err(error) => error,
        };
        let attempts = finishes.len();
        tracing::error!(%error, attempts, "cannot record attempts; their functions may be called again");
        if matches!(error, StoreError::Closed) || delivering.stop.is_cancelled() {
            return;
        }
        tokio::time::sleep(STORE_PAUSE).await;
    }
}
