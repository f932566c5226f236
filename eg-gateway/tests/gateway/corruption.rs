//! Damaged stores: bits flip, files are cut, deleted, or replaced by older ones. Each acknowledged event is then either
//! delivered as it was sent, or somebody hears of it: at the start, when the event is read, or from a check.
//!
//! More damage than in the usual test run:
//! `EG_CORRUPTIONS=1000 cargo test -p eg-gateway --test gateway corruption -- --nocapture`. One of them again:
//! `EG_CORRUPTION=17 …`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use eg_gateway::{Gateway, StartError, StoreError};
use fastrand::Rng;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Program;
use crate::support::{Answer, Api, Functions, PATIENCE, options};

const DATABASE: &str = "event-gateway.db";
const LOG: &str = "event-gateway.db-wal";
const MARK: &str = "event-gateway.mark";

/// Events that are accepted before and after the middle of the history.
const HALF: usize = 60;

/// A store that was killed with acknowledged events in it, and how it was in the middle of its history.
struct Original {
    dir: TempDir,
    /// The acknowledged events by id.
    events: BTreeMap<String, Value>,
}

impl Original {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // A server that answers nobody keeps all deliveries unfinished.
        let functions = Functions::start(|_| Answer::Never).await;
        let mut rng = Rng::with_seed(7);
        let mut events = BTreeMap::new();
        let mut program = Program::start(&dir.path().join("end"));
        program.api.event_type("e").await;
        program.api.http_function("f", &functions.url("/")).await;
        program.api.subscribe("e", "f").await;
        for half in 0..2 {
            for n in 0..HALF {
                let id = format!("{half}-{n}");
                // Some events are larger than a page.
                let length = if n % 10 == 0 { rng.usize(4_000..20_000) } else { rng.usize(10..800) };
                let text: String = std::iter::repeat_with(|| rng.alphanumeric()).take(length).collect();
                let event =
                    json!({ "specversion": "1.0", "type": "e", "source": "/test", "id": id, "data": text });
                assert_eq!(program.api.emit_json(&event).await.status(), 202);
                events.insert(id, event);
            }
            program.kill();
            if half == 0 {
                copy(&dir.path().join("end"), &dir.path().join("middle"));
                // Everything until here is in the database, the rest will be in the log.
                let database = Connection::open(dir.path().join("end").join(DATABASE)).unwrap();
                database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
                drop(database);
                copy(&dir.path().join("end"), &dir.path().join("checkpointed"));
                program = Program::start(&dir.path().join("end"));
            }
        }
        Self { dir, events }
    }

    /// A copy of the store, in the place where `options` looks for it.
    fn copy(&self) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        copy(&self.dir.path().join("end"), &dir.path().join("data"));
        dir
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in [DATABASE, LOG, MARK] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

fn change(file: &Path, at: u64, change: impl FnOnce(&mut [u8; 1])) {
    let file = OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    change(&mut byte);
    file.write_all_at(&byte, at).unwrap();
}

fn len(file: &Path) -> u64 {
    fs::metadata(file).unwrap().len()
}

/// Damages the store in `data`, and says how.
fn damage(seed: u64, original: &Original, data: &Path) -> String {
    let mut rng = Rng::with_seed(seed);
    let [database, log, mark] = [DATABASE, LOG, MARK].map(|name| data.join(name));
    let [middle, checkpointed] = ["middle", "checkpointed"].map(|name| original.dir.path().join(name));
    match seed % 17 {
        0..=3 => {
            let (at, bit) = (rng.u64(..len(&database)), rng.u8(..8));
            change(&database, at, |byte| byte[0] ^= 1 << bit);
            format!("bit {bit} of byte {at} of the database")
        }
        4..=7 => {
            let (at, bit) = (rng.u64(..len(&log)), rng.u8(..8));
            change(&log, at, |byte| byte[0] ^= 1 << bit);
            format!("bit {bit} of byte {at} of the log")
        }
        8 => {
            let length = rng.u64(..len(&database));
            OpenOptions::new().write(true).open(&database).unwrap().set_len(length).unwrap();
            format!("the database is cut to {length} bytes")
        }
        9 => {
            let length = rng.u64(..len(&log));
            OpenOptions::new().write(true).open(&log).unwrap().set_len(length).unwrap();
            format!("the log is cut to {length} bytes")
        }
        10 => {
            let at = rng.u64(..len(&database) / 512) * 512;
            (at..at + 512).for_each(|at| change(&database, at, |byte| byte[0] = 0));
            format!("the sector at byte {at} of the database is zeroed")
        }
        11 => {
            let at = rng.u64(..len(&log) / 512) * 512;
            (at..at + 512).for_each(|at| change(&log, at, |byte| byte[0] = 0));
            format!("the sector at byte {at} of the log is zeroed")
        }
        12 => {
            let gone = *rng.choice([DATABASE, LOG, MARK].iter()).unwrap();
            fs::remove_file(data.join(gone)).unwrap();
            format!("{gone} is deleted")
        }
        13 => {
            fs::copy(checkpointed.join(DATABASE), &database).unwrap();
            fs::remove_file(&log).unwrap();
            "an older database, without a log".to_owned()
        }
        14 => {
            fs::copy(middle.join(DATABASE), &database).unwrap();
            fs::copy(middle.join(LOG), &log).unwrap();
            "an older database with its log".to_owned()
        }
        15 => {
            (100..4096).for_each(|at| change(&database, at, |byte| byte[0] = 0));
            "the page that leads to all others is zeroed".to_owned()
        }
        _ => {
            let (at, bit) = (rng.u64(..len(&mark)), rng.u8(..8));
            change(&mark, at, |byte| byte[0] ^= 1 << bit);
            format!("bit {bit} of byte {at} of the mark")
        }
    }
}

