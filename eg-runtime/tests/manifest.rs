//! The manifest of a real program, this test: everything that attributes and signatures say is written into its link
//! section and read back as the same values, and nothing else is in there.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::collections::BTreeMap;

use eg_runtime::{CloudEvent, Emit, Event, Json, http, invoke, queue, schedule, subscribe};
use eg_sdk::config::SubscriptionType::{Async, Sync};
use eg_sdk::manifest::{CorsOptions, EventTrigger, Function, HTTP_REQUEST, Manifest, RetryOptions, Trigger};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize, Event)]
#[event("form.sent", source = "/forms")]
struct Sent {
    id: u32,
}

#[derive(Serialize, Deserialize, Event)]
#[event("form.refused", schema = false)]
struct Refused {
    reason: String,
}

/// Takes "a" form\one.
///
/// The second paragraph is not in the manifest.
#[http(POST, "/forms/{id}/{*rest}", name = "takeForm", cors, timeout = "2m", memory = 512)]
#[http(PATCH, "/forms", mode = "async")]
async fn take(_emit: Emit<(Sent, Refused)>, _form: Json<Sent>) {}

#[http(GET, "/forms", cors(origins = ["https://a.example"], methods = ["GET"], headers = ["x-a", "x-b"], credentials = true))]
async fn list() {}

#[subscribe(
    "form.seen",
    "form.kept",
    retry(attempts = 5, max_age = "24h", min_backoff = 1, max_backoff = "5m")
)]
#[subscribe(Sent, mode = "sync", path = "/forms/{id}", method = PUT)]
#[subscribe(Refused, retry(max_age = 60))]
async fn file(_event: CloudEvent<Sent>) {}

#[schedule("cron(0 12 * * ? *)", name = "atNoon", timeout = 5)]
#[schedule("rate(5 minutes)")]
async fn at_noon() {}

#[queue("forms", batch_size = 100, window = "5s", memory = 1024)]
#[queue("returns.fifo")]
async fn sort(_form: Json<Value>) {}

#[invoke(name = "judgeForm", timeout = "1m")]
async fn judge(form: Value) -> Value {
    form
}

fn event(event_type: &str, mode: eg_sdk::config::SubscriptionType, method: &str, path: &str) -> EventTrigger {
    EventTrigger::new(event_type, mode, method.parse().unwrap(), path.parse().unwrap())
}

fn retry(limits: [Option<u32>; 4]) -> RetryOptions {
    let mut retry = RetryOptions::default();
    [retry.attempts, retry.max_age, retry.min_backoff, retry.max_backoff] = limits;
    retry
}

#[test]
fn what_attributes_say_is_written_and_read_back_without_loss() {
    let manifest = Manifest::read(&std::env::current_exe().unwrap()).unwrap();
    assert_eq!(
        (manifest.service.as_str(), manifest.version.as_str()),
        ("eg-runtime", env!("CARGO_PKG_VERSION"))
    );

    let function = |name: &str, triggers: Vec<Trigger>| {
        let read = manifest.functions.iter().find(|function| function.name == name).unwrap();
        assert!(read.source.starts_with("eg-runtime/tests/manifest.rs:"), "{}", read.source);
        let mut function = Function::new("eg-runtime", name, &read.source);
        function.triggers = triggers;
        function
    };

    let mut post = event(HTTP_REQUEST, Sync, "POST", "/forms/:id/*rest");
    post.cors = Some(CorsOptions::default());
    let patch = event(HTTP_REQUEST, Async, "PATCH", "/forms");
    let mut take = function("takeForm", vec![Trigger::Event(post), Trigger::Event(patch)]);
    take.doc = Some("Takes \"a\" form\\one.".to_owned());
    take.emits = vec!["form.sent".to_owned(), "form.refused".to_owned()];
    take.sources = BTreeMap::from([("form.sent".to_owned(), "/forms".to_owned())]);
    (take.timeout, take.memory) = (Some(120), Some(512));

    let mut get = event(HTTP_REQUEST, Sync, "GET", "/forms");
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    let cors = get.cors.insert(CorsOptions::default());
    cors.origins = texts(&["https://a.example"]);
    (cors.methods, cors.headers) = (texts(&["GET"]), texts(&["x-a", "x-b"]));
    cors.credentials = true;
    let list = function("list", vec![Trigger::Event(get)]);

    let limited = |event_type: &str, limits| {
        let mut trigger = event(event_type, Async, "POST", "/");
        trigger.retry = Some(retry(limits));
        Trigger::Event(trigger)
    };
    let every_limit = [Some(5), Some(86_400), Some(1), Some(300)];
    let file = function(
        "file",
        vec![
            limited("form.seen", every_limit),
            limited("form.kept", every_limit),
            Trigger::Event(event("form.sent", Sync, "PUT", "/forms/:id")),
            limited("form.refused", [None, Some(60), None, None]),
        ],
    );

    let schedule = |expression: &str| Trigger::Schedule { schedule: expression.parse().unwrap() };
    let mut at_noon = function("atNoon", vec![schedule("cron(0 12 * * ? *)"), schedule("rate(5 minutes)")]);
    at_noon.timeout = Some(5);

    let queue =
        |name: &str, batch_size, window| Trigger::Queue { queue: name.parse().unwrap(), batch_size, window };
    let mut sort =
        function("sort", vec![queue("forms", Some(100), Some(5)), queue("returns.fifo", None, None)]);
    sort.memory = Some(1024);

    let mut judge = function("judgeForm", vec![Trigger::Invoke { invoke: true }]);
    judge.timeout = Some(60);

    assert_eq!(manifest.functions, [take, list, file, at_noon, sort, judge]);
    let schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "properties": {"id": {"type": "integer", "minimum": 0, "maximum": u32::MAX}}, "required": ["id"]});
    assert_eq!(
        serde_json::to_value(&manifest.events).unwrap(),
        json!([{"type": "form.sent", "schema": schema,
            "emittedBy": ["eg-runtime-takeForm"], "receivedBy": ["eg-runtime-takeForm", "eg-runtime-file"]}])
    );
    let printed = serde_json::to_string(&manifest).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&printed).unwrap(), manifest);
}
