//! Backups of a running gateway, and what is made of them: the commands `backup`, `check`, `restore` and `repair`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use crate::process::{PROGRAM, Program};
use crate::support::{Answer, Functions, PATIENCE};

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs a command that must end with `code`, and returns what it says.
#[track_caller]
fn expect(code: i32, args: &[&str]) -> String {
    let output = run(args);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    said
}

#[tokio::test]
async fn a_backup_under_load_contains_what_was_acknowledged_before() {
    let mut functions = Functions::accepting().await;
    let dir = tempfile::tempdir().unwrap();
    let [data, file, new] = ["data", "backup.db", "new"].map(|name| dir.path().join(name));
    let program = Program::start(&data);
    program.api.event_type("e").await;
    program.api.http_function("f", &functions.url("/")).await;
    program.api.subscribe("e", "f").await;
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let next = Arc::new(AtomicU64::new(0));
    let emitters: Vec<_> = (0..4)
        .map(|_| {
            let (api, stop, next) = (program.api.clone(), Arc::clone(&stop), Arc::clone(&next));
            let acknowledged = Arc::clone(&acknowledged);
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    api.emit("e", &next.fetch_add(1, Ordering::Relaxed).to_string()).await;
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    while acknowledged.load(Ordering::Relaxed) < 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = acknowledged.load(Ordering::Relaxed);
    let config = program.api.config.clone();
    let taken = {
        let (config, file) = (config.clone(), file.clone());
        let take = move || expect(0, &["backup", text(&file), "--config-url", &config]);
        tokio::task::spawn_blocking(take).await.unwrap()
    };
    assert!(taken.contains("bytes"), "{taken}");
    let during = acknowledged.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    for emitter in emitters {
        emitter.await.unwrap();
    }
    assert!(during > before, "events were accepted meanwhile");
    assert!(expect(1, &["backup", text(&file), "--config-url", &config]).contains("exists"));
    assert!(!data.join("event-gateway.backup").exists());

    assert!(expect(0, &["check", text(&file)]).contains("a backup of"));
    let ids: BTreeSet<u64> = {
        let backup = Connection::open(&file).unwrap();
        let mut ids = backup.prepare("SELECT id FROM events").unwrap();
        ids.query_map([], |row| row.get::<_, String>(0))
            .unwrap()
            .map(|id| id.unwrap().parse().unwrap())
            .collect()
    };
    assert!(u64::try_from(ids.len()).unwrap() >= before, "{} of {before}", ids.len());
    drop(program);
    while functions.try_call().is_some() {}

    // Whoever copies the file in place of the database is stopped; `restore` is the way.
    let copied = dir.path().join("copied");
    fs::create_dir(&copied).unwrap();
    fs::copy(&file, copied.join("event-gateway.db")).unwrap();
    let refused = expect(4, &["--events-port=0", "--config-port=0", "--embed-data-dir", text(&copied)]);
    assert!(refused.contains("is a backup of") && refused.contains("event-gateway restore"), "{refused}");
    fs::copy(&file, data.join("event-gateway.db")).unwrap();
    let _ = fs::remove_file(data.join("event-gateway.db-wal"));
    let refused = expect(4, &["--events-port=0", "--config-port=0", "--embed-data-dir", text(&data)]);
    assert!(refused.contains("the end of the database is missing"), "{refused}");
    assert!(expect(4, &["check", text(&data)]).contains("the end of the database is missing"));

    expect(0, &["restore", text(&file), text(&new)]);
    assert!(expect(1, &["restore", text(&file), text(&new)]).contains("is not empty"));
    assert!(expect(0, &["check", text(&new)]).contains("sound"));
    let program = Program::start(&new);
    program.api.wait_for_books("pending", 0).await;
    assert_eq!(program.api.accounting().await["balanced"], true);
    program.api.emit("e", "after").await;
    let calls = async { while functions.next_call().await.json()["id"] != "after" {} };
    tokio::time::timeout(PATIENCE, calls).await.unwrap();
}

#[tokio::test]
async fn what_is_lost_is_said_at_the_start_and_by_repair() {
    let functions = Functions::start(|_| Answer::Never).await;
    let dir = tempfile::tempdir().unwrap();
    let [data, repaired] = ["data", "data.repaired"].map(|name| dir.path().join(name));
    let mut program = Program::start(&data);
    program.api.event_type("e").await;
    program.api.http_function("f", &functions.url("/")).await;
    program.api.subscribe("e", "f").await;
    for n in 0..30 {
        program.api.emit("e", &n.to_string()).await;
    }
    program.kill();
    drop(functions);
    assert!(expect(0, &["check", text(&data)]).contains("30 events up to number 30"));

    let log = data.join("event-gateway.db-wal");
    let length = fs::metadata(&log).unwrap().len();
    fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(length / 2).unwrap();
    let start = ["--events-port=0", "--config-port=0", "--embed-data-dir", text(&data)];
    for said in [expect(4, &start), expect(4, &start), expect(4, &["check", text(&data)])] {
        assert!(
            said.contains("the end of the database is missing") && said.contains("events are missing, from"),
            "{said}"
        );
        assert!(said.contains(&format!("event-gateway repair {}", data.display())), "{said}");
    }
    let said = expect(0, &["repair", text(&data)]);
    assert!(said.contains("lost: events ") && said.contains(" to 30 are missing"), "{said}");
    assert!(said.contains(&format!("--embed-data-dir {}", repaired.display())), "{said}");
    assert!(expect(1, &["repair", text(&data)]).contains("is not empty"));
    assert_eq!(fs::metadata(&log).unwrap().len(), length / 2, "the damaged store stays as it is");
    assert!(expect(0, &["check", text(&repaired)]).contains("sound"));
    let mut functions = Functions::accepting().await;
    let program = Program::start(&repaired);
    program.api.http_function("g", &functions.url("/")).await;
    program.api.subscribe("e", "g").await;
    program.api.emit("e", "after").await;
    assert_eq!(functions.next_call().await.json()["id"], "after");
}

/// One bit of one stored event changes: the event is not delivered, and everybody hears of it.
#[tokio::test]
async fn a_damaged_event_becomes_a_dead_letter() {
    let functions = Functions::start(|_| Answer::Never).await;
    let dir = tempfile::tempdir().unwrap();
    let mut program = Program::start(dir.path());
    program.api.event_type("e").await;
    program.api.event_type("eventgateway.delivery.deadLettered").await;
    program.api.http_function("f", &functions.url("/")).await;
    program.api.subscribe("e", "f").await;
    for n in 0..3 {
        program.api.emit("e", &n.to_string()).await;
    }
    program.kill();
    drop(functions);
    let mut functions = Functions::accepting().await;
    {
        let store = Connection::open(dir.path().join("event-gateway.db")).unwrap();
        let damage = "UPDATE events SET event = CAST(replace(CAST(event AS TEXT), '\"n\":1', '\"n\":3') AS BLOB) WHERE id = '1'";
        assert_eq!(store.execute(damage, []).unwrap(), 1);
    }
    assert!(expect(4, &["check", text(dir.path())]).contains("event 2 (`1`) does not match its checksum"));
    let program = Program::start(dir.path());
    let letters = program.api.wait_for_dead_letters(1).await;
    assert_eq!(letters[0]["eventId"], "1");
    assert_eq!(letters[0]["damaged"], true);
    assert!(letters[0]["reason"].as_str().unwrap().starts_with("payload damaged on disk"), "{letters:?}");
    assert!(
        letters[0]["event"].as_str().unwrap().contains("\"n\":3"),
        "what is left of it is shown: {letters:?}"
    );
    let (status, body) = program.api.config(reqwest::Method::GET, "default/events/1", "").await;
    let event: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &event["damaged"]), (200, &serde_json::json!(true)), "{body}");
    let (_, body) = program.api.config(reqwest::Method::GET, "default/events/0", "").await;
    assert!(!body.contains("damaged"), "{body}");
    let metrics = program.api.client.get(format!("{}/v1/metrics", program.api.config)).send().await.unwrap();
    assert!(metrics.text().await.unwrap().contains("\neventgateway_damaged_events_total 1\n"));

    // A replay leaves it out, and a redrive with a sound event delivers it.
    let function =
        serde_json::json!({ "functionId": "f", "type": "http", "provider": { "url": functions.url("/") } });
    let put = program.api.config(reqwest::Method::PUT, "default/functions/f", function.to_string()).await;
    assert_eq!(put.0, 200, "{}", put.1);
    let mut delivered = BTreeSet::new();
    while delivered.len() < 2 {
        delivered.insert(functions.next_call().await.json()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(delivered, BTreeSet::from(["0".to_owned(), "2".to_owned()]));
    let edited = serde_json::json!({ "event": { "specversion": "1.0", "type": "e", "source": "/test", "id": "1", "data": 1 } });
    let path = format!("default/dead-letters/{}/redrive", letters[0]["deadLetterId"]);
    let (status, body) = program.api.config(reqwest::Method::POST, &path, edited.to_string()).await;
    assert_eq!(status, 202, "{body}");
    assert_eq!(functions.next_call().await.json(), edited["event"]);
}
