//! One history: emitters, the gateway, its functions and its disk, moved on step by step by random choice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use eg_sdk::config::{Retry, RetryLimits, Subscription};
use fastrand::Rng;
use serde_json::json;

use super::Bug;
use super::disk::{Commit, Disk};
use super::oracle::Oracle;
use super::planted::bury_in_two_steps;
use super::target::{Call, answer};
use crate::clock;
use crate::configuration::Snapshot;
use crate::decide::catalog::{Catalog, Change, Resource};
use crate::decide::delivery::{Failure, Next, after_attempt};
use crate::decide::event::Event;
use crate::decide::intake::{Fate, intake};
use crate::decide::place::Place;
use crate::decide::policy;
use crate::decide::retry::RetryPolicy;
use crate::decide::router::{DEFAULT_SPACE, Router};
use crate::store::deliveries::{claim_lane, finish_attempt, lanes};
use crate::store::events::{Accepted, insert};
use crate::store::upkeep::expire_batch;
use crate::store::{Claimed, Finish, Gatekeeper, Lane, NewEvent, Origin, config};
use crate::upkeep::gatekeeper;

/// For how long an event is a duplicate.
pub(super) const WINDOW: i64 = 60_000;

const STEPS: u32 = 150;

/// An attempt that a function works on.
struct InFlight {
    lane: Lane,
    claimed: Claimed,
    outcome: Result<(), Failure>,
    call: usize,
}

pub(super) struct World {
    bug: Bug,
    rng: Rng,
    now: i64,
    disk: Disk,
    snapshot: Arc<Snapshot>,
    in_flight: Vec<InFlight>,
    /// Only the bug needs it.
    seen: BTreeSet<String>,
    healthy: bool,
    oracle: Oracle,
    trace: Vec<String>,
}

/// A finding.
type Step = Result<(), String>;

pub(super) fn default_policy() -> RetryPolicy {
    RetryPolicy {
        attempts: 4,
        min_backoff: Duration::from_millis(200),
        max_backoff: Duration::from_secs(5),
        max_age: Duration::from_secs(90),
    }
}

pub(super) fn subscriptions() -> Vec<Subscription> {
    let of = |id: &str, function: &str| Subscription {
        space: DEFAULT_SPACE.to_owned(),
        subscription_id: id.to_owned(),
        ..Subscription::asynchronous("e", function)
    };
    let hasty = RetryLimits { attempts: Some(50), max_age_ms: Some(3_000), ..RetryLimits::default() };
    vec![
        of("plain", "f"),
        Subscription { filter: Some(json!({ "data": [{ "numeric": ["<", 5] }] })), ..of("picky", "f") },
        Subscription { ordered: true, ..of("ordered", "g") },
        Subscription { retry: Some(Retry::Limits(hasty)), ..of("hasty", "h") },
    ]
}

fn snapshot(catalog: Catalog) -> Arc<Snapshot> {
    let router = Router::new(&catalog).unwrap();
    Arc::new(Snapshot { catalog, router })
}

fn put(subscription: Subscription) -> Change {
    Change::Put(Resource::Subscription(Arc::new(subscription)))
}

impl World {
    pub(super) fn new(seed: u64, bug: Bug) -> Self {
        let mut disk = Disk::new();
        let mut rng = Rng::with_seed(seed);
        disk.faulty = false;
        for subscription in subscriptions() {
            let change = put(subscription);
            assert_eq!(
                disk.commit(&mut rng, |connection| config::apply(connection, &change, 0)),
                Commit::Done(())
            );
        }
        disk.faulty = true;
        let snapshot = snapshot(config::load(disk.connection()).unwrap());
        Self {
            bug,
            rng,
            now: 1_000_000,
            disk,
            snapshot,
            in_flight: Vec::new(),
            seen: BTreeSet::new(),
            healthy: false,
            oracle: Oracle::default(),
            trace: Vec::new(),
        }
    }

    pub(super) fn into_trace(self) -> Vec<String> {
        self.trace
    }

    /// Runs the history to its end, where everything has come to rest.
    pub(super) fn run(&mut self) -> Result<(), String> {
        for _ in 0..STEPS {
            match self.rng.u32(..100) {
                0..35 => self.emit()?,
                35..55 => self.claim()?,
                55..78 => self.finish()?,
                78..90 => self.wait(),
                90..92 => self.jump(),
                92..95 => self.expire()?,
                95..97 => {
                    self.note("power fails");
                    self.disk.crash();
                    self.restart()?;
                }
                _ => self.disk.checkpoint(),
            }
        }
        self.note("the end begins");
        self.healthy = true;
        self.disk.faulty = false;
        for _ in 0..10_000 {
            self.claim()?;
            while !self.in_flight.is_empty() {
                self.finish()?;
            }
            let Some(due) = lanes(self.disk.connection()).unwrap().into_iter().map(|(_, due)| due).min()
            else {
                return self.oracle.judge(self.disk.connection());
            };
            self.now = self.now.max(due);
        }
        Err("deliveries never come to an end".to_owned())
    }

