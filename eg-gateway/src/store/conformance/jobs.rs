//! Jobs: long work that is done slice by slice.

use std::time::Duration;

use eg_sdk::history::{DeliveryState, JobKind, JobState, Loss, ReplayRequest};
use serde_json::json;

use super::Site;
use super::bench::{Bench, EVENT, dead, delete, ids, picky, put, space, subscription};
use crate::decide::delivery::{Next, SUBSCRIPTION_DELETED};
use crate::store::{Accepted, Redrive, RunningJob, StoreError, Work};

/// More deliveries than one slice of a job takes.
const MANY: usize = 600;

const REDRIVE: Work = Work::Redrive { loss: Loss::Dead };

const DISCARD: Work = Work::Discard { loss: Loss::Dead };

fn replay(request: ReplayRequest) -> Work {
    Work::Replay { name: "again".to_owned(), request }
}

/// Makes many dead letters.
async fn bury_many<S: Site>(bench: &Bench<S>) {
    let events = (0..MANY).map(|n| bench.arrival(&format!("many {n}"), json!({}))).collect();
    let _ = bench.accept(events).await.unwrap();
    let claimed = bench.claim("one").await;
    let ends = claimed.iter().map(|one| bench.ending(one, dead())).collect();
    assert_eq!(bench.store.finish(ends, bench.notices()).await.unwrap().lost.len(), MANY);
}

async fn running<S: Site>(bench: &Bench<S>) -> RunningJob {
    let [job] = bench.store.running_jobs().await.unwrap().try_into().expect("one job runs");
    job
}

async fn state_of<S: Site>(bench: &Bench<S>, job: i64) -> (JobState, usize, u8) {
    let job = bench.store.job(space(), job).await.unwrap().unwrap();
    (job.state, job.deliveries, job.percent)
}

pub(super) async fn a_job_covers_what_there_was_when_it_began<S: Site>() {
    for (work, left) in [(REDRIVE, (2, 1)), (DISCARD, (0, 3))] {
        let bench = Bench::<S>::with([subscription("one")]).await;
        bench.bury("one", &["a", "b"]).await;
        let job = bench.begin(work).await;
        bench.bury("one", &["c"]).await;
        assert_eq!(state_of(&bench, job).await, (JobState::Running, 0, 0));
        assert_eq!(bench.run_jobs().await, 2);
        assert_eq!(state_of(&bench, job).await, (JobState::Done, 2, 100));
        assert_eq!(bench.dead_letters(Loss::Dead).await, ["c"]);
        let tally = bench.tally().await;
        assert_eq!((tally.pending, tally.dead), left);
    }
    // A job with nothing to do is done.
    let bench = Bench::<S>::with([subscription("one")]).await;
    let job = bench.begin(DISCARD).await;
    assert_eq!(state_of(&bench, job).await, (JobState::Done, 0, 100));
}

pub(super) async fn a_slice_is_done_once<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    bury_many(&bench).await;
    let id = bench.begin(DISCARD).await;
    let job = running(&bench).await;
    let slices = futures_util::future::join_all((0..4).map(|_| bench.slice(&job))).await;
    let done: Vec<usize> = slices.into_iter().flatten().collect();
    let [first] = done.as_slice() else { panic!("{done:?}") };
    assert!(0 < *first && *first < MANY, "{first}");
    let (state, deliveries, percent) = state_of(&bench, id).await;
    assert_eq!((state, deliveries), (JobState::Running, *first));
    assert!(percent < 100, "{percent}");
    assert_eq!(bench.slice(&job).await, None);
    assert_eq!(first + bench.run_jobs().await, MANY);
}

pub(super) async fn a_job_continues_after_a_restart<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    bury_many(&bench).await;
    let id = bench.begin(REDRIVE).await;
    let first = bench.slice(&running(&bench).await).await.unwrap();
    bench.restart().await;
    assert_eq!(first + bench.run_jobs().await, MANY);
    assert_eq!(state_of(&bench, id).await, (JobState::Done, MANY, 100));
    assert_eq!(bench.tally().await.pending, u64::try_from(MANY).unwrap());
}

pub(super) async fn a_job_is_cancelled_and_resumed<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    bury_many(&bench).await;
    let id = bench.begin(DISCARD).await;
    let set_running = |running| bench.store.set_job_running(space(), id, running, bench.now);
    let first = bench.slice(&running(&bench).await).await.unwrap();
    let second = running(&bench).await;
    bench.store.set_job_running("other".to_owned(), id, false, bench.now).await.unwrap();
    set_running(false).await.unwrap();
    assert!(bench.store.running_jobs().await.unwrap().is_empty());
    assert_eq!(bench.slice(&second).await, None, "a cancelled job goes on");
    let (state, deliveries, _) = state_of(&bench, id).await;
    assert_eq!((state, deliveries), (JobState::Cancelled, first));
    set_running(true).await.unwrap();
    assert_eq!(first + bench.run_jobs().await, MANY);
    // A job that is done stays done.
    set_running(false).await.unwrap();
    assert_eq!(state_of(&bench, id).await, (JobState::Done, MANY, 100));
    assert_eq!(bench.store.job("other".to_owned(), id).await.unwrap(), None);
}

