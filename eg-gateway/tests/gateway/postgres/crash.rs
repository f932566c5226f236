//! Three gateways with one database, which are killed at random moments under load.
//!
//! More kills than in the usual test run:
//! `EG_KILLS=100 cargo test -p eg-gateway --test gateway postgres::crash -- --nocapture`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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
    let mut programs: Vec<Program> = (0..GATEWAYS).map(|_| Program::spawn(command(&url, "1s"))).collect();
    let api = programs[0].api.clone();
    api.event_type("e").await;
    api.http_function("f", &functions.url("/")).await;
    let subscription = json!({ "type": "async", "eventType": "e", "functionId": "f", "ordered": true });
    api.create("subscriptions", subscription).await;
    let apis = |programs: &[Program]| programs.iter().map(|program| program.api.clone()).collect::<Vec<_>>();
    let running: Running = Arc::new(Mutex::new(apis(&programs)));
    let stop = Arc::new(AtomicBool::new(false));
    let emitters: Vec<_> =
        (0..EMITTERS).map(|key| tokio::spawn(emit(key, Arc::clone(&running), Arc::clone(&stop)))).collect();
    let mut slowest = Duration::ZERO;
    for _ in 0..kills {
        // The moment is random on purpose; what matters is that load is on by then.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..150))).await;
        let mut killed = programs.swap_remove(fastrand::usize(..programs.len()));
        killed.kill();
        let died = Instant::now();
        *running.lock().unwrap() = apis(&programs);
        let command = command(&url, "1s");
        programs.push(tokio::task::spawn_blocking(|| Program::spawn(command)).await.unwrap());
        *running.lock().unwrap() = apis(&programs);
        // Until each key goes on: what the dead gateway had under way is delivered.
        let before: BTreeMap<_, _> =
            arrived.lock().unwrap().iter().map(|(key, numbers)| (key.clone(), numbers.len())).collect();
        let goes_on = |arrived: &BTreeMap<String, Vec<u64>>| {
            (0..EMITTERS).all(|key| {
                let key = key.to_string();
                arrived.get(&key).map_or(0, Vec::len) > before.get(&key).copied().unwrap_or_default()
            })
        };
        while !goes_on(&arrived.lock().unwrap()) {
            assert!(died.elapsed() < PATIENCE, "nothing is delivered any more");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        slowest = slowest.max(died.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeMap::new();
    for (key, emitter) in emitters.into_iter().enumerate() {
        acknowledged.insert(key.to_string(), emitter.await.unwrap());
    }
    let api = &programs[0].api;
    let deadline = Instant::now() + PATIENCE * 4;
    while api.accounting().await["pending"] != 0 {
        assert!(Instant::now() < deadline, "deliveries do not come to an end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let books = api.accounting().await;
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
        "{kills} kills: {delivered} acknowledged and delivered, {again} of them again; slowest to go on {slowest:?}"
    );
}
