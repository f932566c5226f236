//! SIGKILL during recovery, replays, redrives, replacements of subscriptions and retention, while events keep coming. In
//! the end, whatever was acknowledged has happened.
//!
//! More kills than in the usual test run:
//! `EG_KILLS=100 cargo test -p eg-gateway --test gateway crash_work -- --nocapture`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::crash::port;
use crate::process::{Program, Running};
use crate::support::{Answer, Api, Functions, PATIENCE};

/// How many requests the emitters have under way.
const EMITTERS: usize = 4;

/// The functions that take the events, one at a time.
const FUNCTIONS: [&str; 2] = ["f", "g"];

/// Sends a request to the Config API. Returns `None` if the gateway died before it answered, or is not there.
async fn ask(api: &Api, method: Method, path: &str, body: &Value) -> Option<(u16, Value)> {
    let url = format!("{}/v1/spaces/default/{path}", api.config);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = api.client.request(method, url).body(body).send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, serde_json::from_str(&answer.text().await.ok()?).unwrap_or_default()))
}

/// Does one kind of long work after the other, and notes what was acknowledged.
struct Operator {
    api: Api,
    /// The function that has the only subscription, if that is known.
    subscribed: Option<&'static str>,
    /// The replays that were acknowledged.
    replays: BTreeSet<String>,
}

impl Operator {
    async fn work(&mut self) -> Option<()> {
        match fastrand::Rng::new().u32(..6) {
            0 => self.replay().await,
            1 | 2 => ask(&self.api, Method::POST, "dead-letters/redrive", &Value::Null).await.map(drop),
            _ => self.replace().await,
        }
    }

    async fn replay(&mut self) -> Option<()> {
        let request = json!({ "from": "2000-01-01T00:00:00Z", "type": "e" });
        let (status, replay) = ask(&self.api, Method::POST, "replays", &request).await?;
        if status == 202 {
            self.replays.insert(replay["replayId"].as_str().unwrap().to_owned());
        }
        Some(())
    }

    /// Gives the subscription of one function to the other.
    async fn replace(&mut self) -> Option<()> {
        let (_, list) = ask(&self.api, Method::GET, "subscriptions", &Value::Null).await?;
        let list = list["subscriptions"].as_array()?.clone();
        let [before] = list.as_slice() else { panic!("a replacement was done in part: {list:?}") };
        if let Some(function) = self.subscribed {
            assert_eq!(before["functionId"], function, "an acknowledged replacement is lost");
        }
        let next = FUNCTIONS.into_iter().find(|function| before["functionId"] != *function)?;
        let created = json!({ "type": "async", "eventType": "e", "functionId": next });
        let body = json!({ "delete": [before["subscriptionId"]], "create": [created] });
        self.subscribed = None;
        let (status, answer) = ask(&self.api, Method::POST, "subscriptions/replace", &body).await?;
        assert_eq!(status, 200, "{answer}");
        self.subscribed = Some(next);
        Some(())
    }
}

fn command(data: &Path, events: &str, config: &str) -> Command {
    let mut command = Program::command_on(data, events, config);
    // Each start deletes what has ended, besides what the others do.
    command.args(["--retention=50ms", "--dedupe-window=0s"]);
    command
}

