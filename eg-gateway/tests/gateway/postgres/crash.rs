//! Three gateways with one database under load: gateways are killed at random moments, and the database fails over.
//!
//! More than in the usual test run:
//! `EG_KILLS=100 EG_FAILOVERS=10 cargo test -p eg-gateway --all-features --test gateway postgres::crash -- --nocapture`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eg_tests::postgres::Postgres;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::command;
use crate::process::Program;
use crate::support::{Answer, Api, Functions, PATIENCE};

const GATEWAYS: usize = 3;

const LEASE: &str = "1s";

/// Each emits events with a key of its own, one after the other.
const EMITTERS: usize = 6;

/// The numbers that arrived, by key.
type Arrived = Arc<Mutex<BTreeMap<String, Vec<u64>>>>;

/// The calls that have begun and not ended, by key, and those that began before the last one of their key had ended.
type UnderWay = Arc<Mutex<(BTreeSet<String>, Vec<(String, u64)>)>>;

/// Begins a call of a function that takes its time, also if the gateway that made it is killed meanwhile. That is far less than
/// what is left of a lease, so nobody may make the call again before it has ended.
fn work(under_way: &UnderWay, key: String, number: u64) -> Answer {
    {
        let (keys, collisions) = &mut *under_way.lock().unwrap();
        if !keys.insert(key.clone()) {
            collisions.push((key.clone(), number));
        }
    }
    let (under_way, done) = (Arc::clone(under_way), Arc::<Notify>::default());
    let answer = Answer::When(Arc::clone(&done));
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(2)).await;
        under_way.lock().unwrap().0.remove(&key);
        done.notify_one();
    });
    answer
}

/// The gateways that run.
type Running = Arc<Mutex<Vec<Api>>>;

