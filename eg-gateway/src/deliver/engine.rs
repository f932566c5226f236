//! Makes the deliveries that the store holds: loads what is due, calls the functions, writes down what came of it.
//! Keeps in memory only what is under way, and one number per function.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eg_sdk::config::Function;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{Invoker, Wakeups};
use crate::activity::{Activity, DeliveryOutcome, Feed};
use crate::clock::{self, Millis};
use crate::configuration::Configuration;
use crate::decide::delivery::{self, Failure, Next, SUBSCRIPTION_DELETED};
use crate::decide::retry::RetryPolicy;
use crate::decide::share::allot;
use crate::metrics::{Metrics, Outcome};
use crate::store::{Claim, Claimed, Finish, Lane, Store, StoreError};

/// How long to wait before asking a store again that failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// The longest sleep: bounds what a jump of the wall clock can do.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

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

/// The loop that keeps the workers busy.
pub(crate) struct Engine {
    delivering: Arc<Delivering>,
    wakeups: Arc<Wakeups>,
    workers: usize,
    lanes: HashMap<Lane, LaneState>,
    running: JoinSet<Option<Millis>>,
    running_lanes: HashMap<Id, Lane>,
}

#[derive(Debug, Default)]
struct LaneState {
    in_flight: usize,
    /// When its next delivery is due, as far as is known.
    due: Option<Millis>,
}

impl Engine {
    /// An engine that knows what waits in the store.
    pub(crate) async fn new(
        delivering: Delivering,
        wakeups: Arc<Wakeups>,
        workers: usize,
    ) -> Result<Self, StoreError> {
        let waiting = delivering.store.lanes().await?;
        let lane = |(lane, due)| (lane, LaneState { in_flight: 0, due: Some(due) });
        Ok(Self {
            lanes: waiting.into_iter().map(lane).collect(),
            delivering: Arc::new(delivering),
            wakeups,
            workers: workers.max(1),
            running: JoinSet::new(),
            running_lanes: HashMap::new(),
        })
    }

    /// Delivers until `stop`, then lets what is under way finish.
    pub(crate) async fn run(mut self) {
        let stop = self.delivering.stop.clone();
        while !stop.is_cancelled() {
            let now = clock::now_millis();
            for lane in self.wakeups.take() {
                self.due(lane, now);
            }
            let wanted = self.wanted(now);
            if wanted.is_empty() {
                self.rest(now, &stop).await;
                continue;
            }
            match self.delivering.store.claim(wanted.clone(), now).await {
                Ok(claims) => claims.into_iter().for_each(|claim| self.start(claim)),
                Err(error) => {
                    tracing::error!(%error, "cannot load deliveries");
                    for (lane, _) in wanted {
                        self.lanes.entry(lane).or_default().due = Some(now + 1000);
                    }
                }
            }
        }
        while let Some(finished) = self.running.join_next_with_id().await {
            self.finished(finished);
        }
    }

    /// How many deliveries of which lanes to start now.
    fn wanted(&self, now: Millis) -> Vec<(Lane, usize)> {
        let free = self.workers - self.running.len();
        let mut due: Vec<_> =
            self.lanes.iter().filter(|(_, state)| state.due.is_some_and(|due| due <= now)).collect();
        // When workers are short, the lane that waits longest comes first.
        due.sort_by_key(|(_, state)| state.due);
        let in_flight: Vec<_> = due.iter().map(|(_, state)| state.in_flight).collect();
        let grants = allot(&in_flight, free);
        let granted = due.into_iter().zip(grants).filter(|(_, grant)| *grant > 0);
        granted.map(|((lane, _), grant)| (lane.clone(), grant)).collect()
    }