    fn note(&mut self, what: impl std::fmt::Display) {
        self.trace.push(format!("{} {what}", self.now));
    }

    fn wait(&mut self) {
        self.now += self.rng.i64(1..3_000);
    }

    /// Somebody sets the clock.
    fn jump(&mut self) {
        let by = self.rng.i64(-120_000..120_000);
        self.now += by;
        self.note(format_args!("the clock jumps by {by}"));
    }

    fn emit(&mut self) -> Step {
        let (id, number) = (self.rng.u32(..40).to_string(), self.rng.u32(..10));
        let key = format!("k{}", self.rng.u32(..2));
        let event = json!({ "specversion": "1.0", "id": id, "source": "/sim", "type": "e", "partitionkey": key, "offer": self.oracle.next_offer(), "data": number });
        let event = Event::read(event.to_string().into()).expect("an event of CloudEvents 1.0");
        let place = Place { space: DEFAULT_SPACE.to_owned(), path: "/".to_owned(), by_host: false };
        let matched = self.snapshot.router.route_to(&place, "e", "POST");
        let mut intakes = intake(&matched.asynchronous, &event, 16);
        if self.bug == Bug::OrderIgnored {
            for intake in &mut intakes {
                if let Fate::Deliver { order } = &mut intake.fate {
                    *order = None;
                }
            }
        }
        let mut unique_since = Some(self.now - WINDOW);
        if self.bug == Bug::DedupeInMemory {
            unique_since = None;
            if !self.seen.insert(id.clone()) {
                return Ok(());
            }
        }
        let fates =
            intakes.iter().map(|one| (one.subscription.subscription_id.clone(), one.fate.clone())).collect();
        let offered = self.oracle.offered(id.clone(), self.now, key, fates);
        let Place { space, path, .. } = place;
        let origin = Origin { space, method: "POST".to_owned(), path, accepted_at: self.now };
        let event = NewEvent { event, origin, intakes, unique_since, notices: Vec::new() };
        if self.bug == Bug::AckBeforeFsync {
            self.oracle.acknowledged(offered);
        }
        let commit = self.disk.commit(&mut self.rng, |connection| insert(connection, &event));
        self.note(format_args!("emit {id}: {commit:?}"));
        match commit {
            Commit::Done(Accepted::New) => self.oracle.acknowledged(offered),
            // The first one answers for it.
            Commit::Done(Accepted::Duplicate) | Commit::Failed => {}
            Commit::Crashed => self.restart()?,
        }
        Ok(())
    }

    fn gate(&self) -> Gatekeeper {
        let mut default = default_policy();
        let mut snapshot = Arc::clone(&self.snapshot);
        if self.bug == Bug::AgeIgnored {
            default.max_age = Duration::from_secs(1_000_000);
            let mut catalog = snapshot.catalog.clone();
            for subscription in snapshot.catalog.table::<Subscription>().all() {
                catalog.apply(&put(Subscription { retry: None, ..(**subscription).clone() }));
            }
            snapshot = self::snapshot(catalog);
        }
        gatekeeper(&snapshot, &default)
    }

    /// Begins attempts of one lane, and calls the functions.
    fn claim(&mut self) -> Step {
        let lanes = lanes(self.disk.connection()).unwrap();
        let due: Vec<Lane> =
            lanes.into_iter().filter(|(_, due)| *due <= self.now).map(|(lane, _)| lane).collect();
        let Some(lane) = self.rng.choice(due) else { return Ok(()) };
        let (gate, now, limit) = (self.gate(), self.now, self.rng.usize(1..4));
        let work = |connection: &rusqlite::Connection| {
            let mut bytes = usize::MAX;
            claim_lane(connection, lane.clone(), limit, now, &mut bytes, &gate)
        };
        if self.bug == Bug::AttemptNotPersisted {
            // Looks, calls, and only then writes.
            let transaction = self.disk.connection().unchecked_transaction().unwrap();
            let claim = work(&transaction).unwrap();
            transaction.rollback().unwrap();
            for claimed in claim.claimed {
                let outcome = answer(&mut self.rng, self.healthy);
                self.call(&lane, &claimed, &outcome);
            }
        }
        match self.disk.commit(&mut self.rng, work) {
            Commit::Done(claim) => {
                for claimed in claim.claimed {
                    let outcome = answer(&mut self.rng, self.healthy);
                    let call = self.call(&lane, &claimed, &outcome);
                    self.in_flight.push(InFlight { lane: lane.clone(), claimed, outcome, call });
                }
                for ended in claim.ended {
                    self.note(format_args!("{} ended: {}", ended.event_id, ended.reason));
                }
                Ok(())
            }
            Commit::Failed => Ok(()),
            Commit::Crashed => self.restart(),
        }
    }

