//! The events by which the gateway tells what it does.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Functions, TestGateway};

const ALL: [&str; 5] = [
    "eventgateway.event.received",
    "eventgateway.function.invoking",
    "eventgateway.function.invoked",
    "eventgateway.function.invocationFailed",
    "gateway.info.functionError",
];

/// A gateway on which `watcher` gets every system event, and `/good`, `/bad` are functions.
async fn watched(functions: &Functions) -> TestGateway {
    let gateway = TestGateway::with(|options| options.retry.attempts = 1).await;
    for function in ["watcher", "good", "bad"] {
        gateway.api.http_function(function, &functions.url(&format!("/{function}"))).await;
    }
    for ty in ALL {
        gateway.api.event_type(ty).await;
        gateway.api.subscribe(ty, "watcher").await;
    }
    for ty in ["e", "http.request"] {
        gateway.api.event_type(ty).await;
    }
    gateway
}

async fn functions() -> Functions {
    Functions::start(|call| match call.path.as_str() {
        "/bad" => Answer::Http(400, "not today".to_owned()),
        _ => Answer::Http(200, r#"{"body":"hi"}"#.to_owned()),
    })
    .await
}

/// The payloads of the next `count` system events, by type; other calls are passed over.
async fn told(functions: &mut Functions, count: usize) -> BTreeMap<String, Value> {
    let mut told = BTreeMap::new();
    while told.len() < count {
        let call = functions.next_call().await;
        if call.path == "/watcher" {
            let event = call.json();
            assert_eq!(event["source"], "https://serverless.com/event-gateway/#transformationVersion=0.1");
            let ty = event["eventType"].as_str().unwrap().to_owned();
            assert_eq!(told.insert(ty, event["data"].clone()), None, "told twice");
        }
    }
    told
}

fn stored(dir: &TempDir) -> u32 {
    crate::support::stored(dir, "SELECT count(*) AS value FROM events")[0].parse().unwrap()
}

#[tokio::test]
async fn an_asynchronous_delivery_is_told() {
    let mut functions = functions().await;
    let gateway = watched(&functions).await;
    gateway.api.subscribe("e", "good").await;
    gateway.api.emit("e", "1").await;
    let told = told(&mut functions, 3).await;
    let event =
        json!({ "specversion": "1.0", "id": "1", "source": "/test", "type": "e", "data": { "n": 1 } });
    let call = json!({ "space": "default", "functionId": "good", "event": event });
    let received = &told["eventgateway.event.received"];
    assert_eq!((&received["path"], &received["event"]), (&json!("/"), &event));
    assert_eq!(received["headers"]["Content-Type"], "application/cloudevents+json");
    assert_eq!(told["eventgateway.function.invoking"], call);
    let invoked = &told["eventgateway.function.invoked"];
    assert_eq!(invoked["event"], event);
    assert_eq!(invoked["result"], "eyJib2R5IjoiaGkifQ==", "the answer, not the event");
    gateway.gateway.shutdown().await;
    assert!(functions.try_call().is_none(), "what happens to system events is not told");
}

#[tokio::test]
async fn a_failure_is_told_under_its_old_name_too() {
    let mut functions = functions().await;
    let gateway = watched(&functions).await;
    gateway.api.subscribe("e", "bad").await;
    gateway.api.emit("e", "1").await;
    let told = told(&mut functions, 4).await;
    let failed = &told["eventgateway.function.invocationFailed"];
    assert_eq!(failed["functionId"], "bad");
    assert_eq!(failed["error"], json!({ "message": "HTTP status 400: not today" }));
    assert_eq!(failed, &told["gateway.info.functionError"]);
}

#[tokio::test]
async fn synchronous_calls_are_told() {
    let mut functions = functions().await;
    let gateway = watched(&functions).await;
    for (function, status, types) in [("good", 200, 3), ("bad", 500, 4)] {
        let path = format!("/{function}");
        let subscription = json!({ "type": "sync", "eventType": "http.request", "functionId": function, "path": path, "method": "GET" });
        gateway.api.create("subscriptions", subscription).await;
        let response = gateway.api.client.get(format!("{}{path}", gateway.api.events)).send().await.unwrap();
        assert_eq!(response.status(), status);
        let told = told(&mut functions, types).await;
        assert_eq!(told["eventgateway.event.received"]["path"], path);
        assert_eq!(told["eventgateway.function.invoking"]["event"]["data"]["path"], path);
    }
    assert_eq!(stored(&gateway.dir), 7, "the requests themselves were answered, not stored");
}

/// A watcher that fails would be told of its own failure, and fail again.
#[tokio::test]
async fn failing_watchers_are_not_told_of_themselves() {
    let functions = Functions::start(|_| Answer::Http(400, String::new())).await;
    let gateway = watched(&functions).await;
    gateway.api.subscribe("e", "bad").await;
    gateway.api.emit("e", "1").await;
    // received, invoking, invocationFailed, functionError, and the event itself
    gateway.api.wait_for_dead_letters(5).await;
    gateway.gateway.shutdown().await;
    let mut types = crate::support::stored(&gateway.dir, "SELECT type AS value FROM events");
    types.sort();
    assert_eq!(types, ["e", ALL[0], ALL[3], ALL[1], ALL[4]]);
}

#[tokio::test]
async fn spaces_are_told_only_of_themselves() {
    let mut functions = functions().await;
    let gateway = watched(&functions).await;
    gateway.api.config(Method::POST, "acme/eventtypes", r#"{"name":"e"}"#).await;
    let request =
        gateway.api.client.post(format!("{}/spaces/acme/", gateway.api.events)).header("event", "e");
    assert_eq!(request.send().await.unwrap().status(), 202);
    assert_eq!(stored(&gateway.dir), 1);
    gateway.api.emit("e", "mine").await;
    let told = told(&mut functions, 1).await;
    assert_eq!(told["eventgateway.event.received"]["event"]["id"], "mine");
}

/// Subscriptions to system events filter and limit like all others, and are in the books like all others.
#[tokio::test]
async fn subscriptions_to_system_events_have_filters_too() {
    let mut functions = functions().await;
    let gateway = TestGateway::start().await;
    for function in ["watcher", "good"] {
        gateway.api.http_function(function, &functions.url(&format!("/{function}"))).await;
    }
    for ty in ["e", "other", ALL[0]] {
        gateway.api.event_type(ty).await;
    }
    gateway.api.subscribe("e", "good").await;
    let subscription = json!({ "type": "async", "eventType": ALL[0], "functionId": "watcher",
                               "filter": { "data": { "event": { "type": ["e"] } } } });
    gateway.api.create("subscriptions", subscription).await;
    gateway.api.emit("other", "1").await;
    for _ in 0..2 {
        gateway.api.emit("e", "2").await;
    }
    gateway.api.wait_for_books("delivered", 2).await;
    let told = told(&mut functions, 1).await;
    assert_eq!(told[ALL[0]]["event"]["id"], "2");
    let books = gateway.api.accounting().await;
    let [accepted, filtered, duplicates] = ["accepted", "filtered", "duplicates"].map(|name| &books[name]);
    assert_eq!((accepted, filtered, duplicates), (&json!(3), &json!(1), &json!(1)));
    assert_eq!((&books["pending"], &books["balanced"]), (&json!(0), &json!(true)));
    assert_eq!(stored(&gateway.dir), 4, "of the duplicate nobody is told");

    // Stored system events find their subscribers again, although they came from no request.
    let (status, body) = gateway.api.config(Method::POST, "default/replays", r#"{"from":"0"}"#).await;
    assert_eq!(status, 202, "{body}");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["deliveries"], 3);
    gateway.api.wait_for_books("delivered", 4).await;
}

/// Whoever answers an event with another counts on; the events that tell of it count the same.
#[tokio::test]
async fn loops_through_system_events_end() {
    let mut functions = functions().await;
    let gateway = TestGateway::with(|options| options.max_hops = 2).await;
    gateway.api.http_function("watcher", &functions.url("/watcher")).await;
    for ty in ["e", ALL[0]] {
        gateway.api.event_type(ty).await;
    }
    gateway.api.subscribe(ALL[0], "watcher").await;
    for (hops, told) in [(0, Value::Null), (2, json!(2))] {
        let event = json!({ "specversion": "1.0", "type": "e", "source": "/s", "id": hops.to_string(), "hops": hops });
        assert_eq!(gateway.api.emit_json(&event).await.status(), 202);
        assert_eq!(functions.next_call().await.json()["extensions"]["hops"], told);
    }
    let event = json!({ "specversion": "1.0", "type": "e", "source": "/s", "id": "3", "hops": 3 });
    assert_eq!(gateway.api.emit_json(&event).await.status(), 202);
    let letters = gateway.api.wait_for_dead_letters(1).await;
    assert_eq!(letters[0]["eventType"], ALL[0]);
    assert_eq!(letters[0]["reason"], "a loop: 3 events led to this one, and 2 are allowed");
}

const DEAD_LETTERED: &str = "eventgateway.delivery.deadLettered";

/// `watcher` is told of dead letters, and refuses to hear of them if it is told to.
async fn bereaved(functions: &Functions, attempts: u32) -> TestGateway {
    let gateway = TestGateway::with(|options| {
        options.retry.attempts = attempts;
        options.retry.min_backoff = std::time::Duration::from_millis(1);
    })
    .await;
    for function in ["watcher", "bad"] {
        gateway.api.http_function(function, &functions.url(&format!("/{function}"))).await;
    }
    for ty in ["e", DEAD_LETTERED] {
        gateway.api.event_type(ty).await;
    }
    gateway.api.subscribe(DEAD_LETTERED, "watcher").await;
    gateway.api.subscribe("e", "bad").await;
    gateway
}

#[tokio::test]
async fn a_dead_letter_drives_a_function() {
    for (status, attempts, reason) in [
        (400, 1, "rejected: HTTP status 400: not today"),
        (500, 2, "all 2 attempts failed, the last one with: HTTP status 500: not today"),
    ] {
        let mut functions = Functions::start(move |call| match call.path.as_str() {
            "/bad" => Answer::Http(status, "not today".to_owned()),
            _ => Answer::Http(200, String::new()),
        })
        .await;
        let gateway = bereaved(&functions, 2).await;
        gateway.api.emit("e", "1").await;
        let data = told(&mut functions, 1).await.remove(DEAD_LETTERED).unwrap();
        assert_eq!((&data["functionId"], &data["space"]), (&json!("bad"), &json!("default")));
        assert_eq!((&data["state"], &data["attempts"]), (&json!("dead"), &json!(attempts)));
        assert_eq!((&data["reason"], &data["event"]["id"]), (&json!(reason), &json!("1")));
        assert!(data["subscriptionId"].as_str().is_some_and(|id| !id.is_empty()));
        gateway.gateway.shutdown().await;
        assert!(functions.try_call().is_none(), "told once");
    }
}

/// Who is told of dead letters and fails leaves dead letters, which nobody is told of.
#[tokio::test]
async fn the_end_of_a_dead_letters_own_event_is_not_told() {
    let mut functions = Functions::start(|_| Answer::Http(400, String::new())).await;
    let gateway = bereaved(&functions, 1).await;
    gateway.api.emit("e", "1").await;
    assert_eq!(told(&mut functions, 1).await.len(), 1);
    // The event, and what told of it.
    gateway.api.wait_for_books("dead", 2).await;
    gateway.gateway.shutdown().await;
    assert!(functions.try_call().is_none());
    assert_eq!(stored(&gateway.dir), 2);
}
