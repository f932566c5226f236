//! Jobs on a real store: they continue after a crash, exclude each other, and keep the books balanced. `giving_up` tests
//! those that give up the deliveries of a subscription.

mod giving_up;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eg_sdk::config::Subscription;
use eg_sdk::history::{DeliveryState, JobState, Loss, ReplayRequest, Tally};
use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::super::events::insert_example;
use super::super::{SqliteStore, StoreError};
use crate::clock::Clock;
use crate::configuration::Configuration;
use crate::decide::arrival::Terms;
use crate::decide::breaker::Side;
use crate::decide::catalog::{Change, Resource};
use crate::decide::delivery::SUBSCRIPTION_DELETED;
use crate::decide::gate::Gatekeeper;
use crate::decide::intake::{Fate, Intake};
use crate::decide::lanes::{Due, Lane, Wanted};
use crate::decide::refusal::Kind;
use crate::decide::routes::Routing;
use crate::store::Store;
use crate::store::claims::Claimed;
use crate::store::dead_letters::{DeadLetterQuery, Redrive};
use crate::store::jobs::{RunningJob, Work};
use crate::store::notices::{Losses, Notices};
use crate::store::ration::ROWS;
use crate::timestamp::Timestamp;
use eg_grammar::DeliveryPolicy;

const NOW: Timestamp = Timestamp::from_millis(5_000);

/// More than one slice.
const MANY: i64 = 1_200;

fn subscription() -> Arc<Subscription> {
    let mut subscription = Subscription::asynchronous("e", "f");
    "default".clone_into(&mut subscription.space);
    "s".clone_into(&mut subscription.subscription_id);
    Arc::new(subscription)
}

fn put() -> Change {
    Change::Put(Resource::Subscription(subscription()))
}

fn delete() -> Change {
    Change::Delete { kind: Kind::Subscription, space: "default".to_owned(), id: "s".to_owned() }
}

fn open(dir: &TempDir) -> SqliteStore {
    SqliteStore::open(dir.path(), NOW).unwrap()
}

async fn apply(store: &SqliteStore, change: Change) {
    let from = store.load_catalog().await.unwrap().version;
    store.change(from, vec![change], NOW).await.unwrap();
}

/// Adds events with one delivery each, in this state.
async fn add(store: &SqliteStore, deliveries: i64, state: DeliveryState) {
    let fill = move |c: &Connection| {
        for _ in 0..deliveries {
            let event = insert_example(c, "default", "a", Timestamp::from_millis(1000))?;
            let ended = state.loss().map(|loss| (NOW, loss.as_str()));
            c.execute(
                "INSERT INTO deliveries (event, space, subscription_id, function_id, state, since, due_at, ended_at, reason)
                 VALUES (?1, 'default', 's', 'f', ?2, 1000, 1000, ?3, ?4)",
                params![event, state.as_str(), ended.map(|(at, _)| at), ended.map(|(_, why)| why)],
            )?;
        }
        c.execute(
            "INSERT INTO counters VALUES ('default', 'accepted', ?1) ON CONFLICT DO UPDATE SET value = value + ?1",
            [deliveries],
        )
    };
    store.write(fill).await.unwrap();
}

/// The books, which balance at every moment.
async fn books(store: &SqliteStore) -> Tally {
    let books = store.tallies().await.unwrap().remove("default").unwrap_or_default();
    assert!(books.is_balanced(), "{books:?}");
    books
}

async fn begin(store: &SqliteStore, work: Work) -> i64 {
    store.begin_job("default".to_owned(), work, NOW).await.unwrap()
}

async fn running(store: &SqliteStore) -> Option<RunningJob> {
    store.running_jobs().await.unwrap().pop()
}

async fn state_of(store: &SqliteStore, job: i64) -> (JobState, usize, u8) {
    let job = store.job("default".to_owned(), job).await.unwrap().unwrap();
    (job.state, job.deliveries, job.percent)
}

/// Runs slices of the only job until it is done. Returns how many, and the deliveries that they changed.
async fn finish(store: &SqliteStore) -> (usize, usize) {
    let (mut slices, mut deliveries) = (0, 0);
    while let Some(job) = running(store).await {
        deliveries += slice(store, &job).await.unwrap();
        slices += 1;
        books(store).await;
    }
    (slices, deliveries)
}

/// Runs one slice. Returns the number of deliveries that it changed, or `None` if the job does not run any more.
async fn slice(store: &SqliteStore, job: &RunningJob) -> Option<usize> {
    match job.work.clone() {
        Work::Redrive { loss } => {
            let redriven = store.redrive_slice(job, loss, NOW).await.unwrap();
            redriven.map(|redriven| redriven.deliveries)
        }
        Work::Discard { loss } => store.discard_slice(job, loss, NOW).await.unwrap(),
        Work::Replay { name, request } => {
            let intakes =
                |_| vec![Intake { subscription: subscription(), fate: Fate::Deliver { order: None } }];
            let notices = notices(store).await;
            let replayed = store.replay_slice(job, name, request, NOW, notices, intakes).await.unwrap();
            replayed.map(|replayed| replayed.deliveries)
        }
        Work::GiveUp { subscription_id, reason } => {
            let notices = notices(store).await;
            let ended = store.give_up_slice(job, subscription_id, reason, NOW, notices).await.unwrap();
            ended.map(|losses| losses.lost.len())
        }
    }
}

