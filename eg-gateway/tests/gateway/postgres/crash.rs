//! Three gateways with one database, of which the one that works is killed at random moments under load.
//!
//! More kills than in the usual test run:
//! `EG_KILLS=100 cargo test -p eg-gateway --test gateway postgres::crash -- --nocapture`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use eg_tests::postgres::Postgres;
use serde_json::json;
use tokio::sync::Notify;

use super::command;
use crate::process::Program;
use crate::support::{Answer, Api, Functions, PATIENCE};

const GATEWAYS: usize = 3;

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

/// The gateways that stand by. Dropping this ends them, one after the other.
struct Standbys {
    url: String,
    number: usize,
    working: mpsc::Sender<Program>,
    begun: mpsc::Receiver<Program>,
}

impl Standbys {
    fn new(url: String) -> Self {
        let (working, begun) = mpsc::channel();
        Self { url, number: 0, working, begun }
    }

    /// Starts another one.
    fn start(&mut self) {
        let (command, working) = (command(&self.url, "1s"), self.working.clone());
        std::thread::spawn(move || working.send(Program::spawn(command)));
        self.number += 1;
    }

    /// Returns the next one that works.
    fn next(&mut self) -> Option<Program> {
        let program = self.begun.recv_timeout(PATIENCE).ok()?;
        self.number -= 1;
        Some(program)
    }
}

impl Drop for Standbys {
    fn drop(&mut self) {
        while self.number > 0 && self.next().is_some() {}
    }
}

async fn emit(key: usize, api: Arc<Mutex<Api>>, stop: Arc<AtomicBool>) -> BTreeSet<u64> {
    let mut acknowledged = BTreeSet::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let current = api.lock().unwrap_or_else(PoisonError::into_inner).clone();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_acknowledged_is_lost() {
    let Some(server) = Postgres::shared() else { return };
    let kills: u32 = std::env::var("EG_KILLS").map_or(3, |kills| kills.parse().unwrap());
    let (arrived, under_way) = (Arrived::default(), UnderWay::default());
    let (record, working) = (Arc::clone(&arrived), Arc::clone(&under_way));
    let functions = Functions::start(move |call| {
        let event = call.json();
        let (key, number) = (event["partitionkey"].as_str().unwrap(), event["data"].as_u64().unwrap());
        record.lock().unwrap().entry(key.to_owned()).or_default().push(number);
        work(&working, key.to_owned(), number)
    })
    .await;
    let url = server.database();
    let mut standbys = Standbys::new(url);
    standbys.start();
    let mut active = standbys.next().unwrap();
    active.api.event_type("e").await;
    active.api.http_function("f", &functions.url("/")).await;
    let subscription = json!({ "type": "async", "eventType": "e", "functionId": "f", "ordered": true });
    active.api.create("subscriptions", subscription).await;
    (1..GATEWAYS).for_each(|_| standbys.start());

    let (api, stop) = (Arc::new(Mutex::new(active.api.clone())), Arc::new(AtomicBool::new(false)));
    let emitters: Vec<_> =
        (0..EMITTERS).map(|key| tokio::spawn(emit(key, Arc::clone(&api), Arc::clone(&stop)))).collect();
    let mut slowest = Duration::ZERO;
    for _ in 0..kills {
        // The moment is random on purpose; what matters is that load is on by then.
        let before: usize = arrived.lock().unwrap().values().map(Vec::len).sum();
        let deadline = Instant::now() + PATIENCE;
        while arrived.lock().unwrap().values().map(Vec::len).sum::<usize>() < before + 20 {
            assert!(Instant::now() < deadline, "nothing is delivered any more");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(fastrand::Rng::new().u64(..150))).await;
        active.kill();
        let died = Instant::now();
        standbys.start();
        active = standbys.next().expect("a standby takes over");
        slowest = slowest.max(died.elapsed());
        *api.lock().unwrap() = active.api.clone();
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeMap::new();
    for (key, emitter) in emitters.into_iter().enumerate() {
        acknowledged.insert(key.to_string(), emitter.await.unwrap());
    }
    let deadline = Instant::now() + PATIENCE * 4;
    while active.api.accounting().await["pending"] != 0 {
        assert!(Instant::now() < deadline, "deliveries do not come to an end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let books = active.api.accounting().await;
    assert_eq!((&books["balanced"], &books["dead"]), (&json!(true), &json!(0)), "{books}");
    let collisions = &under_way.lock().unwrap().1;
    assert!(collisions.is_empty(), "called by two at the same time: {collisions:?}");
    let arrived = arrived.lock().unwrap();
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
    println!(
        "{kills} kills: {delivered} acknowledged and delivered, {again} of them again; slowest takeover {slowest:?}"
    );
}