/// What became of a damaged store.
#[derive(Debug, Default)]
struct Outcome {
    refused: Option<String>,
    delivered: BTreeSet<String>,
    dead: usize,
    changed: Vec<String>,
}

/// Starts a gateway on a store and lets it deliver everything. `sound`: waits until all is delivered.
async fn deliver(dir: &TempDir, events: &BTreeMap<String, Value>, sound: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let mut functions = Functions::accepting().await;
    let mut options = options(dir);
    // The function has moved, which the gateway learns after its first attempts.
    options.retry.attempts = 1_000_000;
    let gateway = match Gateway::start(options).await {
        Ok(gateway) => gateway,
        Err(StartError::Store(StoreError::Damaged { reason, .. })) => {
            outcome.refused = Some(reason);
            return outcome;
        }
        Err(error) => panic!("{error}"),
    };
    let api = Api::new(gateway.events_url(), gateway.config_url());
    let provider = json!({ "functionId": "f", "type": "http", "provider": { "url": functions.url("/") } });
    let put = api.client.put(format!("{}/v1/spaces/default/functions/f", api.config)).json(&provider);
    let moved = put.send().await.unwrap().status();
    let deadline = Instant::now() + if sound { PATIENCE } else { Duration::from_millis(400) };
    while moved == 200 && Instant::now() < deadline {
        while let Some(call) = functions.try_call() {
            let found: Value = serde_json::from_slice(&call.body).unwrap_or_default();
            let id = found["id"].as_str().unwrap_or_default().to_owned();
            if events.get(&id) == Some(&found) {
                outcome.delivered.insert(id);
            } else {
                outcome.changed.push(String::from_utf8_lossy(&call.body).into_owned());
            }
        }
        let books = api.client.get(format!("{}/v1/accounting", api.config)).send().await.unwrap();
        let books: Value = books.json().await.unwrap_or_default();
        outcome.dead = usize::try_from(books["dead"].as_u64().unwrap_or_default()).unwrap();
        if outcome.delivered.len() + outcome.dead >= events.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gateway.shutdown_or_abort(std::future::ready(())).await;
    outcome
}

#[tokio::test]
async fn damage_is_never_silent() {
    let count: u64 = std::env::var("EG_CORRUPTIONS").map_or(17, |count| count.parse().unwrap());
    let original = Original::new().await;
    let untouched = original.copy();
    assert_eq!(eg_gateway::check(&untouched.path().join("data")).unwrap().problems, Vec::<String>::new());
    let whole = deliver(&untouched, &original.events, true).await;
    assert_eq!(whole.delivered.len(), original.events.len(), "{:?}", whole.refused);

    let (mut at_start, mut at_reading, mut by_check, mut harmless) = (0, 0, 0, 0);
    let only = std::env::var("EG_CORRUPTION").ok().map(|seed| seed.parse().unwrap());
    for seed in only.map_or(0..count, |seed: u64| seed..seed + 1) {
        let dir = original.copy();
        let data = dir.path().join("data");
        let how = damage(seed, &original, &data);
        let problems =
            eg_gateway::check(&data).map_or_else(|error| vec![error.to_string()], |report| report.problems);
        let repaired = dir.path().join("repaired");
        let report = eg_gateway::repair(&data, &repaired).unwrap();
        let outcome = deliver(&dir, &original.events, problems.is_empty()).await;
        assert!(outcome.changed.is_empty(), "seed {seed}: {how}: changed: {:?}", outcome.changed);
        let missing = original.events.len() - outcome.delivered.len();
        match &outcome {
            Outcome { refused: Some(reason), .. } => {
                assert!(!reason.is_empty());
                at_start += 1;
            }
            _ if missing == 0 => harmless += 1,
            Outcome { dead, .. } if *dead >= missing => at_reading += 1,
            _ => {
                assert!(
                    !problems.is_empty(),
                    "seed {seed}: {how}: {missing} events are lost, and nobody says so"
                );
                by_check += 1;
            }
        }

        // What is sound is saved, and what is not is listed.
        let sound = eg_gateway::check(&repaired).unwrap();
        assert_eq!(sound.problems, Vec::<String>::new(), "seed {seed}: {how}");
        if report.events < original.events.len() {
            assert!(!report.lost.is_empty(), "seed {seed}: {how}: {report:?}");
        }
        if report.deliveries < report.events {
            let told = report.lost.iter().any(|line| line.contains("deliveries"));
            assert!(told, "seed {seed}: {how}: {report:?}");
        }
        if matches!(seed % 17, 0..=7 | 16) {
            let lost = original.events.len() - report.events;
            assert!(lost <= 20, "seed {seed}: {how}: one bit costs {lost} events: {:?}", report.lost);
        }
        println!(
            "seed {seed}: {how}: {missing} not delivered, {} dead, {}; check: {} problems; repair lost {}",
            outcome.dead,
            outcome.refused.as_deref().unwrap_or("started"),
            problems.len(),
            original.events.len() - report.events
        );
    }
    println!(
        "{count} corruptions: {at_start} found at start, {at_reading} at reading, {by_check} by check, {harmless} harmless"
    );
    assert!(only.is_some() || at_start + at_reading + by_check >= count / 2);
}