async fn notices(store: &SqliteStore) -> Notices {
    let configuration =
        Configuration::load(store.clone().into(), Clock::system(), Routing::default()).await.unwrap();
    let terms = Terms { dedupe_window: std::time::Duration::ZERO, max_hops: 16 };
    Notices { snapshot: configuration.current(), terms, clock: Clock::system() }
}

/// Claims what is due.
async fn claim(store: &SqliteStore) -> (Vec<Claimed>, Losses) {
    let Notices { snapshot, .. } = notices(store).await;
    let gate = Gatekeeper::new(
        snapshot,
        DeliveryPolicy { max_age: std::time::Duration::MAX, ..DeliveryPolicy::default() },
    );
    let lane = Lane { space: "default".to_owned(), function: "f".to_owned() };
    let due = Due { first: Some(NOW), retry: None };
    let wanted = Wanted {
        lane,
        limit: 10_000,
        room: 10_000,
        reserved: 0,
        retries: 0,
        side: Side::Oldest,
        due,
        stop: None,
    };
    let claimed = store.claim(vec![wanted], NOW, usize::MAX, gate, notices(store).await).await;
    let (mut claims, losses) = claimed.unwrap();
    (claims.remove(0).claimed, losses)
}

#[tokio::test]
async fn an_interrupted_job_continues_where_it_was() {
    for (work, from, to) in [
        (Work::Redrive { loss: Loss::Dead }, DeliveryState::Dead, DeliveryState::Pending),
        (Work::Redrive { loss: Loss::Expired }, DeliveryState::Expired, DeliveryState::Pending),
        (Work::Discard { loss: Loss::Dead }, DeliveryState::Dead, DeliveryState::Dead),
        (
            Work::Replay { name: "r".to_owned(), request: Default::default() },
            DeliveryState::Delivered,
            DeliveryState::Pending,
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir);
        apply(&store, put()).await;
        add(&store, MANY, from).await;
        let id = begin(&store, work.clone()).await;
        // What comes later is not part of the job.
        add(&store, 1, from).await;
        let job = running(&store).await.unwrap();
        let first = slice(&store, &job).await.unwrap();
        assert!(0 < first && first < 1_200, "{work:?}: {first}");
        assert_eq!(slice(&store, &job).await, None, "{work:?}: the same slice again");
        let (state, deliveries, percent) = state_of(&store, id).await;
        assert_eq!((state, deliveries), (JobState::Running, first), "{work:?}");
        assert!(percent < 100, "{work:?}: {percent}");
        // The process ends without finishing anything.
        store.close().await;
        let store = open(&dir);
        let (slices, rest) = finish(&store).await;
        assert!(slices > 1, "{work:?}");
        assert_eq!(first + rest, 1_200, "{work:?}");
        assert_eq!(state_of(&store, id).await, (JobState::Done, 1_200, 100), "{work:?}");
        let books = books(&store).await;
        let found = match (&work, to) {
            (Work::Discard { .. }, _) => books.discarded,
            (_, DeliveryState::Pending) => books.pending,
            _ => books.dead,
        };
        assert_eq!(found, 1_200, "{work:?}");
    }
}

#[tokio::test]
async fn a_delivery_is_either_discarded_or_redriven() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    apply(&store, put()).await;
    add(&store, MANY, DeliveryState::Dead).await;
    let jobs = [
        begin(&store, Work::Redrive { loss: Loss::Dead }).await,
        begin(&store, Work::Discard { loss: Loss::Dead }).await,
    ];
    // The jobs take turns.
    let (mut turn, mut counts) = (0, [0; 2]);
    loop {
        let running = store.running_jobs().await.unwrap();
        if running.is_empty() {
            break;
        }
        let job = &running[turn % running.len()];
        let at = usize::from(job.id == jobs[1]);
        counts[at] += slice(&store, job).await.unwrap();
        turn += 1;
    }
    let books = books(&store).await;
    assert_eq!([books.pending, books.discarded], counts.map(|count| count as u64));
    assert_eq!(counts[0] + counts[1], 1_200);
    assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
}

#[tokio::test]
async fn redriven_deliveries_of_deleted_subscriptions_stay_dead() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    add(&store, 3, DeliveryState::Dead).await;
    begin(&store, Work::Redrive { loss: Loss::Dead }).await;
    assert_eq!(finish(&store).await.1, 0);
    let page = store.jobs("default".to_owned(), None, 10).await.unwrap();
    assert_eq!((page.jobs[0].deliveries, page.jobs[0].skipped, page.jobs[0].state), (0, 3, JobState::Done));
    assert!(matches!(store.redrive("default".to_owned(), 1, None, NOW).await.unwrap(), Redrive::Inactive));
    assert!(matches!(store.redrive("default".to_owned(), 9, None, NOW).await.unwrap(), Redrive::Missing));
}

