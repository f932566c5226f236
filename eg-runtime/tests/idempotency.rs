//! Functions behind `Idempotency`: what duplicates get, and which calls there are.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eg_runtime::idempotency::{Claim, Idempotency, IdempotencyStore, MemoryStore, StoreError};
use eg_runtime::testing::{InvocationError, TestApp};
use eg_runtime::{App, CloudEvent, Data, Error, Json, State, StatusCode, http, queue, subscribe};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

/// The ids of the events that functions were called with.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn note(&self, function: &str, id: &str) {
        self.0.lock().unwrap().push(format!("{function} {id}"));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Lets calls of `slow` begin and end when the test says so.
#[derive(Clone)]
struct Gate {
    begun: Arc<Notify>,
    end: Arc<Semaphore>,
}

#[subscribe("work", mode = "sync")]
async fn works(State(calls): State<Calls>, event: CloudEvent<String>) -> Result<(StatusCode, String), Error> {
    calls.note("works", event.id());
    match event.data.as_str() {
        "reject" => Err(Error::reject("not this one")),
        "retry" => Err(Error::retry("not now")),
        "panic" => panic!("as you wish"),
        "redirect" => Ok((StatusCode::SEE_OTHER, "elsewhere".to_owned())),
        data => Ok((StatusCode::CREATED, format!("{data}, done"))),
    }
}

/// Answers an event with a redirect, which nobody follows.
#[subscribe("moved")]
async fn moved(State(calls): State<Calls>, event: CloudEvent<Data>) -> StatusCode {
    calls.note("moved", event.id());
    StatusCode::TEMPORARY_REDIRECT
}

/// Subscribes to the same.
#[subscribe("both")]
async fn one(State(calls): State<Calls>, event: CloudEvent<Data>) {
    calls.note("one", event.id());
}

#[subscribe("both")]
async fn other(State(calls): State<Calls>, event: CloudEvent<Data>) {
    calls.note("other", event.id());
}

#[subscribe("slow")]
async fn slow(State(gate): State<Gate>) {
    gate.begun.notify_one();
    gate.end.acquire().await.unwrap().forget();
}

#[queue("jobs")]
async fn job(State(calls): State<Calls>, event: CloudEvent<Data>) {
    calls.note("job", event.id());
}

#[http(POST, "/jobs")]
async fn post_job(State(calls): State<Calls>) -> Json<&'static str> {
    calls.note("post_job", "");
    Json("posted")
}

/// Takes any event there is, so that fixtures have somebody to go to.
#[subscribe(
    "com.amazonaws.sns.Notification",
    "websocket.connect",
    "websocket.message",
    "websocket.disconnect"
)]
async fn any(State(calls): State<Calls>, event: CloudEvent<Data>) -> String {
    calls.note("any", event.id());
    format!("{} of {}", event.id(), event.source())
}

struct Fixture {
    app: TestApp,
    calls: Calls,
    gate: Gate,
}

fn with(store: impl IdempotencyStore) -> Fixture {
    behind(Idempotency::new(store))
}

fn behind(layer: Idempotency<impl IdempotencyStore>) -> Fixture {
    let gate = Gate { begun: Arc::default(), end: Arc::new(Semaphore::new(0)) };
    let calls = Calls::default();
    let app = App::new().state(calls.clone()).state(gate.clone()).layer(layer);
    Fixture { app: TestApp::new(app).unwrap(), calls, gate }
}

fn event(ty: &str, source: &str, id: &str, data: &str) -> String {
    json!({"specversion": "1.0", "id": id, "source": source, "type": ty, "data": data}).to_string()
}

fn failed(result: Result<Value, InvocationError>) -> (String, String) {
    let error = result.unwrap_err();
    (error.error_type, error.error_message)
}