    fn call(&mut self, lane: &Lane, claimed: &Claimed, outcome: &Result<(), Failure>) -> usize {
        let Claimed { delivery, attempt, subscription_id, event_id, .. } = claimed;
        self.note(format_args!(
            "{} gets {event_id} (delivery {delivery}, attempt {attempt}): {outcome:?}",
            lane.function
        ));
        self.oracle.called(Call {
            subscription: subscription_id.clone(),
            delivery: *delivery,
            attempt: *attempt,
            event: event_id.clone(),
            at: self.now,
            asked: None,
            accepted: outcome.is_ok(),
        })
    }

    /// A function answers.
    fn finish(&mut self) -> Step {
        if self.in_flight.is_empty() {
            return Ok(());
        }
        let InFlight { lane, claimed, outcome, call } =
            self.in_flight.remove(self.rng.usize(..self.in_flight.len()));
        self.now += self.rng.i64(0..500);
        let retry =
            subscriptions().into_iter().find(|s| s.subscription_id == claimed.subscription_id).unwrap().retry;
        let policy = policy::effective(retry.as_ref(), &default_policy());
        let age = clock::duration(self.now - claimed.since);
        let asked = match &outcome {
            Err(Failure::Later(_, pause)) => Some((self.now, *pause)),
            _ => None,
        };
        let outcome = match outcome {
            Err(Failure::Later(text, _)) if self.bug == Bug::RetryAfterIgnored => Err(Failure::Retry(text)),
            outcome => outcome,
        };
        let next = after_attempt(&policy, claimed.failures, age, outcome, self.rng.f64());
        if let Next::Disable { reason, .. } = &next
            && self.disable(&claimed.subscription_id, reason) != Commit::Done(())
        {
            return self.restart();
        }
        let (delivery, attempt, ordered, now) =
            (claimed.delivery, claimed.attempt, claimed.ordered, self.now);
        let finish = Finish { delivery, attempt, duration: Duration::from_millis(5), next, ordered, now };
        self.note(format_args!("{} answered {}: {:?}", lane.function, claimed.event_id, finish.next));
        let halves = self.bug == Bug::DeadLetterNotAtomic && matches!(finish.next, Next::Dead { .. });
        loop {
            let commit = if halves {
                bury_in_two_steps(&mut self.disk, &mut self.rng, &finish)
            } else {
                self.disk.commit(&mut self.rng, |connection| finish_attempt(connection, &finish))
            };
            match commit {
                Commit::Done(()) => {
                    self.oracle.recorded(call, asked, &finish.next);
                    return Ok(());
                }
                // As the engine does: without the record, the delivery would be made again.
                Commit::Failed => {}
                Commit::Crashed => return self.restart(),
            }
        }
    }

    fn disable(&mut self, id: &str, reason: &str) -> Commit<()> {
        let catalog = &self.snapshot.catalog;
        let mut subscription = (**catalog.table::<Subscription>().get(DEFAULT_SPACE, id).unwrap()).clone();
        subscription.disabled = Some(reason.to_owned());
        let (change, now) = (put(subscription), self.now);
        loop {
            match self.disk.commit(&mut self.rng, |connection| config::apply(connection, &change, now)) {
                Commit::Failed => {}
                commit => {
                    self.note(format_args!("{id} is disabled: {commit:?}"));
                    if commit == Commit::Done(()) {
                        self.snapshot = snapshot(config::load(self.disk.connection()).unwrap());
                    }
                    return commit;
                }
            }
        }
    }

    fn expire(&mut self) -> Step {
        let (gate, now) = (self.gate(), self.now);
        let commit = self.disk.commit(&mut self.rng, |connection| {
            expire_batch(connection, DEFAULT_SPACE, "hasty", now - 3_000, now, &gate)
        });
        match commit {
            Commit::Done(ended) => {
                for ended in ended {
                    self.note(format_args!("{} expired", ended.event_id));
                }
                Ok(())
            }
            Commit::Failed => Ok(()),
            Commit::Crashed => self.restart(),
        }
    }

    /// The next process starts.
    fn restart(&mut self) -> Step {
        self.note("restart");
        self.in_flight.clear();
        self.seen.clear();
        self.disk.recover(self.now, self.bug != Bug::NoRecovery).map_err(|e| format!("no start: {e}"))?;
        self.snapshot = snapshot(config::load(self.disk.connection()).unwrap());
        self.oracle.started(self.disk.connection())
    }
}
