//! Schedules deliveries: loads due ones from the store, hands them to workers and starts recording their outcomes.
//! Keeps in memory only deliveries under way and a few numbers per function; `attempt` makes a single attempt.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use eg_sdk::config::Function;
use tokio::task::{Id, JoinError, JoinSet};

use super::attempt::{Called, attempt};
use super::delivering::Delivering;
use super::record::{Recorded, record};
use super::{Caller, Callers};
use crate::activity::Activity;
use crate::decide::breaker::Sign;
use crate::decide::lanes::{Begun, Circuit, Due, Flight, Lane, Lanes, Wanted};
use crate::decide::members::Members;
use crate::decide::snapshot::Snapshot;
use crate::decide::suspects::{Suspect, Suspects};
use crate::decide::trial::{Courses, Trials};
use crate::options::Options;
use crate::store::{Claimed, StoreError, Waiting};
use crate::timestamp::Timestamp;
use crate::wakeups::{Marked, Wakeups, Woken};

/// The longest sleep. It limits the delay that a jump of the wall clock can cause.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Pause after deliveries could not be loaded.
const CLAIM_PAUSE: Duration = Duration::from_secs(1);

/// The limits for deliveries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacity {
    /// Maximum number of deliveries under way; 0 counts as 1.
    pub(crate) workers: usize,
    /// Maximum bytes of their payloads; 0 counts as 1.
    pub(crate) memory: usize,
    /// The number of events in a row after which a function is stopped that keeps itself busy.
    pub(crate) max_loop: u64,
}

impl Capacity {
    pub(crate) fn new(options: &Options) -> Self {
        Self { workers: options.workers, memory: options.memory_limit, max_loop: options.max_loop }
    }
}

/// A delivery under way.
struct UnderWay {
    lane: Lane,
    /// The size of its payload.
    bytes: usize,
    flight: Flight,
    /// The number of its delivery, if that is a suspect.
    suspect: Option<i64>,
}

/// The loop that keeps the workers busy.
pub(crate) struct Engine<C = Callers> {
    delivering: Arc<Delivering<C>>,
    wakeups: Arc<Wakeups>,
    capacity: Capacity,
    pub(crate) lanes: Lanes,
    /// What an unexpected end of the gateway has interrupted.
    suspects: Suspects,
    /// Functions that may keep themselves busy.
    trials: Trials,
    /// The gateways of the store. This one attempts the deliveries of its own lanes.
    members: Arc<Members>,
    running: JoinSet<Called>,
    /// The deliveries under way.
    flights: HashMap<Id, UnderWay>,
    /// Calls that ended but are not being recorded yet. They are recorded together, which costs less.
    pub(crate) ended: Vec<Called>,
    /// Calls that are being recorded. They occupy no worker, so the next claims can share their transaction and its
    /// sync.
    recording: JoinSet<Vec<Recorded>>,
}