#[tokio::test]
async fn a_duplicate_gets_the_same_answer_and_no_call() {
    let Fixture { app, calls, .. } = with(MemoryStore::default());
    let first = app.invoke(&event("work", "/a", "1", "good")).await.unwrap();
    assert_eq!((&first["statusCode"], &first["body"]), (&json!(201), &json!("good, done")));
    assert_eq!(app.invoke(&event("work", "/a", "1", "good")).await.unwrap(), first);
    assert_eq!(calls.take(), ["works 1"]);
    for (source, id) in [("/a", "2"), ("/b", "1")] {
        app.invoke(&event("work", source, id, "good")).await.unwrap();
    }
    assert_eq!(calls.take(), ["works 2", "works 1"], "source and id make an event");

    let first = app.invoke(&event("work", "/a", "3", "reject")).await.unwrap();
    assert_eq!(first["statusCode"], 422);
    assert_eq!(app.invoke(&event("work", "/a", "3", "reject")).await.unwrap(), first);
    assert_eq!(calls.take(), ["works 3"], "a rejection is final");
}

/// Returns the event as the gateway sends it for a replay.
fn replayed(replay: &str, data: &str) -> String {
    let mut event: Value = serde_json::from_str(&event("work", "/a", "1", data)).unwrap();
    event["replay"] = json!(replay);
    event.to_string()
}

/// A replay was answered like a duplicate: it looked delivered, and the function was not called.
#[tokio::test]
async fn each_replay_is_handled_once() {
    let Fixture { app, calls, .. } = with(MemoryStore::default());
    for payload in [
        event("work", "/a", "1", "good"),
        replayed("r1", "good"),
        // The gateway repeats the attempt, because it lost the answer.
        replayed("r1", "good"),
        event("work", "/a", "1", "good"),
        replayed("r2", "good"),
    ] {
        assert_eq!(app.invoke(&payload).await.unwrap()["body"], "good, done");
    }
    assert_eq!(calls.take(), ["works 1"; 3], "once for the event, and once for each replay");
}

#[tokio::test]
async fn a_function_that_rejects_replays_says_so() {
    let Fixture { app, calls, .. } = behind(Idempotency::new(MemoryStore::default()).reject_replays());
    assert_eq!(app.invoke(&replayed("r1", "retry")).await.unwrap()["statusCode"], 500);
    assert_eq!(app.invoke(&replayed("r1", "good")).await.unwrap()["body"], "good, done");
    assert_eq!(calls.take(), ["works 1"; 2], "it had not been handled");
    let rejected = app.invoke(&replayed("r2", "good")).await.unwrap();
    assert_eq!(rejected["statusCode"], 422);
    assert!(rejected["body"].as_str().unwrap().contains("it rejects replays"), "{rejected}");
    assert_eq!(app.invoke(&event("work", "/a", "1", "good")).await.unwrap()["body"], "good, done");
    assert_eq!(calls.take(), [""; 0]);
}

#[tokio::test]
async fn what_failed_is_tried_again() {
    let Fixture { app, calls, .. } = with(MemoryStore::default());
    for data in ["retry", "retry"] {
        assert_eq!(app.invoke(&event("work", "/a", "1", data)).await.unwrap()["statusCode"], 500);
    }
    for _ in 0..2 {
        let (error_type, _) = failed(app.invoke(&event("work", "/a", "1", "panic")).await);
        assert_eq!(error_type, "Panic");
    }
    app.invoke(&event("work", "/a", "1", "good")).await.unwrap();
    app.invoke(&event("work", "/a", "1", "good")).await.unwrap();
    assert_eq!(calls.take(), ["works 1"; 5]);
}

/// A redirect was kept as the final answer to an event, so that no retry called the function any more.
#[tokio::test]
async fn a_redirect_is_final_only_for_a_caller() {
    let Fixture { app, calls, .. } = with(MemoryStore::default());
    for _ in 0..2 {
        let failed = failed(app.invoke(&event("moved", "/a", "1", "")).await);
        assert_eq!(failed, ("Retry".to_owned(), "it answered 307 Temporary Redirect".to_owned()));
    }
    assert_eq!(calls.take(), ["moved 1"; 2], "nobody follows a redirect, so the event failed");

    for _ in 0..2 {
        let answer = app.invoke(&event("work", "/a", "1", "redirect")).await.unwrap();
        assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(303), &json!("elsewhere")));
    }
    assert_eq!(calls.take(), ["works 1"], "the emitter got its answer");
}

