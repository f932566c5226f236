//! A gateway's view of a store, for tests: its configuration, its time, and the operations with short arguments. The tests
//! decide what happens.

use std::sync::Arc;
use std::time::Duration;

use eg_grammar::DeliveryPolicy;
use eg_sdk::config::Subscription;
use eg_sdk::history::{AttemptOutcome, Delivery, DeliveryState, EventDetail, Loss, Tally};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Site;
use crate::clock::{self, Clock, Source};
use crate::decide::arrival::{NewEvent, Origin, Terms};
use crate::decide::breaker::Side;
use crate::decide::catalog::{Change, Resource};
use crate::decide::delivery::Next;
use crate::decide::event::Event;
use crate::decide::gate::Gatekeeper;
use crate::decide::lanes::{Due, Lane, Wanted};
use crate::decide::place::{Named, Place};
use crate::decide::refusal::Kind;
use crate::decide::router::DEFAULT_SPACE;
use crate::decide::snapshot::Snapshot;
use crate::store::{
    Accepted, Claimed, DeadLetterQuery, Finish, Limits, Losses, Notices, Redrive, RunningJob, Store,
    StoreError, Work,
};
use crate::timestamp::Timestamp;

/// The type of the events that are emitted.
pub(super) const EVENT: &str = "e";

/// The event that reports dead letters.
pub(super) const REPORT: &str = "eventgateway.delivery.deadLettered";

/// The dedupe window.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// How old a delivery may be.
pub(super) const MAX_AGE: Duration = Duration::from_secs(90);

/// The attempts that a delivery has.
pub(super) const ATTEMPTS: u32 = 3;

/// Maximum number of hops.
pub(super) const MAX_HOPS: u64 = 16;

/// A clock that stands still.
struct At(Timestamp);

impl Source for At {
    fn now(&self) -> OffsetDateTime {
        self.0.date_time()
    }

    fn random(&self) -> f64 {
        0.0
    }

    fn event_id(&self) -> Uuid {
        clock::event_id()
    }
}

/// A gateway that uses a store.
pub(super) struct Bench<S> {
    pub(super) site: S,
    pub(super) store: Store,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) now: Timestamp,
}

/// Returns a subscription to events, whose function has the same name.
pub(super) fn subscription(id: &str) -> Subscription {
    let mut subscription = Subscription::asynchronous(EVENT, id);
    DEFAULT_SPACE.clone_into(&mut subscription.space);
    id.clone_into(&mut subscription.subscription_id);
    subscription
}

pub(super) fn ordered(id: &str) -> Subscription {
    let mut subscription = subscription(id);
    subscription.ordered = true;
    subscription
}

/// Returns a subscription that gets only events with this data.
pub(super) fn picky(id: &str, data: i64) -> Subscription {
    let mut subscription = subscription(id);
    subscription.filter = Some(json!({ "data": [data] }));
    subscription
}

pub(super) fn disabled(id: &str, why: &str) -> Subscription {
    let mut subscription = subscription(id);
    subscription.disabled = Some(why.to_owned());
    subscription
}

pub(super) fn put(subscription: Subscription) -> Change {
    Change::Put(Resource::Subscription(Arc::new(subscription)))
}

pub(super) fn delete(id: &str) -> Change {
    Change::Delete { kind: Kind::Subscription, space: DEFAULT_SPACE.to_owned(), id: id.to_owned() }
}

pub(super) fn space() -> String {
    DEFAULT_SPACE.to_owned()
}

pub(super) fn lane(function: &str) -> Lane {
    Lane { space: space(), function: function.to_owned() }
}

pub(super) fn retry(seconds: u64) -> Next {
    Next::Retry { after: Duration::from_secs(seconds), error: "it failed".to_owned() }
}

pub(super) fn dead() -> Next {
    Next::Dead { error: "it failed".to_owned(), reason: "all attempts failed".to_owned() }
}

/// Returns all deliveries of a lane that are due.
pub(super) fn wanted(function: &str, now: Timestamp) -> Wanted {
    let due = Due { first: Some(now), retry: Some(now) };
    let lane = lane(function);
    Wanted {
        lane,
        limit: 1_000,
        room: 1_000,
        reserved: 0,
        retries: 1_000,
        side: Side::Oldest,
        due,
        stop: None,
    }
}

pub(super) fn ids(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|claimed| claimed.event_id.as_str()).collect()
}

impl<S: Site> Bench<S> {
    /// Opens a new store with these subscriptions.
    pub(super) async fn with(subscriptions: impl IntoIterator<Item = Subscription>) -> Self {
        let (site, now) = (S::new().await, Timestamp::from_millis(1_000_000));
        let store = site.open(now).await;
        let mut bench = Self { site, store, snapshot: Arc::default(), now };
        bench.load().await;
        bench.change(subscriptions.into_iter().map(put)).await.unwrap();
        bench
    }