    /// Waits until something may have changed.
    async fn rest(&mut self, now: Millis, stop: &CancellationToken) {
        // What is due already waits for a worker, not for the clock.
        let next = self.lanes.values().filter_map(|state| state.due).filter(|due| *due > now).min();
        let sleep = next.map_or(LONGEST_SLEEP, |due| duration(due - now).min(LONGEST_SLEEP));
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.wakeups.wait() => {}
            Some(finished) = self.running.join_next_with_id() => self.finished(finished),
            () = tokio::time::sleep(sleep) => {}
        }
    }

    fn start(&mut self, claim: Claim) {
        let Claim { lane, claimed, orphans, next_due } = claim;
        for orphan in orphans {
            self.delivering.feed.tell(|| Activity::Delivery {
                event_id: orphan.event_id,
                event_type: orphan.event_type,
                function: lane.function.clone(),
                attempt: 0,
                duration: Duration::ZERO,
                outcome: DeliveryOutcome::Dead { reason: SUBSCRIPTION_DELETED.to_owned() },
            });
        }
        for claimed in claimed {
            if claimed.attempt == 1 {
                self.delivering.metrics.began(duration(clock::now_millis() - claimed.accepted_at));
            }
            let attempt = attempt(Arc::clone(&self.delivering), lane.clone(), claimed);
            let id = self.running.spawn(attempt).id();
            self.running_lanes.insert(id, lane.clone());
            self.lanes.entry(lane.clone()).or_default().in_flight += 1;
        }
        self.lanes.entry(lane.clone()).or_default().due = next_due;
        self.forget_if_idle(&lane);
    }

    fn finished(&mut self, finished: Result<(Id, Option<Millis>), tokio::task::JoinError>) {
        let (id, due) = finished.unwrap_or_else(|error| {
            tracing::error!(%error, "an attempt broke off; it is repeated after the next start");
            (error.id(), None)
        });
        let Some(lane) = self.running_lanes.remove(&id) else { return };
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.in_flight -= 1;
        }
        match due {
            Some(due) => self.due(lane, due),
            None => self.forget_if_idle(&lane),
        }
    }

    fn due(&mut self, lane: Lane, at: Millis) {
        let state = self.lanes.entry(lane).or_default();
        state.due = Some(state.due.map_or(at, |due| due.min(at)));
    }

    fn forget_if_idle(&mut self, lane: &Lane) {
        if self.lanes.get(lane).is_some_and(|state| state.in_flight == 0 && state.due.is_none()) {
            self.lanes.remove(lane);
        }
    }
}

/// Makes one attempt and writes down its end. Returns when the delivery is due again, if it is.
async fn attempt(delivering: Arc<Delivering>, lane: Lane, claimed: Claimed) -> Option<Millis> {
    let Claimed { delivery, attempt, failures, event_id, event_type, accepted_at, json } = claimed;
    let started = clock::instant();
    let outcome = call(&delivering, &lane, &event_type, json).await;
    let duration = started.elapsed();
    let now = clock::now_millis();
    let age = self::duration(now - accepted_at);
    let next = delivery::after_attempt(&delivering.retry, failures, age, outcome, clock::random());
    let (outcome, due) = match &next {
        Next::Delivered => (DeliveryOutcome::Delivered, None),
        Next::Retry { after, error } => {
            let pause = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
            (DeliveryOutcome::Retry { error: error.clone(), after: *after }, Some(now.saturating_add(pause)))
        }
        Next::Dead { reason, .. } => (DeliveryOutcome::Dead { reason: reason.clone() }, None),
    };
    let counted = match &outcome {
        DeliveryOutcome::Delivered => Outcome::Delivered,
        DeliveryOutcome::Retry { .. } => Outcome::Retry,
        DeliveryOutcome::Dead { .. } => Outcome::Dead,
    };
    delivering.metrics.attempted(&lane.space, counted, duration, age);
    tracing::debug!(event = event_id, function = lane.function, attempt, ?outcome, "delivery");
    record(&delivering, Finish { delivery, attempt, duration, next, now }).await;
    let function = lane.function;
    delivering.feed.tell(|| Activity::Delivery {
        event_id,
        event_type,
        function,
        attempt,
        duration,
        outcome,
    });
    due
}

async fn call(delivering: &Delivering, lane: &Lane, event_type: &str, json: Vec<u8>) -> Result<(), Failure> {
    let configuration = delivering.configuration.current();
    let Some(function) = configuration.catalog.table::<Function>().get(&lane.space, &lane.function) else {
        // Its subscription went with it; the next claim finds that out and keeps the reason.
        return Err(Failure::Retry(format!("function \"{}\" was deleted", lane.function)));
    };
    delivering.invoker.invoke(function, event_type, Bytes::from(json)).await?;
    Ok(())
}

/// Writes down the end of an attempt, however long the store takes: without it, the delivery would be made again.
async fn record(delivering: &Delivering, finish: Finish) {
    while let Err(error) = delivering.store.finish(finish.clone()).await {
        tracing::error!(%error, "cannot record an attempt; its function may be called again");
        if matches!(error, StoreError::Closed) || delivering.stop.is_cancelled() {
            return;
        }
        tokio::time::sleep(STORE_PAUSE).await;
    }
}

fn duration(millis: Millis) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}