/// Emits events, each to another gateway.
async fn emit(key: usize, running: Running, stop: Arc<AtomicBool>) -> BTreeSet<u64> {
    let mut acknowledged = BTreeSet::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let current = {
            let running = running.lock().unwrap_or_else(PoisonError::into_inner);
            running[fastrand::usize(..running.len())].clone()
        };
        let event = json!({
            "specversion": "1.0", "type": "e", "source": "/test", "id": format!("{key}-{number}"),
            "partitionkey": key.to_string(), "data": number
        });
        let request =
            current.client.post(&current.events).header("content-type", crate::support::CLOUDEVENTS);
        let answer = request.timeout(Duration::from_secs(5)).body(event.to_string()).send().await;
        if answer.is_ok_and(|answer| answer.status() == 202) {
            acknowledged.insert(number);
        } else {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    acknowledged
}

/// Gateways under load.
struct Trial {
    url: String,
    programs: Vec<Program>,
    running: Running,
    arrived: Arrived,
    under_way: UnderWay,
    stop: Arc<AtomicBool>,
    emitters: Vec<JoinHandle<BTreeSet<u64>>>,
    slowest: Duration,
    // Ends with the trial.
    _functions: Functions,
}

impl Trial {
    async fn start(url: String) -> Self {
        let (arrived, under_way) = (Arrived::default(), UnderWay::default());
        let (record, working) = (Arc::clone(&arrived), Arc::clone(&under_way));
        let functions = Functions::start(move |call| {
            let event = call.json();
            let (key, number) = (event["partitionkey"].as_str().unwrap(), event["data"].as_u64().unwrap());
            record.lock().unwrap().entry(key.to_owned()).or_default().push(number);
            work(&working, key.to_owned(), number)
        })
        .await;
        let programs: Vec<Program> = (0..GATEWAYS).map(|_| Program::spawn(command(&url, LEASE))).collect();
        let api = &programs[0].api;
        api.event_type("e").await;
        api.http_function("f", &functions.url("/")).await;
        let subscription = json!({ "type": "async", "eventType": "e", "functionId": "f", "ordered": true });
        api.create("subscriptions", subscription).await;
        let running: Running = Arc::new(Mutex::new(apis(&programs)));
        let stop = Arc::new(AtomicBool::new(false));
        let emitters =
            (0..EMITTERS).map(|key| tokio::spawn(emit(key, Arc::clone(&running), Arc::clone(&stop))));
        let emitters = emitters.collect();
        let slowest = Duration::ZERO;
        Self { url, programs, running, arrived, under_way, stop, emitters, slowest, _functions: functions }
    }

    /// Kills a gateway at a random moment, starts another one, and waits until all goes on.
    async fn kill(&mut self) {
        // What matters is that load is on by then.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..150))).await;
        let mut killed = self.programs.swap_remove(fastrand::usize(..self.programs.len()));
        killed.kill();
        let died = Instant::now();
        *self.running.lock().unwrap() = apis(&self.programs);
        let command = command(&self.url, LEASE);
        self.programs.push(tokio::task::spawn_blocking(|| Program::spawn(command)).await.unwrap());
        *self.running.lock().unwrap() = apis(&self.programs);
        self.goes_on(died).await;
    }

    /// Replaces gateways that have ended, which they do if they could not renew their lease while others could.
    async fn restart_ended(&mut self) -> usize {
        let ended = self.programs.extract_if(.., Program::has_ended).count();
        for _ in 0..ended {
            let command = command(&self.url, LEASE);
            self.programs.push(tokio::task::spawn_blocking(|| Program::spawn(command)).await.unwrap());
        }
        *self.running.lock().unwrap() = apis(&self.programs);
        ended
    }

    /// Waits until each key goes on: what was under way is delivered, and new events are.
    async fn goes_on(&mut self, since: Instant) {
        let delivered = |arrived: &BTreeMap<String, Vec<u64>>| -> Vec<usize> {
            (0..EMITTERS).map(|key| arrived.get(&key.to_string()).map_or(0, Vec::len)).collect()
        };
        let before = delivered(&self.arrived.lock().unwrap());
        while delivered(&self.arrived.lock().unwrap()).iter().zip(&before).any(|(now, before)| now <= before)
        {
            assert!(since.elapsed() < PATIENCE * 2, "nothing is delivered any more");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.slowest = self.slowest.max(since.elapsed());
    }

    /// Stops the emitters, and checks that all that was acknowledged is delivered. Returns the figures.
    async fn end(self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        let mut acknowledged = BTreeMap::new();
        for (key, emitter) in self.emitters.into_iter().enumerate() {
            acknowledged.insert(key.to_string(), emitter.await.unwrap());
        }
        let api = &self.programs[0].api;
        let deadline = Instant::now() + PATIENCE * 4;
        while api.accounting().await["pending"] != 0 {
            assert!(Instant::now() < deadline, "deliveries do not come to an end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let books = api.accounting().await;
        assert_eq!((&books["balanced"], &books["dead"]), (&json!(true), &json!(0)), "{books}");
        let collisions = &self.under_way.lock().unwrap().1;
        assert!(collisions.is_empty(), "called by two at the same time: {collisions:?}");
        let arrived = self.arrived.lock().unwrap();
        let mut again = 0;
        for (key, acknowledged) in &acknowledged {
            let in_order = &arrived[key];
            let distinct: BTreeSet<u64> = in_order.iter().copied().collect();
            assert!(distinct.is_superset(acknowledged), "lost: {:?}", acknowledged.difference(&distinct));
            // A delivery may be repeated, but nothing overtakes it.
            assert!(in_order.is_sorted(), "the order of key {key} is {in_order:?}");
            again += in_order.len() - distinct.len();
        }
        let delivered: usize = acknowledged.values().map(BTreeSet::len).sum();
        let slowest = self.slowest;
        format!("{delivered} acknowledged and delivered, {again} of them again; slowest to go on {slowest:?}")
    }
}

fn apis(programs: &[Program]) -> Vec<Api> {
    programs.iter().map(|program| program.api.clone()).collect()
}

/// Reads how often something happens.
fn times(variable: &str, usually: u32) -> u32 {
    std::env::var(variable).map_or(usually, |times| times.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_gateways_die() {
    let Some(server) = Postgres::shared() else { return };
    let kills = times("EG_KILLS", 3);
    let mut trial = Trial::start(server.database()).await;
    for _ in 0..kills {
        trial.kill().await;
    }
    println!("{kills} kills: {}", trial.end().await);
}

/// The primary of the database dies, and its synchronous standby becomes the primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_database_fails_over() {
    let Some((mut primary, mut standby)) = Postgres::start_pair() else { return };
    let failovers = times("EG_FAILOVERS", 2);
    let url = primary.or(&primary.database(), &standby);
    let mut trial = Trial::start(url).await;
    let mut ended = 0;
    for _ in 0..failovers {
        trial.kill().await;
        let died = Instant::now();
        (primary, standby) = tokio::task::spawn_blocking(move || {
            primary.stop(true);
            standby.promote();
            primary.follow(&standby);
            (standby, primary)
        })
        .await
        .unwrap();
        ended += trial.restart_ended().await;
        trial.goes_on(died).await;
    }
    println!("{failovers} failovers, {ended} gateways ended: {}", trial.end().await);
}