impl<C: Caller> Engine<C> {
    /// Creates an engine with the lanes in which deliveries wait in the store.
    pub(crate) async fn new(
        delivering: Arc<Delivering<C>>,
        wakeups: Arc<Wakeups>,
        capacity: Capacity,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            lanes: Lanes::new(delivering.store.lanes().await?),
            suspects: Suspects::new(delivering.store.suspects().await?),
            trials: Trials::new(capacity.max_loop),
            members: delivering.store.members(),
            delivering,
            wakeups,
            capacity: Capacity {
                workers: capacity.workers.max(1),
                memory: capacity.memory.max(1),
                ..capacity
            },
            running: JoinSet::new(),
            flights: HashMap::new(),
            ended: Vec::new(),
            recording: JoinSet::new(),
        })
    }

    /// Delivers until the gateway stops, then waits for the deliveries under way.
    pub(crate) async fn run(mut self) {
        while !self.delivering.stop.is_cancelled() {
            self.turn().await;
        }
        while let Some(finished) = self.running.join_next_with_id().await {
            self.finished(finished);
            self.record();
        }
        while self.recording.join_next().await.is_some() {}
    }

    /// Starts due deliveries. If there are none, waits until something may have changed.
    pub(crate) async fn turn(&mut self) {
        let now = self.delivering.clock.timestamp();
        self.look_around(now);
        // Takes all calls that finished while the last claim was written, so that their successors share the next
        // claim.
        while let Some(finished) = self.running.try_join_next_with_id() {
            self.finished(finished);
        }
        while let Some(recorded) = self.recording.try_join_next() {
            self.recorded(recorded);
        }
        self.record();
        let free_bytes = self.capacity.memory.saturating_sub(self.bytes_under_way());
        if free_bytes == 0 {
            return self.rest(now).await;
        }
        let suspects = self.take_suspects(now);
        if !suspects.is_empty() {
            return self.claim_suspects(suspects, now).await;
        }
        let wanted = self.wanted(now);
        if wanted.is_empty() {
            self.rest(now).await;
        } else {
            self.claim(wanted, now, free_bytes).await;
        }
    }

    /// Takes in what others have marked as due, as far as it is this gateway's.
    fn look_around(&mut self, now: Timestamp) {
        let members = self.delivering.store.members();
        let changed = members != self.members;
        self.members = members;
        let Marked { lanes, found } = self.wakeups.take();
        for (lane, woken) in lanes {
            if woken == Woken::ByEvents {
                self.trials.arrived(&lane, now);
            }
            self.due(lane, Due { first: Some(now), retry: None });
        }
        if let Some(Waiting { lanes, suspects }) = found {
            lanes.into_iter().for_each(|(lane, due)| self.due(lane, due));
            let own = suspects.into_iter().filter(|suspect| self.members.owns(&suspect.lane));
            self.suspects.found(own.collect());
        }
        if changed {
            self.lanes.keep(|lane| self.members.owns(lane));
        }
    }

    /// Records that deliveries of a lane are due then, if it is this gateway's.
    fn due(&mut self, lane: Lane, due: Due) {
        if self.members.owns(&lane) {
            self.lanes.due(lane, due);
        }
    }

    fn bytes_under_way(&self) -> usize {
        self.flights.values().map(|under_way| under_way.bytes).sum()
    }

    /// Returns the deliveries to start now.
    fn wanted(&mut self, now: Timestamp) -> Vec<Wanted> {
        let configuration = self.delivering.configuration.current();
        let free = self.capacity.workers - self.running.len();
        let Courses { held, loops } = self.trials.courses(|lane| self.lanes.in_flight(lane), now);
        let waits = |lane: &Lane| held.contains(lane) || !self.members.owns(lane);
        let limit = |lane: &Lane| if waits(lane) { 0 } else { limit(&configuration, lane) };
        let mut wanted = self.lanes.wanted(now, free, limit);
        for wanted in wanted.iter_mut().filter(|wanted| loops.contains(&wanted.lane)) {
            wanted.stop = Some(self.trials.reason());
        }
        wanted
    }

    /// Takes the suspects to start now.
    fn take_suspects(&mut self, now: Timestamp) -> Vec<Suspect> {
        let configuration = self.delivering.configuration.current();
        let free = self.capacity.workers - self.running.len();
        let has_room = |lane: &Lane| self.lanes.in_flight(lane) < limit(&configuration, lane);
        self.suspects.take(now, free, has_room)
    }

    /// Waits until something may have changed.
    async fn rest(&mut self, now: Timestamp) {
        // Due deliveries wait for a worker, not for the clock.
        let next = self.lanes.next_due(now).into_iter().chain(self.suspects.next_due());
        let next = next.chain(self.trials.next_due()).filter(|due| *due > now).min();
        let sleep = next.map_or(LONGEST_SLEEP, |due| due.since(now).min(LONGEST_SLEEP));
        tokio::select! {
            // The order is fixed, so that a simulation can be repeated.
            biased;
            () = self.delivering.stop.cancelled() => {}
            Some(finished) = self.running.join_next_with_id() => self.finished(finished),
            Some(recorded) = self.recording.join_next() => self.recorded(recorded),
            () = self.wakeups.wait() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }

    /// Loads deliveries and starts their attempts.
    async fn claim(&mut self, wanted: Vec<Wanted>, now: Timestamp, free_bytes: usize) {
        let Delivering { store, reception, .. } = &*self.delivering;
        let (gate, notices) = (self.delivering.gatekeeper(), reception.notices());
        match store.claim(wanted.clone(), now, free_bytes, gate, notices).await {
            Ok((claims, losses)) => {
                reception.lost(losses);
                for claim in claims {
                    let stop = wanted
                        .iter()
                        .find(|wanted| wanted.lane == claim.lane)
                        .and_then(|it| it.stop.as_ref());
                    if let Some(reason) = stop
                        && claim.due.first.is_none_or(|due| due > now)
                    {
                        let Lane { space, function } = &claim.lane;
                        tracing::warn!(
                            space,
                            function,
                            reason,
                            "the deliveries that waited for a function were given up"
                        );
                        self.trials.stopped(&claim.lane);
                    }
                    let retries = claim.claimed.iter().filter(|claimed| is_retry(claimed)).count();
                    let begun = Begun { deliveries: claim.claimed.len(), retries, due: claim.due };
                    let probe = self.lanes.began(&claim.lane, begun);
                    self.start(&claim.lane, claim.claimed, probe);
                }
            }
            Err(error) => {
                tracing::error!(%error, "cannot load deliveries");
                self.lanes
                    .postpone(wanted.into_iter().map(|wanted| wanted.lane), now.saturating_add(CLAIM_PAUSE));
            }
        }
    }

    /// Loads suspects and starts their attempts.
    async fn claim_suspects(&mut self, suspects: Vec<Suspect>, now: Timestamp) {
        let Delivering { store, reception, .. } = &*self.delivering;
        let (gate, notices) = (self.delivering.gatekeeper(), reception.notices());
        match store.claim_suspects(suspects.clone(), now, gate, notices).await {
            Ok((claims, losses)) => {
                reception.lost(losses);
                for (suspect, claim) in suspects.iter().zip(claims) {
                    match claim.claimed.first() {
                        Some(claimed) => {
                            self.lanes.began_suspect(&claim.lane, is_retry(claimed));
                            self.start(&claim.lane, claim.claimed, false);
                        }
                        None => self.suspects.cleared(suspect.delivery),
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "cannot load deliveries that were interrupted");
                self.suspects.postpone(suspects, now.saturating_add(CLAIM_PAUSE));
            }
        }
    }

    /// Starts the attempts of claimed deliveries.
    fn start(&mut self, lane: &Lane, claimed: Vec<Claimed>, probe: bool) {
        if !claimed.is_empty() {
            self.delivering.recent.began(&lane.space, &lane.function, claimed.len());
        }
        for claimed in claimed {
            if claimed.attempt == 1 {
                let waited = self.delivering.clock.timestamp().since(claimed.since);
                self.delivering.metrics.waited(waited);
            }
            let flight = Flight { retry: is_retry(&claimed), probe };
            let (bytes, suspect) = (claimed.json.len(), (claimed.crashes > 0).then_some(claimed.delivery));
            // A task moves its future several times, and this one is large.
            let attempt = Box::pin(attempt(Arc::clone(&self.delivering), lane.clone(), claimed));
            let id = self.running.spawn(attempt).id();
            self.flights.insert(id, UnderWay { lane: lane.clone(), bytes, flight, suspect });
        }
    }

    fn finished(&mut self, finished: Result<(Id, Called), JoinError>) {
        let (id, called) = match finished {
            Ok((id, called)) => (id, Some(called)),
            Err(error) => (broken_off(&error), None),
        };
        let Some(UnderWay { lane, flight, suspect, .. }) = self.flights.remove(&id) else { return };
        if let Some(suspect) = suspect {
            self.suspects.cleared(suspect);
        }
        // A task that broke off has met a bug of the gateway.
        let sign = called.as_ref().map_or(Sign::Unmade, |called| called.sign);
        let circuit = self.lanes.ended(&lane, flight, sign, self.delivering.clock.timestamp());
        let Lane { space, function } = lane;
        let recent = &self.delivering.recent;
        recent.ended(&space, &function);
        if circuit != Circuit::Unchanged {
            recent.circuit(&space, &function, circuit == Circuit::Opened);
        }
        match circuit {
            Circuit::Unchanged => {}
            Circuit::Opened => self.delivering.feed.publish(|| Activity::CircuitOpened { space, function }),
            Circuit::Closed => self.delivering.feed.publish(|| Activity::CircuitClosed { space, function }),
        }
        self.ended.extend(called);
    }

    /// Starts recording the calls that ended since the last time. All are recorded together, except those whose
    /// delivery is given up: recording them also writes events and perhaps the configuration, and a failure there
    /// must not affect other deliveries.
    fn record(&mut self) {
        let gives_up = |called: &Called| called.finish.next.gives_up();
        let (given_up, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.ended).into_iter().partition(gives_up);
        let groups = given_up.into_iter().map(|called| vec![called]).chain([rest]);
        for group in groups.filter(|group| !group.is_empty()) {
            self.recording.spawn(record(Arc::clone(&self.delivering), group));
        }
    }

    fn recorded(&mut self, recorded: Result<Vec<Recorded>, JoinError>) {
        match recorded {
            Ok(recorded) => {
                recorded.into_iter().for_each(|Recorded { lane, due }| self.due(lane, due));
            }
            Err(error) => {
                broken_off(&error);
            }
        }
    }
}

/// Returns how many deliveries may be under way in a lane at once.
fn limit(configuration: &Snapshot, lane: &Lane) -> usize {
    let function = configuration.catalog.table::<Function>().get(&lane.space, &lane.function);
    let limit = function.and_then(|function| function.concurrency);
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

fn is_retry(claimed: &Claimed) -> bool {
    claimed.failures > 0
}

/// Logs that a task broke off, and returns its id.
fn broken_off(error: &JoinError) -> Id {
    tracing::error!(%error, "an attempt ended unexpectedly; it is repeated after the next start");
    error.id()
}