/// Its last problem was shown again when it was resumed.
#[tokio::test]
async fn a_cancelled_job_waits_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    add(&store, MANY, DeliveryState::Dead).await;
    let id = begin(&store, Work::Discard { loss: Loss::Dead }).await;
    let store = Store::from(store);
    let waits_for = || async { store.job("default".to_owned(), id).await.unwrap().unwrap().waits_for };
    store.job_signals().set_problem(id, Some("the disk is full".to_owned()));
    assert!(waits_for().await.is_some());
    store.job_signals().keep_problems_of(|running| running == id);
    assert!(waits_for().await.is_some());
    for running in [false, true] {
        store.set_job_running("default".to_owned(), id, running, NOW).await.unwrap();
    }
    assert_eq!(waits_for().await, None);
}

/// What a cancelled job had discarded stayed in a full store for a minute, and a request for a dead letter that does not
/// exist made retention begin anew.
#[tokio::test]
async fn what_was_discarded_makes_room_and_nothing_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    add(&store, MANY, DeliveryState::Dead).await;
    let cancel = |job| store.set_job_running("default".to_owned(), job, false, NOW);
    cancel(begin(&store, Work::Redrive { loss: Loss::Dead }).await).await.unwrap();
    assert!(!store.discard("default".to_owned(), 9_999, NOW).await.unwrap());
    assert!(!store.room.take_discarded());
    assert!(store.discard("default".to_owned(), 1, NOW).await.unwrap());
    assert!(store.room.take_discarded());
    let discarding = begin(&store, Work::Discard { loss: Loss::Dead }).await;
    slice(&store, &running(&store).await.unwrap()).await.unwrap();
    assert!(!store.room.take_discarded());
    cancel(discarding).await.unwrap();
    assert!(store.room.take_discarded());
}

/// Two hundred events were decided for each slice, however few of them it could replay.
#[tokio::test]
async fn a_replay_decides_about_as_many_events_as_it_replays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    add(&store, MANY, DeliveryState::Delivered).await;
    let (name, request) = ("r".to_owned(), ReplayRequest::default());
    begin(&store, Work::Replay { name: name.clone(), request: request.clone() }).await;
    let decided = Arc::new(AtomicUsize::new(0));
    let intakes = {
        let decided = Arc::clone(&decided);
        move |_| {
            decided.fetch_add(1, Ordering::Relaxed);
            vec![Intake { subscription: subscription(), fate: Fate::Deliver { order: None } }; 99]
        }
    };
    let job = running(&store).await.unwrap();
    let replayed = store.replay_slice(&job, name, request, NOW, notices(&store).await, intakes).await;
    assert!(replayed.unwrap().is_some());
    assert_eq!(decided.load(Ordering::Relaxed), ROWS / 100);
}

/// Only a full store refused replays, so a space could take more than its share with them.
#[tokio::test]
async fn a_replay_needs_room_in_its_space() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    add(&store, MANY, DeliveryState::Delivered).await;
    store.set_limit(10_000_000);
    let fill = || {
        store.room.measured(9_500_000);
        store.room.set_spaces(HashMap::from([("default".to_owned(), 9), ("other".to_owned(), 1)]));
    };
    let work = || Work::Replay { name: "r".to_owned(), request: ReplayRequest::default() };
    begin(&store, work()).await;
    fill();
    let refused = |result| matches!(result, Err(StoreError::ShareUsed(space)) if space == "default");
    assert!(refused(store.begin_job("default".to_owned(), work(), NOW).await));
    store.begin_job("other".to_owned(), work(), NOW).await.unwrap();
    fill();
    let job = store.running_jobs().await.unwrap().remove(0);
    let intakes = |_| vec![Intake { subscription: subscription(), fate: Fate::Deliver { order: None } }];
    let (name, notices) = ("r".to_owned(), notices(&store).await);
    let slice = store.replay_slice(&job, name, ReplayRequest::default(), NOW, notices, intakes).await;
    assert!(refused(slice.map(|_| 0)));
}

#[tokio::test]
async fn jobs_are_listed_and_the_oldest_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let many = |c: &Connection| {
        let work = Work::Discard { loss: Loss::Dead };
        (0..super::KEPT + 2).try_for_each(|_| super::begin(c, "default", &work, NOW).map(drop))
    };
    store.write(many).await.unwrap();
    let page = store.jobs("default".to_owned(), None, 2).await.unwrap();
    let ids: Vec<i64> = page.jobs.iter().map(|job| job.job_id).collect();
    assert_eq!((ids, page.next), (vec![super::KEPT + 2, super::KEPT + 1], Some(super::KEPT + 1)));
    assert_eq!(page.jobs[0].state, JobState::Done, "there was nothing to do");
    let oldest = store.jobs("default".to_owned(), Some(4), 10).await.unwrap();
    assert_eq!(oldest.jobs.iter().map(|job| job.job_id).collect::<Vec<_>>(), [3]);
    assert_eq!(store.jobs("other".to_owned(), None, 10).await.unwrap().jobs, []);
}
