//! Makes the deliveries that the store holds: loads what is due, calls the functions, writes down what came of it.
//! Keeps in memory only what is under way, and one number per function.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eg_sdk::config::{Function, Subscription};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{Invoker, Wakeups};
use crate::activity::{Activity, DeliveryOutcome};
use crate::clock::{self, Millis};
use crate::configuration::Configuration;
use crate::decide::breaker::{Admission, Breaker};
use crate::decide::delivery::{self, Failure, Next};
use crate::decide::policy;
use crate::decide::replay;
use crate::decide::retry::RetryPolicy;
use crate::decide::share::{Demand, allot};
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::store::{Claim, Claimed, Ended, Finish, Lane, Store, StoreError};
use crate::upkeep;

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
    /// Bytes of payloads that may be under way.
    memory: usize,
    lanes: HashMap<Lane, LaneState>,
    running: JoinSet<Called>,
    running_lanes: HashMap<Id, (Lane, usize)>,
    /// Calls that ended, and whose end is being written down. They keep no worker busy: what is written together with the
    /// next claims needs no sync of its own.
    recording: JoinSet<Recorded>,
}

#[derive(Debug, Default)]
struct LaneState {
    in_flight: usize,
    /// When its next delivery is due, as far as is known.
    due: Option<Millis>,
    breaker: Breaker,
}

/// A call that ended, and what is to be written down about it.
struct Called {
    /// Whether the function did its work or said that it never will.
    answered: bool,
    finish: Finish,
    subscription_id: String,
    event_id: String,
    event_type: String,
    /// How old the delivery is.
    age: Duration,
}

/// The end of a call that is on disk.
struct Recorded {
    lane: Lane,
    /// When the delivery, or the one that waited for it, is due.
    due: Option<Millis>,
}