pub(super) async fn a_replay_makes_new_deliveries<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    assert_eq!(bench.emit_with("a", json!({ "data": 1 })).await, Accepted::New);
    assert_eq!(bench.emit_with("b", json!({ "data": 2 })).await, Accepted::New);
    bench.end_all("one", &Next::Delivered).await;
    // By the configuration of now: another subscription has come, and another one has a filter.
    bench.change([put(subscription("two")), put(picky("three", 1))]).await.unwrap();
    let job = bench.begin(replay(ReplayRequest::default())).await;
    bench.emit(&["c"]).await;
    bench.later(1);
    assert_eq!(bench.run_jobs().await, 6);
    let found = bench.store.job(space(), job).await.unwrap().unwrap();
    assert_eq!((found.kind, found.events, found.deliveries), (JobKind::Replay, 2, 6));
    assert_eq!((found.replay_id.as_deref(), found.replay), (Some("again"), Some(ReplayRequest::default())));
    let detail = bench.event("b").await;
    let states = |id: &str, replayed: bool| -> Vec<DeliveryState> {
        let of = detail.deliveries.iter().filter(|one| one.subscription_id == id);
        of.filter(|one| (one.replay.as_deref() == Some("again")) == replayed).map(|one| one.state).collect()
    };
    assert_eq!(
        (states("one", false), states("one", true)),
        (vec![DeliveryState::Delivered], vec![DeliveryState::Pending])
    );
    assert_eq!(states("two", true), [DeliveryState::Pending]);
    assert_eq!(states("three", true), [DeliveryState::Filtered]);
    // `two` gets what was emitted after it came, and both that were replayed. Their age begins with the replay.
    let claimed = bench.claim("two").await;
    let mut names = ids(&claimed);
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c"]);
    for one in &claimed {
        let replayed = one.event_id != "c";
        assert_eq!((one.replay.is_some(), one.since == bench.now), (replayed, replayed), "{one:?}");
    }
    bench.tally().await;
}

pub(super) async fn a_replay_selects_events<S: Site>() {
    let mut other = subscription("other");
    "other".clone_into(&mut other.event_type);
    let mut bench = Bench::<S>::with([subscription("one"), other]).await;
    let begin = bench.now;
    for (id, members) in [
        ("a", json!({})),
        ("b", json!({ "source": "/other" })),
        ("c", json!({ "type": "other" })),
        ("d", json!({})),
    ] {
        assert_eq!(bench.emit_with(id, members).await, Accepted::New);
        bench.later(10);
    }
    bench.end_all("one", &Next::Delivered).await;
    bench.end_all("other", &Next::Delivered).await;
    let at = |seconds| Some(begin.saturating_add(Duration::from_secs(seconds)).date_time());
    let text = |text: &str| Some(text.to_owned());
    let all = ReplayRequest::default;
    for (request, expected) in [
        (ReplayRequest { event_id: text("a"), ..all() }, vec!["a"]),
        (ReplayRequest { source: text("/other"), ..all() }, vec!["b"]),
        (ReplayRequest { ty: text(EVENT), ..all() }, vec!["a", "b", "d"]),
        (ReplayRequest { from: at(20), ..all() }, vec!["c", "d"]),
        (ReplayRequest { to: at(20), ..all() }, vec!["a", "b"]),
        (ReplayRequest { from: at(10), to: at(30), source: text("/s"), ..all() }, vec!["c"]),
        (ReplayRequest { event_id: text("unknown"), ..all() }, vec![]),
    ] {
        let name = format!("{request:?}");
        bench.begin(replay(request)).await;
        bench.run_jobs().await;
        let claimed = [bench.claim("one").await, bench.claim("other").await];
        let mut found: Vec<&str> = claimed.iter().flat_map(|claimed| ids(claimed)).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{name}");
        bench.store.release(bench.now).await.unwrap();
        bench.end_all("one", &Next::Delivered).await;
        bench.end_all("other", &Next::Delivered).await;
    }
}

