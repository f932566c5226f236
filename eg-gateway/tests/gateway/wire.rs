//! The SDK's types are what travels: everything that the gateway answers is read by them, and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eg_sdk::errors::ErrorCode;
use eg_sdk::history::{
    Accounting, AttemptOutcome, DeadLetter, DeadLetterPage, DeliveryState, Discarded, EventDetail, EventPage,
    FeedEntry, Loss, Redriven, Replay,
};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::{Answer, Api, Functions, PATIENCE, TestGateway, error};

/// Reads `json` as the type, and compares what the type writes.
#[track_caller]
fn round_trip<T: Serialize + DeserializeOwned>(json: &str) -> T {
    let value: T = serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {json}"));
    let written = serde_json::to_value(&value).unwrap();
    assert_eq!(written, serde_json::from_str::<Value>(json).unwrap());
    value
}

async fn send<T: Serialize + DeserializeOwned>(api: &Api, method: Method, path: &str, body: &str) -> T {
    let (status, answer) = api.config(method, &format!("default/{path}"), body).await;
    assert!(status < 300, "{path}: {status} {answer}");
    round_trip(&answer)
}

async fn get<T: Serialize + DeserializeOwned>(api: &Api, path: &str) -> T {
    send(api, Method::GET, path, "").await
}

/// Entries of the feed until one of this kind; each is read by the SDK's type.
async fn feed_until(feed: &mut reqwest::Response, kinds: &mut Vec<String>, last: &str) {
    let mut text = String::new();
    while !text.contains(&format!("\"kind\":\"{last}\"")) {
        let chunk = tokio::time::timeout(PATIENCE, feed.chunk()).await.expect("an entry in time");
        text += std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap();
    }
    for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        round_trip::<FeedEntry>(data);
        let entry: Value = serde_json::from_str(data).unwrap();
        let kind = entry["kind"].as_str().unwrap();
        let outcome = entry["outcome"].as_str().map(|outcome| format!(" {outcome}")).unwrap_or_default();
        kinds.push(format!("{kind}{outcome}"));
    }
}

