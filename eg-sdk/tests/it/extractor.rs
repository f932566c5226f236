//! `CloudEvent<T>` as an argument of axum handlers, behind a real server.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use eg_sdk::{CloudEvent, Data};
use serde::Deserialize;
use serde_json::json;

use crate::server::{Request, send, serve};

#[derive(Deserialize)]
struct Created {
    id: u32,
}

async fn handler(event: CloudEvent<Created>) -> String {
    format!("{} {}", event.ty(), event.data.id)
}

async fn raw(event: CloudEvent<Data>) -> Vec<u8> {
    event.data.as_bytes().to_vec()
}

fn app() -> Router {
    Router::new().route("/", post(handler)).route("/raw", post(raw)).layer(DefaultBodyLimit::max(1_000))
}

fn event(data: serde_json::Value) -> CloudEvent {
    CloudEvent::of_type("user.created", "/s", data).with_id("1").encode().unwrap()
}

#[tokio::test]
async fn structured_and_binary_requests_reach_the_handler() {
    let url = serve(app()).await;
    for (headers, body) in [
        event(json!({"id": 7})).to_http_structured().unwrap(),
        event(json!({"id": 7})).to_http_binary().unwrap(),
    ] {
        let answer = send(Request::post(&url, &headers, &body)).await;
        assert_eq!((answer.status, answer.text()), (200, "user.created 7".to_owned()));
    }
    let (headers, body) = event(json!({"n": 1})).to_http_binary().unwrap();
    let answer = send(Request::post(&format!("{url}/raw"), &headers, &body)).await;
    assert_eq!(answer.text(), r#"{"n":1}"#);
}

#[tokio::test]
async fn what_is_no_event_of_the_type_is_answered_with_400() {
    let url = serve(app()).await;
    let (structured, _) = event(json!({})).to_http_structured().unwrap();
    let (batch, body) = eg_sdk::http::batch_to_http(&[event(json!({}))]).unwrap();
    let (headers, payload) = event(json!({"id": "x"})).to_http_binary().unwrap();
    for (headers, body, status, expected) in [
        (headers, payload, 400, "payload of event `user.created` (id 1): data.id: invalid type"),
        (structured.clone(), "{}".into(), 400, "the event has neither `specversion`"),
        (batch, body, 400, "is a batch of events"),
        (structured, vec![b' '; 1_001].into(), 413, "length limit exceeded"),
    ] {
        let answer = send(Request::post(&url, &headers, &body)).await;
        assert_eq!(answer.status, status);
        assert!(answer.text().contains(expected), "{}", answer.text());
    }
}
