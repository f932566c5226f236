//! Functions change hands while gateways join, stop and die under load.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eg_tests::postgres::Postgres;
use serde_json::json;
use tokio::sync::Notify;

use super::command;
use crate::process::Program;
use crate::support::{Answer, Functions, PATIENCE};

const FUNCTIONS: usize = 8;

/// How many calls of a function may be under way at once.
const CONCURRENCY: usize = 2;

const EVENTS: usize = 60;

/// For each function, the calls under way, and the most there were.
type Calls = Arc<Mutex<BTreeMap<String, (usize, usize)>>>;

/// Begins a call that takes a while, also if the gateway that made it is killed meanwhile. That is less than what is left of its
/// lease, so nobody may take its place before it has ended.
fn work(calls: &Calls, function: String) -> Answer {
    {
        let mut calls = calls.lock().unwrap();
        let (now, most) = calls.entry(function.clone()).or_default();
        *now += 1;
        *most = (*now).max(*most);
    }
    let (calls, done) = (Arc::clone(calls), Arc::<Notify>::default());
    let answer = Answer::When(Arc::clone(&done));
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        calls.lock().unwrap().get_mut(&function).unwrap().0 -= 1;
        done.notify_one();
    });
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_has_no_more_calls_at_once_than_it_may() {
    let Some(server) = Postgres::shared() else { return };
    let calls = Calls::default();
    let counted = Arc::clone(&calls);
    let functions = Functions::start(move |call| work(&counted, call.path.clone())).await;
    let url = server.database();
    let start = async || {
        let command = command(&url, "1s");
        tokio::task::spawn_blocking(|| Program::spawn(command)).await.unwrap()
    };
    let (mut first, mut second) = (start().await, start().await);
    first.api.event_type("e").await;
    for number in 0..FUNCTIONS {
        let id = format!("f{number}");
        let function = json!({
            "functionId": id, "type": "http", "concurrency": CONCURRENCY,
            "provider": { "url": functions.url(&format!("/{id}")) }
        });
        first.api.create("functions", function).await;
        first.api.subscribe("e", &id).await;
    }
    for number in 0..EVENTS {
        let api = if number % 2 == 0 { &first.api } else { &second.api };
        api.emit("e", &number.to_string()).await;
    }
    // Some functions are given to a third one, those of the first one are taken from a dead one, and those of the second one are
    // handed over.
    let third = start().await;
    first.kill();
    let fourth = start().await;
    second.terminate();
    assert_eq!(second.wait().code(), Some(0));
    let deadline = Instant::now() + PATIENCE;
    while third.api.accounting().await["pending"] != 0 {
        assert!(Instant::now() < deadline, "{}", third.api.accounting().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fourth.api.wait_for_books("delivered", (EVENTS * FUNCTIONS) as u64).await;
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), FUNCTIONS);
    assert!(calls.values().all(|(_, most)| *most == CONCURRENCY), "{calls:?}");
}
