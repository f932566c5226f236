//! How large requests, events and answers may be. axum's own limit of 2 MB once stood in every function: events above it
//! were accepted and rejected for good, and uploads of 2 to 6 MB got a 413 that named no limit.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use axum::body::Body;
use eg_runtime::testing::{Answer, Outcome, TestApp};
use eg_runtime::{App, Bytes, CloudEvent, Data, Error, Form, Json, Request, http, subscribe};
use futures_util::stream;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::{Value, json};

const MB: usize = 1_000_000;

#[http(POST, "/bytes")]
async fn bytes(body: Bytes) -> String {
    body.len().to_string()
}

#[http(POST, "/text")]
async fn text(body: String) -> String {
    body.len().to_string()
}

#[http(POST, "/json")]
async fn takes_json(Json(body): Json<Value>) -> String {
    body["text"].as_str().unwrap_or_default().len().to_string()
}

#[derive(Deserialize)]
struct Upload {
    text: String,
}

#[http(POST, "/form")]
async fn form(Form(upload): Form<Upload>) -> String {
    upload.text.len().to_string()
}

/// Reads the body itself.
#[http(POST, "/stream")]
async fn streamed(request: Request) -> Result<String, Error> {
    match request.into_body().collect().await {
        Ok(body) => Ok(body.to_bytes().len().to_string()),
        Err(error) => Ok(format!("broken: {error}")),
    }
}

/// Takes the event's payload with an extractor of axum.
#[subscribe("large")]
async fn large(Json(payload): Json<Value>) -> Result<(), Error> {
    Err(Error::reject(payload["text"].as_str().unwrap_or_default().len()))
}

#[subscribe("large.typed")]
async fn large_typed(event: CloudEvent<Value>) -> Result<(), Error> {
    Err(Error::reject(event.data["text"].as_str().unwrap_or_default().len()))
}

fn app() -> TestApp {
    TestApp::new(App::new()).unwrap()
}

async fn post(app: &TestApp, path: &str, media_type: &str, body: impl Into<Body>) -> Answer {
    let request = axum::http::Request::post(path).header("content-type", media_type).body(body.into());
    app.http(request.unwrap()).await
}

/// A body whose length is not declared.
fn chunked(bytes: usize) -> Body {
    let chunks = (0..bytes / 1000).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1000])));
    Body::from_stream(stream::iter(chunks.collect::<Vec<_>>()))
}

#[tokio::test]
async fn every_extractor_takes_bodies_up_to_the_limit() {
    let app = app();
    for bytes in [3 * MB, 5_900_000] {
        let text = "x".repeat(bytes);
        for (path, media_type, body) in [
            ("/bytes", "application/octet-stream", text.clone()),
            ("/text", "text/plain", text.clone()),
            ("/stream", "text/plain", text.clone()),
            ("/json", "application/json", json!({"text": text}).to_string()),
            ("/form", "application/x-www-form-urlencoded", format!("text={text}")),
        ] {
            let answer = post(&app, path, media_type, body).await;
            assert_eq!((answer.status().as_u16(), answer.text()), (200, bytes.to_string()), "{path}");
        }
        let answer = post(&app, "/bytes", "application/octet-stream", chunked(bytes)).await;
        assert_eq!((answer.status().as_u16(), answer.text()), (200, bytes.to_string()), "in chunks");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_gets_a_413_that_names_it() {
    let too_large = |answer: &Answer| {
        let errors = answer.json::<Value>().unwrap()["errors"].to_string();
        assert_eq!(answer.status(), 413, "{errors}");
        assert!(errors.contains("larger than 6291456 bytes"), "{errors}");
        assert!(errors.contains("App::payload_limit"), "{errors}");
    };
    let app = app();
    for path in ["/bytes", "/text", "/json", "/form", "/stream"] {
        too_large(&post(&app, path, "application/json", "x".repeat(6_291_457)).await);
    }
    for path in ["/bytes", "/text"] {
        too_large(&post(&app, path, "text/plain", chunked(6_292_000)).await);
    }
    let answer = post(&app, "/stream", "text/plain", chunked(6_292_000)).await;
    assert_eq!(answer.text(), "broken: length limit exceeded");
}

#[tokio::test]
async fn the_limit_can_be_changed() {
    for (limit, bytes, status) in
        [(10, 10, 200), (10, 11, 413), (20 * MB, 19 * MB, 200), (20 * MB, 21 * MB, 413)]
    {
        let app = TestApp::new(App::new().payload_limit(limit)).unwrap();
        let answer = post(&app, "/bytes", "text/plain", "x".repeat(bytes)).await;
        assert_eq!(answer.status(), status, "{bytes} of {limit}");
    }
}

#[tokio::test]
async fn events_up_to_the_limit_reach_their_functions() {
    let app = app();
    for bytes in [3 * MB, 5_900_000] {
        for ty in ["large", "large.typed"] {
            let data = json!({"text": "x".repeat(bytes)});
            let event = CloudEvent::of_type(ty, "/tests", data).encode().unwrap();
            let deliveries = app.deliver(event.clone()).await.unwrap();
            assert_eq!(deliveries[0].outcome, Outcome::Rejected(bytes.to_string()), "{ty}");
            let payload = String::from_utf8(event.to_json().unwrap()).unwrap();
            assert_eq!(
                app.invoke(&payload).await.unwrap_err().error_message,
                bytes.to_string(),
                "{ty} on Lambda"
            );
        }
    }
}

/// `serde_json` reads 127 levels; its own message is "recursion limit exceeded at line 1 column 128".
#[tokio::test]
async fn json_that_is_nested_too_deeply_is_refused_with_the_limit() {
    let app = app();
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let message = "the JSON is nested more than 127 levels deep";
    assert_eq!(post(&app, "/json", "application/json", nested(127)).await.status(), 200);
    for depth in [128, 200, 100_000] {
        let answer = post(&app, "/json", "application/json", nested(depth)).await;
        assert_eq!(
            (answer.status().as_u16(), answer.text()),
            (400, json!({"errors": [message]}).to_string())
        );
        for ty in ["large", "large.typed"] {
            let data = Data::Json(serde_json::value::RawValue::from_string(nested(depth)).unwrap());
            let deliveries = app.deliver(CloudEvent::of_type(ty, "/tests", data)).await.unwrap();
            let Outcome::Rejected(reason) = &deliveries[0].outcome else { panic!("{deliveries:?}") };
            assert!(reason.contains(message), "{ty}: {reason}");
        }
    }
}