#[tokio::test]
async fn every_answer_of_the_history_is_read_by_its_type() {
    let healthy = Arc::new(AtomicBool::new(false));
    let answering = Arc::clone(&healthy);
    let functions = Functions::start(move |call| {
        let failing = call.path == "/failing" && !answering.load(Ordering::SeqCst);
        Answer::Http(if failing { 500 } else { 200 }, String::new())
    })
    .await;
    let gateway = TestGateway::start().await;
    let api = &gateway.api;
    let mut feed = api.client.get(format!("{}/v1/feed", api.config)).send().await.unwrap();
    api.event_type("e").await;
    api.event_type("http.request").await;
    for (id, fields) in [
        ("good", json!({})),
        ("choosy", json!({ "filter": { "data": { "n": [2] } } })),
        ("failing", json!({ "retry": { "attempts": 2, "maxBackoffMs": 1 } })),
        ("late", json!({ "retry": { "maxAgeMs": 1, "minBackoffMs": 1000, "maxBackoffMs": 1000 } })),
    ] {
        let path = if id == "late" { "/failing" } else { &format!("/{id}") };
        api.http_function(id, &functions.url(path)).await;
        let mut subscription = json!({ "type": "async", "eventType": "e", "functionId": id });
        subscription.as_object_mut().unwrap().append(fields.clone().as_object_mut().unwrap());
        api.create("subscriptions", subscription).await;
    }
    let sync = json!({ "type": "sync", "eventType": "http.request", "functionId": "good", "method": "GET" });
    api.create("subscriptions", sync).await;
    assert_eq!(api.client.get(&api.events).send().await.unwrap().status(), 500, "an empty reply is none");
    for _ in 0..2 {
        api.emit("e", "1").await;
    }
    api.wait_for_books("dead", 1).await;
    api.wait_for_books("expired", 1).await;

    let page: EventPage = get(api, "events?limit=1").await;
    assert!(page.next.is_some());
    assert_eq!(page.events[0].event_id, "1");
    let detail: EventDetail = get(api, "events/1").await;
    assert_eq!(detail.event.event_type, "e");
    let state = |function: &str| detail.deliveries.iter().find(|d| d.function_id == function).unwrap();
    assert_eq!(state("good").state, DeliveryState::Delivered);
    assert_eq!(state("good").attempts[0].outcome, AttemptOutcome::Delivered);
    assert_eq!(state("choosy").state, DeliveryState::Filtered);
    assert_eq!(state("choosy").mismatch.as_ref().unwrap().clause, "data.n");
    assert_eq!(state("failing").state.loss(), Some(Loss::Dead));
    assert_eq!(state("late").state.loss(), Some(Loss::Expired));

    let letters: DeadLetterPage = get(api, "dead-letters?limit=1").await;
    let letter = &letters.dead_letters[0];
    assert_eq!((letter.state, letters.next), (Loss::Dead, Some(letter.dead_letter_id)));
    let expired: DeadLetterPage = get(api, "dead-letters?state=expired").await;
    assert_eq!((expired.dead_letters[0].state, expired.next), (Loss::Expired, None));
    let id = letter.dead_letter_id;
    assert_eq!(get::<DeadLetter>(api, &format!("dead-letters/{id}")).await.event_id, "1");
    healthy.store(true, Ordering::SeqCst);
    let event = json!({ "event": { "specversion": "1.0", "id": "1", "source": "/s", "type": "e" } });
    let path = format!("dead-letters/{id}/redrive");
    let redriven: Redriven = send(api, Method::POST, &path, &event.to_string()).await;
    assert_eq!(redriven, Redriven { redriven: 1, skipped: 0, job_id: None });
    let replay: Replay = send(api, Method::POST, "replays", r#"{"eventId":"1"}"#).await;
    assert_eq!((replay.events, replay.deliveries), (1, 4));
    let discarded: Discarded = send(api, Method::DELETE, "dead-letters", "").await;
    assert_eq!(discarded.discarded, 0);
    api.wait_for_books("dead", 0).await;
    let accounts = api.client.get(format!("{}/v1/accounting", api.config)).send().await.unwrap();
    let accounts: Accounting = round_trip(&accounts.text().await.unwrap());
    assert!(accounts.balanced && accounts.spaces["default"].expired >= 1, "{accounts:?}");

    let mut kinds = Vec::new();
    feed_until(&mut feed, &mut kinds, "replayed").await;
    kinds.sort_unstable();
    kinds.dedup();
    for kind in [
        "answered",
        "asked",
        "delivery dead",
        "delivery delivered",
        "delivery expired",
        "delivery retry",
        "duplicate",
        "filtered",
        "received",
        "redriven",
        "replayed",
    ] {
        assert!(kinds.iter().any(|found| found == kind), "{kind} in {kinds:?}");
    }
}

/// Beyond the errors of every other test, those that need their own circumstances.
#[tokio::test]
async fn every_error_has_a_code() {
    let functions = Functions::accepting().await;
    let gateway = TestGateway::with(|options| options.body_limit = 10_000).await;
    let api = &gateway.api;
    api.event_type("e").await;
    api.event_type("http.request").await;
    api.http_function("f", &functions.url("/f")).await;
    let subscription = api.subscribe("e", "f").await;
    let sync = json!({ "type": "sync", "eventType": "e", "functionId": "f", "path": "/sync" });
    let answering = api.create("subscriptions", sync).await["subscriptionId"].as_str().unwrap().to_owned();
    let large = "x".repeat(10_001);
    for (method, path, body, code) in [
        (Method::GET, "events?limit=0", "", ErrorCode::InvalidRequest),
        (Method::GET, "events?before=x", "", ErrorCode::InvalidRequest),
        (Method::GET, "events?from=yesterday", "", ErrorCode::InvalidRequest),
        (Method::GET, "events/none", "", ErrorCode::NotFound),
        (Method::PUT, "events", "", ErrorCode::MethodNotAllowed),
        (Method::GET, "dead-letters?state=alive", "", ErrorCode::InvalidRequest),
        (Method::GET, "dead-letters/1", "", ErrorCode::NotFound),
        (Method::DELETE, "dead-letters/x", "", ErrorCode::NotFound),
        (Method::POST, "dead-letters/1/redrive", "", ErrorCode::NotFound),
        (Method::POST, "dead-letters/1/redrive", "[", ErrorCode::InvalidRequest),
        (Method::POST, "replays", "{}", ErrorCode::InvalidRequest),
        (Method::POST, "replays", r#"{"from":"yesterday"}"#, ErrorCode::InvalidRequest),
        (Method::POST, "replays", r#"{"eventId":"1","subscriptionId":"none"}"#, ErrorCode::NotFound),
        (
            Method::POST,
            "replays",
            &json!({ "eventId": "1", "subscriptionId": answering }).to_string(),
            ErrorCode::InvalidRequest,
        ),
        (Method::POST, "replays", &large, ErrorCode::TooLarge),
        (Method::GET, "nothing", "", ErrorCode::UnknownPath),
        (Method::POST, "eventtypes", r#"{"name":"e"}"#, ErrorCode::AlreadyExists),
        (Method::POST, "eventtypes", r#"{"name":""}"#, ErrorCode::InvalidResource),
        (
            Method::POST,
            "subscriptions",
            r#"{"type":"async","eventType":"e","functionId":"none"}"#,
            ErrorCode::UnknownReference,
        ),
        (Method::DELETE, "eventtypes/e", "", ErrorCode::InUse),
        (Method::DELETE, "functions/f", "", ErrorCode::InUse),
        (
            Method::PUT,
            &format!("subscriptions/{subscription}"),
            r#"{"type":"async","eventType":"e","functionId":"f","path":"/other"}"#,
            ErrorCode::Immutable,
        ),
    ] {
        let (status, body) = api.config(method.clone(), &format!("default/{path}"), body).await;
        assert_eq!(error(status, &body).code, Some(code), "{method} {path}: {body}");
    }
    let batch = json!([{ "specversion": "1.0", "id": "1", "source": "/s", "type": "e" }]);
    for (url, content_type, body, code) in [
        ("", "application/cloudevents+json", "{}".to_owned(), ErrorCode::InvalidEvent),
        ("/sync", "application/cloudevents-batch+json", batch.to_string(), ErrorCode::Unsupported),
        ("", "text/plain", large, ErrorCode::TooLarge),
    ] {
        let request = api.client.post(format!("{}{url}", api.events)).header("content-type", content_type);
        let response = request.timeout(Duration::from_secs(30)).body(body).send().await.unwrap();
        let (status, body) = (response.status().as_u16(), response.text().await.unwrap());
        assert_eq!(error(status, &body).code, Some(code), "{url} {content_type}: {body}");
    }
}
