//! SIGKILL at random moments under load. Emitter and function are processes of their own, each with a ledger on disk;
//! in the end the ledgers are compared.
//!
//! More kills than in the usual test run:
//! `EG_KILLS=100 cargo test -p eg-gateway --test gateway crash -- --nocapture`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::process::{Program, Running};
use crate::support::{Answer, Api, Functions, PATIENCE};

/// Set for the processes that this test starts from its own program.
const ROLE: &str = "EG_CRASH_ROLE";
const LEDGER: &str = "EG_CRASH_LEDGER";
const EVENTS: &str = "EG_CRASH_EVENTS";

/// How many requests the emitter has under way.
const EMITTERS: usize = 8;

/// Appends lines that survive the process.
#[derive(Clone)]
struct Ledger(Arc<fs::File>);

impl Ledger {
    fn open() -> Self {
        let path = std::env::var_os(LEDGER).expect("the ledger's path");
        Self(Arc::new(OpenOptions::new().create(true).append(true).open(path).unwrap()))
    }

    fn write(&self, line: &str) {
        (&*self.0).write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// Starts a role of this program; it ends when its input does.
fn role(name: &str, ledger: &Path, events: &str) -> (Running, BufReader<std::process::ChildStdout>) {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "crash::a_role"])
        .env(ROLE, name)
        .env(LEDGER, ledger)
        .env(EVENTS, events)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (Running(child), output)
}

/// No test by itself: what the processes do that `role` starts.
#[tokio::test]
async fn a_role() {
    match std::env::var(ROLE).as_deref() {
        Ok("function") => function().await,
        Ok("emitter") => emitter().await,
        _ => {}
    }
}

async fn until_told() {
    let wait = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(wait).await.unwrap().unwrap();
}

async fn function() {
    let ledger = Ledger::open();
    let take = move |body: Bytes| async move {
        let event: Value = serde_json::from_slice(&body).unwrap();
        ledger.write(&format!("delivered {}", event["id"].as_str().unwrap()));
    };
    let app = Router::new().fallback(take);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    println!("\nlistening on http://{}", listener.local_addr().unwrap());
    tokio::select! {
        served = axum::serve(listener, app) => served.unwrap(),
        () = until_told() => {}
    }
}

async fn emitter() {
    let (ledger, api) = (Ledger::open(), Api::new(&std::env::var(EVENTS).unwrap(), ""));
    let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let emit = || {
        let (ledger, api, stop, next) = (ledger.clone(), api.clone(), Arc::clone(&stop), Arc::clone(&next));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let id = next.fetch_add(1, Ordering::Relaxed).to_string();
                ledger.write(&format!("offered {id}"));
                match api.try_emit("e", &id).await {
                    Ok(response) if response.status() == 202 => ledger.write(&format!("acked {id}")),
                    // Down or busy: nothing was promised.
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        })
    };
    let emitters: Vec<_> = (0..EMITTERS).map(|_| emit()).collect();
    until_told().await;
    stop.store(true, Ordering::Relaxed);
    for emitter in emitters {
        emitter.await.unwrap();
    }
}

/// The ids in a ledger by what happened to them, with how often.
fn read(path: &Path) -> BTreeMap<String, BTreeMap<u64, usize>> {
    let mut found = BTreeMap::<_, BTreeMap<_, _>>::new();
    for line in fs::read_to_string(path).unwrap_or_default().lines() {
        let (what, id) = line.split_once(' ').unwrap();
        *found.entry(what.to_owned()).or_default().entry(id.parse().unwrap()).or_default() += 1;
    }
    found
}

fn ids(ledger: &BTreeMap<String, BTreeMap<u64, usize>>, what: &str) -> BTreeSet<u64> {
    ledger.get(what).map(|ids| ids.keys().copied().collect()).unwrap_or_default()
}

