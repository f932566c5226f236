//! Random histories: after each step of one, every delivery is compared with what it was before. A step may change only
//! what it is about, and the invariants hold after each. Where several gateways may use a store, the steps are those of three.
//!
//! The usual test takes a few seconds. Many more histories:
//! `EG_CONFORMANCE_HISTORIES=1000 cargo test -p eg-gateway --lib conformance`.

mod steps;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use eg_sdk::config::Subscription;
use eg_sdk::history::{AttemptOutcome, Delivery, DeliveryState};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Builder;

use super::Site;
use super::bench::{Bench, ordered, picky, space, subscription};
use crate::store::{Claimed, Store};
use crate::timestamp::Timestamp;

/// The subscriptions. Each has its own function, of the same name.
const NAMES: [&str; 3] = ["plain", "ordered", "picky"];

/// The number of gateways, where the backend allows several.
const GATEWAYS: usize = 3;

/// The number of histories in the usual test.
const HISTORIES: u32 = 6;

#[derive(Debug, Clone)]
enum Step {
    Emit {
        id: u8,
        key: u8,
        data: u8,
    },
    Wait(u8),
    Claim {
        subscription: usize,
        limit: usize,
    },
    ClaimSuspects,
    Finish {
        which: usize,
        how: u8,
    },
    Stop,
    Crash,
    /// The next steps are those of another gateway.
    Elsewhere,
    Redrive(usize),
    Discard(usize),
    /// Deletes a subscription, or creates it again.
    Toggle(usize),
    Expire(usize),
    Begin(u8),
    RunJobs,
}

fn step() -> impl Strategy<Value = Step> {
    let subscription = || 0..NAMES.len();
    prop_oneof![
        8 => (0..6u8, 0..2u8, 0..2u8).prop_map(|(id, key, data)| Step::Emit { id, key, data }),
        3 => (0..40u8).prop_map(Step::Wait),
        8 => (subscription(), 1..4usize).prop_map(|(subscription, limit)| Step::Claim { subscription, limit }),
        1 => Just(Step::ClaimSuspects),
        8 => (any::<usize>(), 0..5u8).prop_map(|(which, how)| Step::Finish { which, how }),
        1 => Just(Step::Stop),
        1 => Just(Step::Crash),
        4 => Just(Step::Elsewhere),
        2 => any::<usize>().prop_map(Step::Redrive),
        1 => any::<usize>().prop_map(Step::Discard),
        1 => subscription().prop_map(Step::Toggle),
        1 => subscription().prop_map(Step::Expire),
        2 => (0..4u8).prop_map(Step::Begin),
        2 => Just(Step::RunJobs),
    ]
}

fn define(name: &str) -> Subscription {
    match name {
        "ordered" => ordered(name),
        "picky" => picky(name, 1),
        _ => subscription(name),
    }
}

pub(super) fn every_history_keeps_the_invariants<S: Site>() {
    let given = std::env::var("EG_CONFORMANCE_HISTORIES").ok();
    let cases = given.map_or(HISTORIES, |count| count.parse().expect("a number"));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let histories = proptest::collection::vec(step(), 20..50);
    let run = |steps: Vec<Step>| {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(History::<S>::run(steps));
        Ok(())
    };
    runner.run(&histories, run).unwrap();
}

/// A history, and what is known of its deliveries.
struct History<S> {
    bench: Bench<S>,
    /// The accepted events, by id and source, with their keys.
    events: BTreeMap<(String, String), String>,
    /// All deliveries as they were after the last step.
    deliveries: BTreeMap<i64, Delivery>,
    /// When the age of each began.
    since: BTreeMap<i64, Timestamp>,
    /// The attempts that this gateway has under way.
    claimed: Vec<Claimed>,
    /// The other gateways, and what they have under way.
    others: VecDeque<(Store, Vec<Claimed>)>,
    suspects: BTreeSet<i64>,
    /// The subscriptions that were ever deleted.
    deleted: BTreeSet<&'static str>,
    duplicates: u64,
}

impl<S: Site> History<S> {
    async fn run(steps: Vec<Step>) {
        let bench = Bench::<S>::with(NAMES.map(define)).await;
        let mut history = Self {
            bench,
            events: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            since: BTreeMap::new(),
            claimed: Vec::new(),
            others: VecDeque::new(),
            suspects: BTreeSet::new(),
            deleted: BTreeSet::new(),
            duplicates: 0,
        };
        while history.others.len() + 1 < GATEWAYS
            && let Some(other) = history.bench.site.open_beside(history.bench.now).await
        {
            history.others.push_back((other, Vec::new()));
        }
        for step in steps {
            history.step(&step).await;
        }
        // In the end everything can be delivered.
        for step in [Step::Wait(10), Step::RunJobs] {
            history.step(&step).await;
        }
        for _ in 0..=history.others.len() {
            history.step(&Step::Stop).await;
            history.step(&Step::Elsewhere).await;
        }
        for _ in 0..history.deliveries.len() {
            if !history.deliveries.values().any(is_unfinished) {
                break;
            }
            history.step(&Step::ClaimSuspects).await;
            for subscription in 0..NAMES.len() {
                history.step(&Step::Claim { subscription, limit: 1_000 }).await;
            }
            while !history.claimed.is_empty() {
                history.step(&Step::Finish { which: 0, how: 0 }).await;
            }
        }
        let unfinished: Vec<_> = history.deliveries.values().filter(|one| is_unfinished(one)).collect();
        assert!(unfinished.is_empty(), "{unfinished:#?}");
    }

