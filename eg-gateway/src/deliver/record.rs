//! Records the outcomes of attempts on disk, then reports them to watchers, metrics and the engine. `attempt`
//! determines the outcomes.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::Called;
use super::delivering::{Delivering, Report};
use super::disable::disable;
use crate::activity::DeliveryOutcome;
use crate::decide::delivery::Next;
use crate::decide::lanes::{Due, Lane};
use crate::store::{Finish, StoreError};

/// Pause before a failed write to the store is retried.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// A call whose outcome is on disk.
pub(super) struct Recorded {
    pub(super) lane: Lane,
    pub(super) due: Due,
}

/// Records the outcomes of attempts in one transaction, and reports them.
pub(super) async fn record<C>(delivering: Arc<Delivering<C>>, ended: Vec<Called>) -> Vec<Recorded> {
    for Called { lane, finish, subscription_id, .. } in &ended {
        if let Next::Disable { reason, .. } = &finish.next {
            disable(&delivering, &lane.space, subscription_id, reason).await;
        }
    }
    write(&delivering, ended.iter().map(|called| called.finish.clone()).collect()).await;
    ended.into_iter().map(|called| report(&delivering, called)).collect()
}

/// Writes the outcomes of attempts, and retries until the store succeeds or the gateway stops: without them, the
/// deliveries would be repeated.
async fn write<C>(delivering: &Delivering<C>, finishes: Vec<Finish>) {
    loop {
        let notices = delivering.reception.notices();
        let error = match delivering.store.finish(finishes.clone(), notices).await {
            Ok(losses) => return delivering.reception.lost(losses),
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

fn report<C>(delivering: &Delivering<C>, called: Called) -> Recorded {
    let Called { lane, finish, event_id, event_type, age, notes, .. } = called;
    let Finish { delivery, attempt, duration, next, now, .. } = finish;
    let mut due = Due::default();
    let mut counts = true;
    let outcome = match next {
        Next::Delivered => DeliveryOutcome::Delivered,
        Next::Retry { after, error } => {
            due.retry = Some(now.saturating_add(after));
            DeliveryOutcome::Retry { error, after }
        }
        Next::Unmade { after, error } => {
            tracing::warn!(function = lane.function, %error, "a call could not be made; it is made soon");
            let at = Some(now.saturating_add(after));
            (due, counts) = (Due { first: at, retry: at }, false);
            DeliveryOutcome::Retry { error, after }
        }
        Next::Dead { reason, .. } | Next::Disable { reason, .. } => DeliveryOutcome::Dead { reason },
        Next::Expired { reason, .. } => DeliveryOutcome::Expired { reason },
    };
    let report = Report {
        space: &lane.space,
        function: &lane.function,
        event_id,
        event_type,
        delivery,
        attempt,
        duration,
        age,
        outcome,
        notes,
    };
    if counts {
        delivering.count_attempt(&report);
    }
    delivering.show_attempt(report);
    Recorded { lane, due }
}