#[tokio::test]
async fn acknowledged_work_survives_kills() {
    let kills: u32 = std::env::var("EG_KILLS").map_or(8, |kills| kills.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    // The functions reject each third event once, so that there is something to redrive.
    let (rejected, arrived) =
        (Arc::<Mutex<BTreeSet<u64>>>::default(), Arc::<Mutex<BTreeSet<u64>>>::default());
    let functions = {
        let (rejected, arrived) = (Arc::clone(&rejected), Arc::clone(&arrived));
        Functions::start(move |call| {
            let id: u64 = call.json()["id"].as_str().unwrap().parse().unwrap();
            if id.is_multiple_of(3) && rejected.lock().unwrap().insert(id) {
                return Answer::Http(422, String::new());
            }
            arrived.lock().unwrap().insert(id);
            Answer::Http(200, String::new())
        })
        .await
    };
    let mut program = Program::spawn(command(dir.path(), "0", "0"));
    program.api.event_type("e").await;
    for function in FUNCTIONS {
        program.api.http_function(function, &functions.url(&format!("/{function}"))).await;
    }
    program.api.subscribe("e", FUNCTIONS[0]).await;
    let (events, config) = (port(&program.api.events), port(&program.api.config));
    let (over, next, worked) =
        (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicUsize>::default());
    let acknowledged = Arc::<Mutex<BTreeSet<u64>>>::default();
    let emit = || {
        let (api, over, next) = (program.api.clone(), Arc::clone(&over), Arc::clone(&next));
        let acknowledged = Arc::clone(&acknowledged);
        tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let id = next.fetch_add(1, Ordering::Relaxed);
                match api.try_emit("e", &id.to_string()).await {
                    Ok(answer) if answer.status() == 202 => drop(acknowledged.lock().unwrap().insert(id)),
                    // Down or busy: nothing was promised.
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        })
    };
    let emitters: Vec<_> = (0..EMITTERS).map(|_| emit()).collect();
    let operator = {
        let (over, worked) = (Arc::clone(&over), Arc::clone(&worked));
        let mut operator = Operator { api: program.api.clone(), subscribed: None, replays: BTreeSet::new() };
        tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                if operator.work().await.is_some() {
                    worked.fetch_add(1, Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            operator
        })
    };

    let mut rng = fastrand::Rng::new();
    for kill in 0..kills {
        // The moment is random on purpose; what matters is that there is work by then.
        let (before, deadline) = (worked.load(Ordering::Relaxed), Instant::now() + PATIENCE);
        while worked.load(Ordering::Relaxed) < before + 3 {
            assert!(Instant::now() < deadline && !operator.is_finished(), "no work is accepted any more");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(..100))).await;
        program.kill();
        if kill % 2 == 0 {
            // This one dies while it recovers.
            let mut recovering = Running(command(dir.path(), &events, &config).spawn().unwrap());
            tokio::time::sleep(Duration::from_millis(rng.u64(..40))).await;
            recovering.0.kill().unwrap();
            recovering.0.wait().unwrap();
        }
        program = Program::spawn(command(dir.path(), &events, &config));
    }
    over.store(true, Ordering::Relaxed);
    for emitter in emitters {
        emitter.await.unwrap();
    }
    let operator = operator.await.unwrap();

    // Whoever lost the subscription gets it back, and what was given up is delivered.
    let (_, list) = ask(&program.api, Method::GET, "subscriptions", &Value::Null).await.unwrap();
    let lost = FUNCTIONS.iter().find(|function| list["subscriptions"][0]["functionId"] != **function);
    program.api.subscribe("e", lost.unwrap()).await;
    let deadline = Instant::now() + PATIENCE * 4;
    loop {
        let books = program.api.accounting().await;
        assert_eq!(books["balanced"], true, "{books}");
        if books["pending"] == 0 && books["dead"] == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "deliveries do not come to an end: {books}");
        ask(&program.api, Method::POST, "dead-letters/redrive", &Value::Null).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (acknowledged, arrived) = (acknowledged.lock().unwrap().clone(), arrived.lock().unwrap().clone());
    let missing: Vec<_> = acknowledged.difference(&arrived).collect();
    assert!(missing.is_empty(), "acknowledged and not delivered: {missing:?}");
    let (_, list) = ask(&program.api, Method::GET, "jobs?limit=500", &Value::Null).await.unwrap();
    let jobs = list["jobs"].as_array().unwrap();
    assert!(jobs.iter().all(|job| job["state"] == "done"), "{jobs:?}");
    let done: BTreeSet<_> = jobs.iter().filter_map(|job| job["replayId"].as_str()).collect();
    if jobs.len() < 500 {
        assert!(operator.replays.iter().all(|replay| done.contains(replay.as_str())), "a replay is lost");
    }
    program.kill();
    assert_eq!(eg_gateway::check(dir.path()).unwrap().problems, Vec::<String>::new());
    let store = Connection::open(dir.path().join("event-gateway.db")).unwrap();
    let kept: usize = store
        .query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0))
        .unwrap()
        .try_into()
        .unwrap();
    assert!(kept < acknowledged.len(), "retention deleted nothing");
    println!(
        "{kills} kills: {} acknowledged, {kept} kept, {} replays, {} jobs",
        acknowledged.len(),
        operator.replays.len(),
        jobs.len()
    );
}