    /// Reads the configuration, as a gateway does when it starts.
    async fn load(&mut self) {
        let catalog = self.store.load_catalog().await.unwrap();
        self.snapshot = Arc::new(Snapshot::new(catalog).unwrap());
    }

    pub(super) async fn change(
        &mut self,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<(), StoreError> {
        let from = self.snapshot.catalog.version;
        let version = self.store.change(from, changes.into_iter().collect(), self.now).await?;
        self.load().await;
        assert_eq!(self.snapshot.catalog.version, version);
        Ok(())
    }

    /// Lets time pass.
    pub(super) fn later(&mut self, seconds: u64) {
        self.now = self.now.saturating_add(Duration::from_secs(seconds));
    }

    /// Ends the gateway and starts another one. What is in flight stays so.
    pub(super) async fn restart(&mut self) {
        self.store.clone().close().await;
        self.store = self.site.open(self.now).await;
        self.load().await;
    }

    pub(super) fn notices(&self) -> Notices {
        let terms = self.terms();
        Notices { snapshot: Arc::clone(&self.snapshot), terms, clock: Clock::new(At(self.now)) }
    }

    pub(super) fn terms(&self) -> Terms {
        Terms { dedupe_window: WINDOW, max_hops: MAX_HOPS }
    }

    pub(super) fn gate(&self) -> Gatekeeper {
        let policy = DeliveryPolicy { attempts: ATTEMPTS, max_age: MAX_AGE, ..DeliveryPolicy::default() };
        Gatekeeper::new(Arc::clone(&self.snapshot), policy)
    }

    /// Returns an event with these members, ready to be accepted now.
    pub(super) fn arrival(&self, id: &str, members: Value) -> NewEvent {
        self.arrival_in(DEFAULT_SPACE, id, members)
    }

    pub(super) fn arrival_in(&self, space: &str, id: &str, members: Value) -> NewEvent {
        let mut json = json!({ "specversion": "1.0", "id": id, "source": "/s", "type": EVENT });
        let (Value::Object(event), Value::Object(members)) = (&mut json, members) else {
            panic!("events are objects")
        };
        event.extend(members);
        let event = Event::read(json.to_string().into()).unwrap();
        let place = Place { space: space.to_owned(), path: "/".to_owned(), named: Named::No };
        let targets = self.snapshot.router.route_to(&place, event.ty(), "POST").asynchronous;
        let origin =
            Origin { space: place.space, method: "POST".to_owned(), path: place.path, accepted_at: self.now };
        self.terms().admit(event, origin, &targets, Vec::new())
    }

    pub(super) async fn accept(&self, events: Vec<NewEvent>) -> Result<(Vec<Accepted>, Losses), StoreError> {
        self.store.accept(DEFAULT_SPACE, events.into(), self.notices()).await
    }

    /// Emits an event with these members.
    pub(super) async fn emit_with(&self, id: &str, members: Value) -> Accepted {
        self.accept(vec![self.arrival(id, members)]).await.unwrap().0[0]
    }

    /// Emits events, one after the other.
    pub(super) async fn emit(&self, ids: &[&str]) {
        for id in ids {
            assert_eq!(self.emit_with(id, json!({})).await, Accepted::New, "{id}");
        }
    }

    /// Claims what is due.
    pub(super) async fn claim(&self, function: &str) -> Vec<Claimed> {
        let (claimed, losses) = self.claim_with(wanted(function, self.now)).await;
        assert!(losses.lost.is_empty(), "{losses:?}");
        claimed
    }

    /// Claims deliveries of one lane, and returns those that were given up.
    pub(super) async fn claim_with(&self, wanted: Wanted) -> (Vec<Claimed>, Losses) {
        let claim = self.store.claim(vec![wanted], self.now, usize::MAX, self.gate(), self.notices());
        let (mut claims, losses) = claim.await.unwrap();
        assert_eq!(claims.len(), 1);
        (claims.remove(0).claimed, losses)
    }

    /// Ends an attempt.
    pub(super) async fn finish(&self, claimed: &Claimed, next: Next) -> Losses {
        self.store.finish(vec![self.ending(claimed, next)], self.notices()).await.unwrap()
    }

    pub(super) fn ending(&self, claimed: &Claimed, next: Next) -> Finish {
        Finish {
            delivery: claimed.delivery,
            attempt: claimed.attempt,
            duration: Duration::from_millis(7),
            next,
            ordered: claimed.ordered,
            suspect: claimed.crashes > 0,
            now: self.now,
        }
    }

    /// Claims everything that is due for a function, and ends it like this. Returns the numbers.
    pub(super) async fn end_all(&self, function: &str, next: &Next) -> Vec<i64> {
        let claimed = self.claim(function).await;
        for one in &claimed {
            let _ = self.finish(one, next.clone()).await;
        }
        claimed.iter().map(|claimed| claimed.delivery).collect()
    }

    /// Returns the newest event with this id.
    pub(super) async fn event(&self, id: &str) -> EventDetail {
        self.store.event(space(), id.to_owned(), None, None).await.unwrap().expect("it is stored")
    }

    /// Returns the only delivery of an event to a subscription.
    pub(super) async fn delivery(&self, event: &str, subscription: &str) -> Delivery {
        let deliveries = self.event(event).await.deliveries;
        let mut found = deliveries.into_iter().filter(|one| one.subscription_id == subscription);
        let delivery = found.next().expect("it exists");
        assert!(found.next().is_none());
        delivery
    }

    pub(super) async fn state(&self, event: &str, subscription: &str) -> DeliveryState {
        self.delivery(event, subscription).await.state
    }

    pub(super) async fn redrive(&self, delivery: i64) -> Redrive {
        self.store.redrive(space(), delivery, None, self.now).await.unwrap()
    }

    /// Returns how the attempts of a delivery ended.
    pub(super) async fn outcomes(&self, event: &str, subscription: &str) -> Vec<AttemptOutcome> {
        let attempts = self.delivery(event, subscription).await.attempts;
        attempts.iter().map(|attempt| attempt.outcome).collect()
    }

    /// Returns the accounts, which balance at every moment.
    pub(super) async fn tally(&self) -> Tally {
        let mut tallies = self.store.tallies().await.unwrap();
        assert!(tallies.values().all(Tally::is_balanced), "{tallies:?}");
        tallies.remove(DEFAULT_SPACE).unwrap_or_default()
    }

    /// Returns the ids of the events of dead letters.
    pub(super) async fn dead_letters(&self, loss: Loss) -> Vec<String> {
        let query = DeadLetterQuery { space: space(), loss, before: None, limit: 1_000 };
        let letters = self.store.dead_letters(query).await.unwrap().dead_letters;
        letters.into_iter().map(|letter| letter.event_id).collect()
    }

    /// Makes dead letters of events.
    pub(super) async fn bury(&self, function: &str, ids: &[&str]) -> Vec<i64> {
        self.emit(ids).await;
        let buried = self.end_all(function, &dead()).await;
        assert_eq!(buried.len(), ids.len());
        buried
    }

    pub(super) async fn begin(&self, work: Work) -> i64 {
        self.store.begin_job(space(), work, self.now).await.unwrap()
    }

    /// Runs one slice of a job. Returns the number of deliveries that it changed, or `None` if the job does not run any
    /// more.
    pub(super) async fn slice(&self, job: &RunningJob) -> Option<usize> {
        let (store, now) = (&self.store, self.now);
        match job.work.clone() {
            Work::Redrive { loss } => {
                store.redrive_slice(job, loss, now).await.unwrap().map(|redriven| redriven.deliveries)
            }
            Work::Discard { loss } => store.discard_slice(job, loss, now).await.unwrap(),
            Work::Replay { name, request } => {
                let (snapshot, max_hops) = (Arc::clone(&self.snapshot), MAX_HOPS);
                let intakes = move |stored: crate::store::StoredEvent| {
                    let place = Place { space: space(), path: stored.path.clone(), named: Named::No };
                    let targets = snapshot.router.replayed(&place, &stored.ty, &stored.method);
                    crate::decide::intake::intake_stored(&targets, stored.json, max_hops)
                };
                let notices = self.notices();
                let replayed = store.replay_slice(job, name, request, now, notices, intakes).await.unwrap();
                replayed.map(|replayed| replayed.deliveries)
            }
            Work::GiveUp { subscription_id, reason } => {
                let notices = self.notices();
                let ended = store.give_up_slice(job, subscription_id, reason, now, notices).await.unwrap();
                ended.map(|losses| losses.lost.len())
            }
        }
    }

    /// Runs all jobs to their end. Returns the number of deliveries that they changed.
    pub(super) async fn run_jobs(&self) -> usize {
        let mut deliveries = 0;
        loop {
            let jobs = self.store.running_jobs().await.unwrap();
            if jobs.is_empty() {
                return deliveries;
            }
            for job in jobs {
                deliveries += self.slice(&job).await.unwrap_or_default();
                self.tally().await;
            }
        }
    }

    /// Deletes finished events that are older than this.
    pub(super) async fn retain(&self, age: u64) -> usize {
        let before = self.now.saturating_sub(Duration::from_secs(age));
        self.store.retain(Limits { older_than: before, needed_since: before }).await.unwrap()
    }
}
