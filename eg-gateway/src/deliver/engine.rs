//! Decides when which deliveries are attempted: loads what is due, keeps the workers busy, has written down what came of
//! it. Keeps in memory only what is under way, and one number per function. What an attempt is, is `attempt`'s part.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use eg_sdk::config::Function;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Wakeups;
use super::attempt::{Called, Delivering, Recorded, attempt, conclude, tell_ended};
use crate::activity::Activity;
use crate::clock::{self, Millis};
use crate::decide::breaker::{Admission, Breaker};
use crate::decide::share::{Demand, allot};
use crate::store::{Claim, Lane, StoreError};
use crate::upkeep;

/// The longest sleep: bounds what a jump of the wall clock can do.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

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
    /// Calls that ended, and whose end is not yet being written down: together it costs less.
    ended: Vec<Called>,
    /// Calls whose end is being written down. They keep no worker busy: what is written together with the next claims needs
    /// no sync of its own.
    recording: JoinSet<Vec<Recorded>>,
}

#[derive(Debug, Default)]
struct LaneState {
    in_flight: usize,
    /// When its next delivery is due, as far as is known.
    due: Option<Millis>,
    breaker: Breaker,
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
            ended: Vec::new(),
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
            self.record();
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
            self.record();
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
        let sleep = next.map_or(LONGEST_SLEEP, |due| clock::duration(due - now).min(LONGEST_SLEEP));
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
                self.delivering.metrics.waited(clock::duration(clock::now_millis() - claimed.since));
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
        self.ended.extend(called);
    }

    /// Has written down what ended since the last time: together, but for what is given up. That also writes events, and
    /// perhaps the configuration, and no other delivery depends on how that goes.
    fn record(&mut self) {
        let (given_up, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.ended).into_iter().partition(Called::gives_up);
        let groups = given_up.into_iter().map(|called| vec![called]).chain([rest]);
        for group in groups.filter(|group| !group.is_empty()) {
            self.recording.spawn(conclude(Arc::clone(&self.delivering), group));
        }
    }

    fn recorded(&mut self, recorded: Result<Vec<Recorded>, JoinError>) {
        match recorded {
            Ok(recorded) => {
                for Recorded { lane, due } in recorded {
                    if let Some(due) = due {
                        self.due(lane, due);
                    }
                }
            }
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