impl Engine {
    /// An engine that knows what waits in the store.
    pub(crate) async fn new(
        delivering: Arc<Delivering>,
        wakeups: Arc<Wakeups>,
        workers: usize,
        memory: usize,
    ) -> Result<Self, StoreError> {
        let waiting = delivering.store.lanes().await?;
        let lane = |(lane, due)| (lane, LaneState { due: Some(due), ..LaneState::default() });
        Ok(Self {
            lanes: waiting.into_iter().map(lane).collect(),
            delivering,
            wakeups,
            workers: workers.max(1),
            memory: memory.max(1),
            running: JoinSet::new(),
            running_lanes: HashMap::new(),
            recording: JoinSet::new(),
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
            // All that finished while the last claim was written, so that their successors share the next one.
            while let Some(finished) = self.running.try_join_next_with_id() {
                self.finished(finished);
            }
            while let Some(recorded) = self.recording.try_join_next() {
                self.recorded(recorded);
            }
            let wanted = self.wanted(now);
            if wanted.is_empty() {
                self.rest(now, &stop).await;
                continue;
            }
            let under_way: usize = self.running_lanes.values().map(|(_, bytes)| bytes).sum();
            let bytes = self.memory.saturating_sub(under_way);
            let gate = upkeep::gatekeeper(&self.delivering.configuration.current(), &self.delivering.retry);
            let system = self.delivering.invoker.system();
            match self.delivering.store.claim(wanted.clone(), now, bytes, gate, system.teller()).await {
                Ok((claims, told)) => {
                    system.told(&told);
                    claims.into_iter().for_each(|claim| self.start(claim));
                }
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
        while self.recording.join_next().await.is_some() {}
    }

    /// How many deliveries of which lanes to start now.
    fn wanted(&mut self, now: Millis) -> Vec<(Lane, usize)> {
        let under_way: usize = self.running_lanes.values().map(|(_, bytes)| bytes).sum();
        if under_way >= self.memory {
            return Vec::new();
        }
        let free = self.workers - self.running.len();
        let catalog = &self.delivering.configuration.current().catalog;
        let mut due: Vec<(&Lane, &mut LaneState)> =
            self.lanes.iter_mut().filter(|(_, state)| state.due.is_some_and(|due| due <= now)).collect();
        // When workers are short, the lane that waits longest comes first.
        due.sort_by_key(|(_, state)| state.due);
        let demand = |(lane, state): &(&Lane, &mut LaneState)| {
            let function = catalog.table::<Function>().get(&lane.space, &lane.function);
            let limit = function.and_then(|function| function.concurrency);
            let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
            let room = match state.breaker.admission(now) {
                Admission::Free => limit.saturating_sub(state.in_flight),
                Admission::Probe => usize::from(state.in_flight == 0),
                Admission::Wait(_) => 0,
            };
            Demand { in_flight: state.in_flight, room }
        };
        let demands: Vec<_> = due.iter().map(demand).collect();
        let grants = allot(&demands, free);
        let mut wanted = Vec::new();
        for ((lane, state), grant) in due.into_iter().zip(grants) {
            if let Admission::Wait(until) = state.breaker.admission(now) {
                state.due = Some(until);
            } else if grant > 0 {
                if state.breaker.is_open() {
                    state.breaker.probe(now);
                }
                wanted.push((lane.clone(), grant));
            }
        }
        wanted
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
            Some(recorded) = self.recording.join_next() => self.recorded(recorded),
            () = tokio::time::sleep(sleep) => {}
        }
    }

    fn start(&mut self, claim: Claim) {
        let Claim { lane, claimed, ended, next_due } = claim;
        for ended in ended {
            tell_ended(&self.delivering, &lane.space, ended);
        }
        for claimed in claimed {
            if claimed.attempt == 1 {
                self.delivering.metrics.waited(duration(clock::now_millis() - claimed.since));
            }
            let bytes = claimed.json.len();
            let attempt = attempt(Arc::clone(&self.delivering), lane.clone(), claimed);
            let id = self.running.spawn(attempt).id();
            self.running_lanes.insert(id, (lane.clone(), bytes));
            self.lanes.entry(lane.clone()).or_default().in_flight += 1;
        }
        self.lanes.entry(lane.clone()).or_default().due = next_due;
        self.forget_if_idle(&lane);
    }

    fn finished(&mut self, finished: Result<(Id, Called), JoinError>) {
        let (id, called) = match finished {
            Ok((id, called)) => (id, Some(called)),
            Err(error) => (broken_off(&error), None),
        };
        let Some((lane, _)) = self.running_lanes.remove(&id) else { return };
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.in_flight -= 1;
            let was_open = state.breaker.is_open();
            if called.as_ref().is_some_and(|called| called.answered) {
                state.breaker.answered();
            } else {
                state.breaker.failed(clock::now_millis());
            }
            let (space, function) = (lane.space.clone(), lane.function.clone());
            match (was_open, state.breaker.is_open()) {
                (false, true) => self.delivering.feed.tell(|| Activity::CircuitOpened { space, function }),
                (true, false) => {
                    // What the breaker held back need not wait for the next probe.
                    state.due = state.due.map(|due| due.min(clock::now_millis()));
                    self.delivering.feed.tell(|| Activity::CircuitClosed { space, function });
                }
                _ => {}
            }
        }
        self.forget_if_idle(&lane);
        if let Some(called) = called {
            self.recording.spawn(conclude(Arc::clone(&self.delivering), lane, called));
        }
    }

    fn recorded(&mut self, recorded: Result<Recorded, JoinError>) {
        match recorded {
            Ok(Recorded { lane, due: Some(due) }) => self.due(lane, due),
            Ok(Recorded { due: None, .. }) => {}
            Err(error) => {
                broken_off(&error);
            }
        }
    }

    fn due(&mut self, lane: Lane, at: Millis) {
        let state = self.lanes.entry(lane).or_default();
        state.due = Some(state.due.map_or(at, |due| due.min(at)));
    }

    fn forget_if_idle(&mut self, lane: &Lane) {
        let idle = |state: &LaneState| {
            state.in_flight == 0 && state.due.is_none() && state.breaker == Breaker::default()
        };
        if self.lanes.get(lane).is_some_and(idle) {
            self.lanes.remove(lane);
        }
    }
}

/// The task that broke off.
fn broken_off(error: &JoinError) -> Id {
    tracing::error!(%error, "an attempt broke off; it is repeated after the next start");
    error.id()
}

/// Makes one attempt and decides what follows from it.
async fn attempt(delivering: Arc<Delivering>, lane: Lane, claimed: Claimed) -> Called {
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
    let json = replay::marked(json, replay.as_deref());
    let outcome = call(&delivering, &lane, &event_type, json).await;
    let duration = started.elapsed();
    let now = clock::now_millis();
    let answered = !matches!(outcome, Err(Failure::Retry(_) | Failure::Later(..)));
    let policy = {
        let configuration = delivering.configuration.current();
        let subscription = configuration.catalog.table::<Subscription>().get(&lane.space, &subscription_id);
        policy::effective(subscription.and_then(|s| s.retry.as_ref()), &delivering.retry)
    };
    let age = self::duration(now.saturating_sub(since));
    let next = delivery::after_attempt(&policy, failures, age, outcome, clock::random());
    let finish = Finish { delivery, attempt, duration, next, ordered, now };
    Called { answered, finish, subscription_id, event_id, event_type, age }
}

/// Writes down the end of an attempt, and tells the watchers.
async fn conclude(delivering: Arc<Delivering>, lane: Lane, called: Called) -> Recorded {
    let Called { finish, subscription_id, event_id, event_type, age, .. } = called;
    let Finish { attempt, duration, ordered, now, .. } = finish;
    if let Next::Disable { reason, .. } = &finish.next {
        upkeep::disable(&delivering, &lane.space, &subscription_id, reason).await;
    }
    let (outcome, due) = match &finish.next {
        Next::Delivered => (DeliveryOutcome::Delivered, None),
        Next::Retry { after, error } => {
            let pause = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
            (DeliveryOutcome::Retry { error: error.clone(), after: *after }, Some(now.saturating_add(pause)))
        }
        Next::Dead { reason, .. } | Next::Disable { reason, .. } => {
            (DeliveryOutcome::Dead { reason: reason.clone() }, None)
        }
        Next::Expired { reason, .. } => (DeliveryOutcome::Expired { reason: reason.clone() }, None),
    };
    delivering.metrics.attempted(&lane.space, (&outcome).into(), duration, age);
    tracing::debug!(event = event_id, function = lane.function, attempt, ?outcome, "delivery");
    record(&delivering, finish).await;
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
    let system = delivering.invoker.system();
    let given_up = !matches!(finish.next, Next::Delivered | Next::Retry { .. });
    loop {
        let error = match delivering.store.finish(finish.clone(), given_up.then(|| system.teller())).await {
            Ok(told) => return system.told(&told),
            Err(error) => error,
        };
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