    /// Takes a step, and checks what it has changed.
    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Emit { id, key, data } => self.emit(id, key, data).await,
            Step::Wait(seconds) => self.bench.later(seconds.into()),
            Step::Claim { subscription, limit } => self.claim(NAMES[subscription], limit).await,
            Step::ClaimSuspects => self.claim_suspects().await,
            Step::Finish { which, how } => self.finish(which, how).await,
            Step::Stop => {
                self.bench.store.release(self.bench.now).await.unwrap();
                self.ended(false).await;
            }
            Step::Crash => self.ended(true).await,
            Step::Elsewhere => self.elsewhere(),
            Step::Redrive(which) => self.redrive(which).await,
            Step::Discard(which) => self.discard(which).await,
            Step::Toggle(subscription) => self.toggle(NAMES[subscription]).await,
            Step::Expire(subscription) => self.expire(NAMES[subscription]).await,
            Step::Begin(work) => self.begin(work).await,
            Step::RunJobs => self.run_jobs().await,
        }
        // Whatever is left has not changed.
        let changed = self.look().await;
        assert!(changed.is_empty(), "{step:?} has changed {changed:#?}");
    }

    /// Reads all deliveries, checks the invariants, and returns those that have changed, as they were and as they are.
    async fn look(&mut self) -> BTreeMap<i64, (Option<Delivery>, Delivery)> {
        let mut now = BTreeMap::new();
        let mut turns = BTreeMap::<_, usize>::new();
        for ((id, source), key) in &self.events {
            let found = self.bench.store.event(space(), id.clone(), Some(source.clone()), None).await;
            for one in found.unwrap().expect("no event is lost").deliveries {
                check(&one);
                if one.subscription_id == "ordered" && is_unfinished(&one) {
                    *turns.entry(key.clone()).or_default() += usize::from(!one.waits_for_earlier);
                }
                assert!(now.insert(one.delivery_id, one).is_none(), "a number is used twice");
            }
        }
        assert!(
            turns.values().all(|turns| *turns == 1),
            "not exactly one of each key has its turn: {turns:?}"
        );
        assert!(self.deliveries.keys().all(|number| now.contains_key(number)), "a delivery is lost");
        let largest = self.deliveries.keys().next_back().copied().unwrap_or(0);
        let tally = self.bench.tally().await;
        let count = |state| now.values().filter(|one| one.state == state).count() as u64;
        assert_eq!(tally.accepted, now.len() as u64);
        assert_eq!(tally.pending, count(DeliveryState::Pending) + count(DeliveryState::InFlight));
        assert_eq!(
            [tally.delivered, tally.dead, tally.expired, tally.filtered],
            [DeliveryState::Delivered, DeliveryState::Dead, DeliveryState::Expired, DeliveryState::Filtered]
                .map(count)
        );
        assert_eq!(tally.duplicates, self.duplicates);
        let mut changed = BTreeMap::new();
        for (number, one) in &now {
            let before = self.deliveries.get(number);
            assert!(before.is_some() || *number > largest, "{number} is not the largest number");
            if before != Some(one) {
                changed.insert(*number, (before.cloned(), one.clone()));
            }
        }
        self.deliveries = now;
        changed
    }

    /// Looks at what an operation has changed. Ordered deliveries that got their turn are not among it.
    async fn changed(&mut self) -> BTreeMap<i64, (Option<Delivery>, Delivery)> {
        let mut changed = self.look().await;
        changed.retain(|_, (before, after)| {
            let turn = before.as_ref().is_some_and(|before| {
                let promoted = Delivery {
                    waits_for_earlier: false,
                    next_attempt_at: after.next_attempt_at,
                    ..before.clone()
                };
                before.waits_for_earlier && promoted == *after
            });
            assert!(!turn || after.next_attempt_at == Some(self.bench.now.date_time()));
            !turn
        });
        changed
    }
}

fn is_unfinished(one: &Delivery) -> bool {
    matches!(one.state, DeliveryState::Pending | DeliveryState::InFlight)
}

/// Checks that the parts of a delivery fit each other.
fn check(one: &Delivery) {
    assert_eq!(one.ended_at.is_none(), is_unfinished(one), "{one:?}");
    let pending = one.state == DeliveryState::Pending;
    assert_eq!(pending, one.next_attempt_at.is_some() || one.waits_for_earlier, "{one:?}");
    let numbers: Vec<u32> = one.attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, (1..).take(numbers.len()).collect::<Vec<u32>>(), "{one:?}");
    let under_way = one.attempts.iter().filter(|attempt| attempt.outcome == AttemptOutcome::InFlight).count();
    assert_eq!(under_way, usize::from(one.state == DeliveryState::InFlight), "{one:?}");
    let delivered = one.attempts.last().is_some_and(|last| last.outcome == AttemptOutcome::Delivered);
    assert_eq!(delivered, one.state == DeliveryState::Delivered, "{one:?}");
    assert_eq!(one.state.loss().is_some(), one.reason.is_some(), "{one:?}");
}
