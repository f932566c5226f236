//! The size limit of the store: it holds at every moment, one space cannot use it up for all, and room that is made is
//! used.

use std::time::{Duration, Instant};

use eg_sdk::errors::ErrorCode;
use reqwest::Method;
use rusqlite::Connection;
use serde_json::json;

use crate::support::{Answer, Api, CLOUDEVENTS, Functions, PATIENCE, TestGateway, error};

const LIMIT: u64 = 4 * 1024 * 1024;

/// A gateway whose only function rejects every event, so that nothing may be deleted.
async fn rejecting(functions: &Functions, spaces: &[&str]) -> TestGateway {
    let gateway = TestGateway::with(|options| {
        options.store_limit = LIMIT;
        options.dedupe_window = Duration::ZERO;
    })
    .await;
    for space in spaces {
        let create = async |kind: &str, resource: serde_json::Value| {
            let path = format!("{space}/{kind}");
            let (status, body) = gateway.api.config(Method::POST, &path, resource.to_string()).await;
            assert_eq!(status, 201, "{body}");
        };
        create("eventtypes", json!({ "name": "e" })).await;
        let provider = json!({ "url": functions.url("/f") });
        create("functions", json!({ "functionId": "f", "type": "http", "provider": provider })).await;
        create("subscriptions", json!({ "type": "async", "eventType": "e", "functionId": "f" })).await;
    }
    gateway
}

/// Emits an event with this many bytes of data. Returns the status and the body of the answer.
async fn emit(api: &Api, space: &str, id: usize, bytes: usize) -> (u16, String) {
    let event = json!({ "specversion": "1.0", "type": "e", "source": "/test", "id": id.to_string(), "data": "x".repeat(bytes) });
    let url = format!("{}/spaces/{space}/", api.events);
    let request = api.client.post(url).header("content-type", CLOUDEVENTS).body(event.to_string());
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Emits until an event is refused. Returns the message.
async fn fill(api: &Api, space: &str) -> String {
    for id in 0..1_000 {
        let (status, body) = emit(api, space, id, 50_000).await;
        if status == 503 {
            let refusal = error(status, &body);
            assert_eq!(refusal.code, Some(ErrorCode::StoreFull), "{body}");
            return refusal.message;
        }
        assert_eq!(status, 202, "{body}");
    }
    panic!("the store has no limit");
}

fn bytes_in_use(gateway: &TestGateway) -> u64 {
    let store = Connection::open(gateway.dir.path().join("data/event-gateway.db")).unwrap();
    let pragma =
        |name: &str| store.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).unwrap();
    u64::try_from((pragma("page_count") - pragma("freelist_count")) * pragma("page_size")).unwrap()
}

/// The size was looked at every ten seconds, so a store with a limit of 24 MiB grew to 473 MiB. Replays were taken although
/// it was full.
#[tokio::test]
async fn a_full_store_refuses_what_needs_room_until_there_is_some() {
    let functions = Functions::start(|_| Answer::Http(422, String::new())).await;
    let gateway = rejecting(&functions, &["default"]).await;
    let api = &gateway.api;
    let message = fill(api, "default").await;
    assert!(message.starts_with("the store is full of unfinished events"), "{message}");
    let used = bytes_in_use(&gateway);
    assert!(used > LIMIT * 8 / 10 && used <= LIMIT, "{used}");

    // Smaller events use up the rest, up to the last page. The end of a delivery may free a page.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let refused = emit(api, "default", 9_999, 500).await.0 != 202;
        assert!(Instant::now() < deadline, "the store never gets full");
        if refused
            && api.accounting().await["pending"] == 0
            && emit(api, "default", 9_999, 500).await.0 != 202
        {
            break;
        }
    }
    let replay = json!({ "from": "2000-01-01T00:00:00Z" }).to_string();
    for (path, body) in [("default/replays", replay.as_str()), ("default/dead-letters/redrive", "")] {
        let (status, answer) = api.config(Method::POST, path, body).await;
        assert_eq!(error(status, &answer).code, Some(ErrorCode::StoreFull), "{path}: {answer}");
    }
    // Discarded dead letters are finished, so their events make room.
    let (status, answer) = api.config(Method::DELETE, "default/dead-letters", "").await;
    assert_eq!(status, 200, "{answer}");
    let deadline = Instant::now() + PATIENCE;
    while emit(api, "default", 0, 50_000).await.0 != 202 {
        assert!(Instant::now() < deadline, "no room is made");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(api.accounting().await["balanced"], true);
}

/// One space filled the store, and the events of all others were refused.
#[tokio::test]
async fn a_noisy_space_leaves_room_for_others() {
    let functions = Functions::start(|_| Answer::Http(422, String::new())).await;
    let gateway = rejecting(&functions, &["noisy", "quiet"]).await;
    for id in 0..20 {
        assert_eq!(emit(&gateway.api, "quiet", id, 500).await.0, 202);
    }
    let message = fill(&gateway.api, "noisy").await;
    assert!(message.starts_with("the store is nearly full, and space `noisy` holds its share"), "{message}");
    assert!(bytes_in_use(&gateway) < LIMIT);
    for id in 20..40 {
        let (status, body) = emit(&gateway.api, "quiet", id, 500).await;
        assert_eq!(status, 202, "{body}");
    }
}
