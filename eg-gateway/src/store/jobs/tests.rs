//! Jobs on a real store: they continue after a crash, exclude each other, and keep the books balanced.

use std::sync::Arc;

use eg_sdk::config::Subscription;
use eg_sdk::history::{DeliveryState, JobState, Loss, Tally};
use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::super::events::insert_example;
use super::super::{Claimed, Losses, Redrive, Store};
use super::{RunningJob, Work};
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
use crate::decide::retry::DeliveryPolicy;
use crate::decide::routes::Routing;
use crate::store::Notices;
use crate::timestamp::Timestamp;

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

fn open(dir: &TempDir) -> Store {
    Store::open(dir.path(), NOW).unwrap()
}

/// Adds events with one delivery each, in this state.
async fn add(store: &Store, deliveries: i64, state: DeliveryState) {
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
async fn books(store: &Store) -> Tally {
    let books = store.tallies().await.unwrap().remove("default").unwrap_or_default();
    assert!(books.is_balanced(), "{books:?}");
    books
}

async fn begin(store: &Store, work: Work) -> i64 {
    store.begin_job("default".to_owned(), work, NOW).await.unwrap()
}

async fn running(store: &Store) -> Option<RunningJob> {
    store.running_jobs().await.unwrap().pop()
}

async fn state_of(store: &Store, job: i64) -> (JobState, usize, u8) {
    let job = store.job("default".to_owned(), job).await.unwrap().unwrap();
    (job.state, job.deliveries, job.percent)
}

/// Runs slices of the only job until it is done. Returns how many, and the deliveries that they changed.
async fn finish(store: &Store) -> (usize, usize) {
    let (mut slices, mut deliveries) = (0, 0);
    while let Some(job) = running(store).await {
        deliveries += slice(store, &job).await.unwrap();
        slices += 1;
        books(store).await;
    }
    (slices, deliveries)
}

/// Runs one slice. Returns the number of deliveries that it changed, or `None` if the job does not run any more.
async fn slice(store: &Store, job: &RunningJob) -> Option<usize> {
    match job.work.clone() {
        Work::Redrive { loss } => store.redrive_slice(job, loss, NOW).await.unwrap().map(|(count, _)| count),
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

async fn notices(store: &Store) -> Notices {
    let configuration =
        Configuration::load(store.clone(), Clock::system(), Routing::default()).await.unwrap();
    let terms = Terms { dedupe_window: std::time::Duration::ZERO, max_hops: 16 };
    Notices { snapshot: configuration.current(), terms, clock: Clock::system() }
}

/// Claims what is due.
async fn claim(store: &Store) -> (Vec<Claimed>, Losses) {
    let Notices { snapshot, .. } = notices(store).await;
    let gate = Gatekeeper::new(
        snapshot,
        DeliveryPolicy { max_age: std::time::Duration::MAX, ..DeliveryPolicy::default() },
    );
    let lane = Lane { space: "default".to_owned(), function: "f".to_owned() };
    let due = Due { first: Some(NOW), retry: None };
    let wanted = Wanted { lane, limit: 10_000, reserved: 0, retries: 0, side: Side::Oldest, due, stop: None };
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
        store.change(vec![put()], NOW).await.unwrap();
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
    store.change(vec![put()], NOW).await.unwrap();
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
async fn a_job_is_cancelled_and_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    add(&store, MANY, DeliveryState::Dead).await;
    let id = begin(&store, Work::Discard { loss: Loss::Dead }).await;
    let set_running = |running| store.set_job_running("default".to_owned(), id, running, NOW);
    let job = running(&store).await.unwrap();
    let first = slice(&store, &job).await.unwrap();
    set_running(false).await.unwrap();
    let job = RunningJob { cursor: job.cursor + i64::try_from(first).unwrap(), ..job };
    assert_eq!(slice(&store, &job).await, None, "a cancelled job goes on");
    assert!(running(&store).await.is_none());
    let (state, deliveries, _) = state_of(&store, id).await;
    assert_eq!((state, deliveries), (JobState::Cancelled, first));
    set_running(true).await.unwrap();
    assert_eq!(first + finish(&store).await.1, 1_200);
    // A job that is done stays done.
    set_running(false).await.unwrap();
    assert_eq!(state_of(&store, id).await, (JobState::Done, 1_200, 100));
    assert_eq!(store.job("other".to_owned(), id).await.unwrap(), None);
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

/// What waited when a subscription was deleted was attempted after all if the subscription came back before the
/// deliveries were given up.
#[tokio::test]
async fn deliveries_of_a_deleted_subscription_are_given_up_even_if_it_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.change(vec![put()], NOW).await.unwrap();
    add(&store, MANY, DeliveryState::Pending).await;
    store.change(vec![delete()], NOW).await.unwrap();
    store.change(vec![put()], NOW).await.unwrap();
    add(&store, 1, DeliveryState::Pending).await;

    let job = running(&store).await.unwrap();
    let given_up = slice(&store, &job).await.unwrap();
    assert!(0 < given_up && given_up < 1_200, "{given_up}");
    // The engine meets the rest before the job does.
    let (claimed, Losses { lost, .. }) = claim(&store).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.delivery).collect::<Vec<_>>(), [MANY + 1]);
    assert_eq!(given_up + lost.len(), 1_200);
    assert!(lost.iter().all(|lost| lost.reason == SUBSCRIPTION_DELETED));
    finish(&store).await;
    assert_eq!(books(&store).await.dead, 1_200);
    store.change(vec![delete()], NOW).await.unwrap();
    assert!(running(&store).await.is_none(), "a job without work");
}

/// Deleted again while the job of the first deletion runs: one job does both.
#[tokio::test]
async fn one_job_gives_up_the_deliveries_of_several_deletions() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for _ in 0..2 {
        store.change(vec![put()], NOW).await.unwrap();
        add(&store, 700, DeliveryState::Pending).await;
        store.change(vec![delete()], NOW).await.unwrap();
    }
    assert_eq!(store.running_jobs().await.unwrap().len(), 1);
    assert_eq!(finish(&store).await.1, 1_400);
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
