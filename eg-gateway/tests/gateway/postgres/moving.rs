//! `event-gateway migrate`: a store moves from a directory into a database, with everything in it.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eg_tests::postgres::Postgres;
use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use serde_json::{Value, json};

use super::command;
use crate::process::{PROGRAM, Program};
use crate::support::{Answer, Api, Functions};

/// More than one page of rows.
const GOOD: usize = 1_100;

fn migrate(dir: &Path, url: &str) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("migrate").arg("--from").arg(dir).env("EVENT_GATEWAY_STORE", url);
    command.output().unwrap()
}

fn refused(output: &Output, code: i32, message: &str) {
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(code) && printed.contains(message), "{:?} {printed}", output.status);
}

/// Everything that the APIs show of a store.
async fn contents(api: &Api) -> Vec<Value> {
    let get = async |path: &str| -> Value {
        let (status, body) = api.config(Method::GET, &format!("default/{path}"), "").await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    };
    let mut contents = Vec::new();
    for kind in ["eventtypes", "functions", "subscriptions", "dead-letters", "jobs"] {
        contents.push(get(kind).await);
    }
    let mut page = get("events?limit=500").await;
    loop {
        for event in page["events"].as_array().unwrap() {
            let id = event["event"]["id"].as_str().unwrap();
            contents.push(get(&format!("events/{id}")).await);
        }
        let Some(next) = page["next"].as_str() else { break };
        page = get(&format!("events?limit=500&before={next}")).await;
    }
    contents
}

#[tokio::test]
async fn a_store_moves_with_everything_in_it() {
    let Some(server) = Postgres::shared() else { return };
    let answers = Arc::new(AtomicBool::new(false));
    let answering = Arc::clone(&answers);
    let mut functions = Functions::start(move |call| match call.json()["id"].as_str().unwrap() {
        id if id.starts_with("bad") => Answer::Http(400, "no".to_owned()),
        id if id.starts_with("later") && !answering.load(Ordering::SeqCst) => Answer::Never,
        _ => Answer::Http(200, String::new()),
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let mut old = Program::start(dir.path());
    old.api.event_type("e").await;
    old.api.http_function("f", &functions.url("/")).await;
    let subscription = json!({ "type": "async", "eventType": "e", "functionId": "f", "ordered": true,
        "filter": { "id": [{ "anything-but": { "prefix": "filtered" } }] } });
    old.api.create("subscriptions", subscription).await;
    let event = |id: &str, key: &str| json!({ "specversion": "1.0", "type": "e", "source": "/test", "id": id, "partitionkey": key, "data": { "n": 1 } });
    let ids: Vec<_> = (0..GOOD).map(|n| format!("good-{n}")).collect();
    let emit = async |id: &String| assert_eq!(old.api.emit_json(&event(id, id)).await.status(), 202);
    stream::iter(&ids).map(emit).buffer_unordered(50).collect::<()>().await;
    let long = "k".repeat(10_000);
    for (id, key) in [("bad", "b"), ("filtered", "c")] {
        assert_eq!(old.api.emit_json(&event(id, key)).await.status(), 202, "{id}");
    }
    old.api.wait_for_books("delivered", GOOD as u64).await;
    old.api.wait_for_dead_letters(1).await;
    for id in ["later-1", "later-2", "later-3"] {
        assert_eq!(old.api.emit_json(&event(id, &long)).await.status(), 202);
    }
    let inflight = async |functions: &mut Functions| {
        while functions.next_call().await.json()["id"] != "later-1" {}
    };
    inflight(&mut functions).await;
    let url = server.database();
    refused(&migrate(dir.path(), &url), 5, "another gateway uses this directory");
    old.kill();
    // As a gateway would see it that started again.
    let mut again = Program::start(dir.path());
    inflight(&mut functions).await;
    let (before, books) = (contents(&again.api).await, again.api.accounting().await);
    again.kill();

    let moved = migrate(dir.path(), &url);
    assert!(moved.status.success(), "{moved:?}");
    let events = GOOD + 5;
    let printed = String::from_utf8_lossy(&moved.stdout).into_owned();
    assert_eq!(printed, format!("moved: {events} events, {events} deliveries, 3 resources\n"));
    refused(&migrate(dir.path(), &url), 1, "the database already has a store");

    // A gateway must not work with a part of a store.
    let name = url.rsplit('/').next().unwrap();
    server.sql(name, "INSERT INTO counters VALUES ('', 'import', 1); DELETE FROM events WHERE seq > 10");
    refused(&command(&url, "8s").output().unwrap(), 1, "run `event-gateway migrate` again");
    let moved = migrate(dir.path(), &url);
    assert_eq!(String::from_utf8_lossy(&moved.stdout), printed, "{moved:?}");
    // Retention subtracts the rows again that it deletes.
    let estimated =
        "SELECT bytes = (SELECT sum(octet_length(event)) FROM events) + 400 * ((SELECT count(*) FROM events)
        + (SELECT count(*) FROM deliveries) + (SELECT count(*) FROM attempts)) FROM writer";
    assert_eq!(server.sql(name, estimated), "t");

    let mut new = Program::spawn(command(&url, "1s"));
    inflight(&mut functions).await;
    let (after, kept) = (contents(&new.api).await, new.api.accounting().await);
    assert_eq!((after.len(), kept), (before.len(), books));
    for (before, after) in before.into_iter().zip(after) {
        match before["event"]["id"].as_str().unwrap_or_default() {
            // The gateway in between was killed, which interrupted one more attempt.
            "later-1" => {
                let attempts = |event: &Value| event["deliveries"][0]["attempts"].as_array().unwrap().len();
                assert_eq!(attempts(&after), attempts(&before) + 1);
            }
            _ => assert_eq!(after, before),
        }
    }
    new.kill();
    while functions.try_call().is_some() {}
    answers.store(true, Ordering::SeqCst);
    let new = Program::spawn(command(&url, "1s"));
    new.api.wait_for_books("delivered", GOOD as u64 + 3).await;
    for id in ["later-1", "later-2", "later-3"] {
        assert_eq!(functions.next_call().await.json()["id"], id);
    }
    let again = new.api.emit_json(&event("good-7", "a")).await;
    assert_eq!((again.status().as_u16(), &again.headers()["eg-duplicates"]), (202, &"1".parse().unwrap()));
    refused(&migrate(dir.path(), &url), 5, "a gateway uses the database");
    let nowhere = "postgres://gateway@127.0.0.1:1/nothing";
    refused(&migrate(dir.path(), nowhere), 1, "the database of the store cannot be reached: ");
    let nothing = tempfile::tempdir().unwrap();
    refused(&migrate(nothing.path(), &url), 1, "there is no store");
}