#[tokio::test]
async fn a_duplicate_of_what_is_under_way_comes_again_later() {
    let Fixture { app, gate, .. } = with(MemoryStore::default());
    let payload = event("slow", "/a", "1", "");
    let meanwhile = async {
        gate.begun.notified().await;
        let duplicate = failed(app.invoke(&payload).await);
        gate.end.add_permits(1);
        duplicate
    };
    let (first, duplicate) = tokio::join!(app.invoke(&payload), meanwhile);
    assert_eq!(duplicate, ("Retry".to_owned(), "the event is being handled already".to_owned()));
    assert_eq!(first.unwrap()["statusCode"], 200);
    assert_eq!(app.invoke(&payload).await.unwrap()["statusCode"], 200, "and then it is done");
}

#[tokio::test]
async fn each_subscriber_handles_it_once() {
    let Fixture { app, calls, .. } = with(MemoryStore::default());
    for _ in 0..2 {
        app.invoke(&event("both", "/a", "1", "")).await.unwrap();
    }
    assert_eq!(calls.take(), ["one 1", "other 1"]);
}

#[tokio::test]
async fn messages_are_known_by_their_id_and_requests_are_not_known() {
    let Fixture { app, calls, .. } = with(MemoryStore::default());
    let batch = json!({"Records": [{"messageId": "m1", "body": "x", "eventSource": "aws:sqs", "attributes": {},
        "eventSourceARN": "arn:aws:sqs:eu-central-1:1:jobs"}]});
    for _ in 0..2 {
        assert_eq!(app.invoke(&batch.to_string()).await.unwrap(), json!({"batchItemFailures": []}));
    }
    for _ in 0..2 {
        assert_eq!(app.post("/jobs", &1).await.text(), "\"posted\"");
    }
    assert_eq!(calls.take(), ["job m1", "post_job ", "post_job "]);
}

/// Says what it is told to say, and keeps nothing.
struct Broken(Option<Claim>);

impl IdempotencyStore for Broken {
    async fn claim(&self, _: &str, _: Duration) -> Result<Claim, StoreError> {
        self.0.clone().ok_or_else(|| "the table is gone".into())
    }

    async fn complete(&self, _: &str, _: Vec<u8>, _: Duration) -> Result<(), StoreError> {
        Err("the table is gone".into())
    }

    async fn release(&self, _: &str) -> Result<(), StoreError> {
        Err("the table is gone".into())
    }
}

#[tokio::test]
async fn a_store_that_fails_delays_events_but_loses_none_and_hides_no_answer() {
    let Fixture { app, calls, .. } = with(Broken(None));
    let (error_type, message) = failed(app.invoke(&event("both", "/a", "1", "")).await);
    assert_eq!(error_type, "Retry");
    assert_eq!(message, "the idempotency store failed for `one\n/a\n1`: the table is gone");
    assert_eq!(calls.take(), Vec::<String>::new());

    let Fixture { app, calls, .. } = with(Broken(Some(Claim::Granted)));
    assert_eq!(app.invoke(&event("work", "/a", "1", "good")).await.unwrap()["statusCode"], 201);
    assert_eq!(calls.take(), ["works 1"]);

    let Fixture { app, .. } = with(Broken(Some(Claim::Done(b"of another program".to_vec()))));
    let (error_type, message) = failed(app.invoke(&event("both", "/a", "1", "")).await);
    assert_eq!(error_type, "Retry");
    assert!(message.contains("what was kept of `one"), "{message}");
}

/// The published payloads of all senders, by name.
fn payloads() -> BTreeMap<String, String> {
    let metadata = cargo_metadata::MetadataCommand::new().exec().unwrap();
    let package = metadata.packages.iter().find(|package| package.name == "aws_lambda_events").unwrap();
    let directory: PathBuf = package.manifest_path.parent().unwrap().join("src/fixtures").into();
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let json = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    json.map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).unwrap())
    })
    .collect()
}

#[tokio::test]
async fn each_published_payload_twice() {
    let mut events = 0;
    for (name, payload) in payloads() {
        let Fixture { app, calls, .. } = with(MemoryStore::default());
        let first = app.invoke(&payload).await;
        let after_first = calls.take();
        assert_eq!(app.invoke(&payload).await, first, "{name}");
        let repeated = calls.take();
        if after_first.iter().any(|call| call.starts_with("post_job")) {
            continue;
        }
        events += usize::from(after_first.iter().any(|call| call.starts_with("any")));
        assert_eq!(repeated, Vec::<String>::new(), "{name}");
    }
    assert!(events >= 5, "{events} payloads were events");
}