pub(super) async fn jobs_give_up_what_waited_for_a_subscription<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    let emit_many = async |bench: &Bench<S>, from: usize| {
        let events = (from..from + MANY).map(|n| bench.arrival(&n.to_string(), json!({}))).collect();
        let _ = bench.accept(events).await.unwrap();
    };
    // Deleted twice: one job does both.
    for round in 0..2 {
        emit_many(&bench, round * MANY).await;
        bench.change([delete("one")]).await.unwrap();
        if round == 0 {
            bench.change([put(subscription("one"))]).await.unwrap();
        }
    }
    let job = running(&bench).await;
    assert!(bench.slice(&job).await.is_some_and(|first| 0 < first && first < MANY));
    let running = bench.store.job(space(), job.id).await.unwrap().unwrap();
    assert_eq!(running.subscription_id.as_deref(), Some("one"));
    assert!(running.percent < 100, "{running:?}");
    bench.run_jobs().await;
    let done = bench.store.job(space(), job.id).await.unwrap().unwrap();
    assert_eq!((done.state, done.deliveries), (JobState::Done, 2 * MANY));
    let found = bench.delivery("0", "one").await;
    assert_eq!((found.state, found.reason.as_deref()), (DeliveryState::Dead, Some(SUBSCRIPTION_DELETED)));
    assert_eq!(bench.tally().await.dead, u64::try_from(2 * MANY).unwrap());
}

pub(super) async fn a_redrive_waits_for_the_job_that_gives_up<S: Site>() {
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    let buried = bench.bury("one", &["a"]).await[0];
    bench.emit(&["b"]).await;
    bench.change([delete("one")]).await.unwrap();
    let giving_up = running(&bench).await;
    bench.change([put(subscription("one"))]).await.unwrap();
    let redriven = bench.store.redrive(space(), buried, None, bench.now).await.unwrap();
    assert!(matches!(redriven, Redrive::GivingUp(job) if job == giving_up.id), "{redriven:?}");
    let redrive = bench.begin(REDRIVE).await;
    let jobs = bench.store.running_jobs().await.unwrap();
    let job = jobs.iter().find(|job| job.id == redrive).unwrap();
    let slice = bench.store.redrive_slice(job, Loss::Dead, bench.now).await.unwrap().unwrap();
    assert_eq!((slice.deliveries, slice.waits_for), (0, Some(giving_up.id)));
    let refused = StoreError::GivingUp(giving_up.id).to_string();
    bench.store.job_signals().set_problem(redrive, Some(refused.clone()));
    let waits_for = async || bench.store.job(space(), redrive).await.unwrap().unwrap().waits_for;
    assert_eq!(waits_for().await, Some(refused));
    bench.store.job_signals().set_problem(redrive, None);
    assert_eq!(waits_for().await, None);
    bench.run_jobs().await;
    // What was given up when the redrive began, and nothing later.
    assert_eq!(ids(&bench.claim("one").await), ["a"]);
    assert_eq!(bench.dead_letters(Loss::Dead).await, ["b"]);
}

pub(super) async fn jobs_are_listed<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    let mut begun = Vec::new();
    for _ in 0..3 {
        begun.push(bench.begin(DISCARD).await);
    }
    begun.reverse();
    let list = async |before, limit| {
        let page = bench.store.jobs(space(), before, limit).await.unwrap();
        (page.jobs.iter().map(|job| job.job_id).collect::<Vec<_>>(), page.next)
    };
    assert_eq!(list(None, 2).await, (begun[..2].to_vec(), Some(begun[1])));
    assert_eq!(list(Some(begun[1]), 2).await, (vec![begun[2]], None));
    let job = bench.store.job(space(), begun[0]).await.unwrap().unwrap();
    assert_eq!((job.kind, job.loss, job.state), (JobKind::Discard, Some(Loss::Dead), JobState::Done));
    assert_eq!(job.created_at, bench.now.date_time());
    assert_eq!(bench.store.jobs("other".to_owned(), None, 9).await.unwrap().jobs, []);
}

pub(super) async fn somebody_waits_for_a_job<S: Site>() {
    let bench = Bench::<S>::with([subscription("one")]).await;
    bench.bury("one", &["a"]).await;
    let id = bench.begin(DISCARD).await;
    let wait = |patience| bench.store.job_within(space(), id, patience);
    let impatient = wait(Duration::from_millis(1)).await.unwrap().unwrap();
    assert_eq!(impatient.state, JobState::Running);
    let (waited, _) = tokio::join!(wait(Duration::from_secs(600)), bench.run_jobs());
    assert_eq!(waited.unwrap().unwrap().state, JobState::Done);
    // The runner learns of new jobs.
    bench.bury("one", &["b"]).await;
    let begun =
        async { tokio::time::timeout(Duration::from_secs(60), bench.store.job_signals().begun()).await };
    let (begun, _) = tokio::join!(begun, bench.begin(DISCARD));
    assert!(begun.is_ok());
}