pub(crate) fn port(url: &str) -> String {
    url.rsplit(':').next().unwrap().to_owned()
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost() {
    let kills: u32 = std::env::var("EG_KILLS").map_or(20, |kills| kills.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { dir.path().join(name) };
    let (_function, mut output) = role("function", &path("delivered"), "");
    let url = loop {
        let mut line = String::new();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the function does not start");
        if let Some(url) = line.trim_end().strip_prefix("listening on ") {
            break url.to_owned();
        }
    };
    let mut program = Program::start(&path("data"));
    program.api.event_type("e").await;
    program.api.http_function("f", &url).await;
    program.api.subscribe("e", "f").await;
    let (events, config) = (port(&program.api.events), port(&program.api.config));
    let (mut emitter, _output) = role("emitter", &path("emitted"), &program.api.events);

    let mut slowest = Duration::ZERO;
    for _ in 0..kills {
        // The moment is random on purpose; what matters is that load is on by then.
        let before = ids(&read(&path("emitted")), "acked").len();
        let deadline = Instant::now() + PATIENCE;
        while ids(&read(&path("emitted")), "acked").len() < before + 20 {
            assert!(Instant::now() < deadline, "nothing is accepted any more");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(fastrand::Rng::new().u64(..150))).await;
        program.kill();
        let started = Instant::now();
        program = Program::spawn(Program::command_on(&path("data"), &events, &config));
        slowest = slowest.max(started.elapsed());
    }
    drop(emitter.0.stdin.take());
    emitter.0.wait().unwrap();
    let deadline = Instant::now() + PATIENCE * 4;
    while program.api.accounting().await["pending"] != 0 {
        assert!(Instant::now() < deadline, "deliveries do not come to an end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let (emitted, delivered) = (read(&path("emitted")), read(&path("delivered")));
    let (offered, acked, arrived) =
        (ids(&emitted, "offered"), ids(&emitted, "acked"), ids(&delivered, "delivered"));
    let lost: Vec<_> = acked.difference(&arrived).collect();
    let phantoms: Vec<_> = arrived.difference(&offered).collect();
    assert!(lost.is_empty() && phantoms.is_empty(), "lost: {lost:?}, phantoms: {phantoms:?}");
    let calls: usize = delivered["delivered"].values().sum();
    let duplicates = calls - arrived.len();
    let books = program.api.accounting().await;
    assert_eq!(books["balanced"], true, "{books}");
    assert_eq!(books["delivered"], arrived.len(), "{books}");
    let store = Connection::open(path("data").join("event-gateway.db")).unwrap();
    let interrupted = "SELECT count(*) FROM attempts WHERE outcome = 'interrupted'";
    let interrupted: usize =
        store.query_row(interrupted, [], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap();
    assert!(duplicates <= interrupted, "{duplicates} duplicates, and {interrupted} attempts were cut off");
    println!(
        "{kills} kills: {} offered, {} acknowledged, {} delivered, {duplicates} of them again; slowest start {slowest:?}",
        offered.len(),
        acked.len(),
        arrived.len()
    );
}

/// The time that a start takes must not grow with what waits. How short it is on a quiet machine is measured by
/// `tests/throughput`; here it is only no multiple of that.
#[tokio::test]
async fn a_long_line_does_not_hold_up_the_start() {
    const REQUESTS: usize = 100;
    const BATCH: usize = 1_000;
    let dir = tempfile::tempdir().unwrap();
    let functions = Functions::start(|_| Answer::Never).await;
    let mut program = Program::start(dir.path());
    program.api.event_type("e").await;
    program.api.http_function("f", &functions.url("/")).await;
    program.api.subscribe("e", "f").await;
    for request in 0..REQUESTS {
        let event = |n: usize| json!({ "specversion": "1.0", "type": "e", "source": "/test", "id": format!("{request}-{n}") });
        let batch: Vec<Value> = (0..BATCH).map(event).collect();
        let emit = program.api.client.post(&program.api.events);
        let emit = emit.header("content-type", "application/cloudevents-batch+json").json(&batch);
        assert_eq!(emit.send().await.unwrap().status(), 202);
    }
    program.kill();
    let started = Instant::now();
    let program = Program::start(dir.path());
    let took = started.elapsed();
    assert!(took < PATIENCE / 3, "ready after {took:?}");
    let books = program.api.accounting().await;
    assert_eq!((&books["pending"], &books["balanced"]), (&json!(REQUESTS * BATCH), &json!(true)), "{books}");
}
