//! Tests which calls are retried, how often, and that the event stays the same.

use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use axum::response::Response;
use eg_sdk::{CloudEvent, Data, Error, EventGateway, RetryPolicy, config};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::server::{Server, json, nobody, status};

/// Returns a policy with this maximum number of attempts and almost no wait.
fn attempts(attempts: u32) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.attempts = attempts;
    policy.base = Duration::from_millis(1);
    policy
}

fn event() -> CloudEvent {
    CloudEvent::of_type("t", "/s", Data::Empty)
}

fn later(status: u16, retry_after: &'static str) -> Response {
    let mut response = self::status(status);
    response.headers_mut().insert("retry-after", HeaderValue::from_static(retry_after));
    response
}

#[tokio::test]
async fn an_emit_survives_transient_refusals_with_the_same_event() {
    let server = Server::answers([status(503), status(429), status(408), status(500)]).await;
    let gateway = EventGateway::new(&server.url).unwrap().with_retry(attempts(5));
    gateway.emit(event()).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|request| request.body == seen[0].body), "the event changed between attempts");
}

#[tokio::test]
async fn the_last_refusal_is_reported_when_attempts_run_out() {
    let server = Server::start(|n, _| json(503, &json!({"errors": [{"message": format!("no {n}")}]}))).await;
    let gateway = EventGateway::new(&server.url).unwrap();
    for (policy, expected, requests) in
        [(attempts(3), "no 2", 3), (RetryPolicy::none(), "no 3", 4), (attempts(0), "no 4", 5)]
    {
        let e = gateway.clone().with_retry(policy).emit(event()).await.unwrap_err();
        assert!(e.to_string().ends_with(expected), "{e}");
        assert_eq!(server.seen().len(), requests);
    }
}

#[tokio::test]
async fn permanent_refusals_are_not_repeated() {
    for code in [400, 401, 403, 404, 413, 422] {
        let server = Server::answers([status(code)]).await;
        let e = EventGateway::new(&server.url).unwrap().emit(event()).await.unwrap_err();
        assert_eq!((e.status(), server.seen().len()), (Some(code), 1));
    }
}

#[tokio::test]
async fn an_emit_survives_connections_that_break() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = EventGateway::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let server = tokio::spawn(async move {
        let mut bodies = Vec::new();
        for answer in [None, None, Some("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            }
            bodies.push(String::from_utf8(request).unwrap().split_once("\r\n\r\n").unwrap().1.to_owned());
            if let Some(answer) = answer {
                tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await.unwrap();
            }
        }
        bodies
    });
    gateway.with_retry(attempts(3)).emit(event()).await.unwrap();
    let bodies = server.await.unwrap();
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}

#[tokio::test]
async fn a_gateway_that_starts_late_still_gets_the_event() {
    let url = nobody().await;
    let address = url.strip_prefix("http://").unwrap().to_owned();
    let mut policy = attempts(1_000);
    policy.base = Duration::from_millis(20);
    policy.cap = policy.base;
    let gateway = EventGateway::new(&url).unwrap().with_retry(policy);
    let emit = tokio::spawn(async move { gateway.emit(event()).await });
    let listener = TcpListener::bind(address).await.unwrap();
    let app = axum::Router::new().fallback(|| async { axum::http::StatusCode::ACCEPTED });
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    emit.await.unwrap().unwrap();
}

#[tokio::test]
async fn retry_after_is_waited_for_unless_it_is_too_long() {
    let server = Server::answers([later(429, "1")]).await;
    let gateway = EventGateway::new(&server.url).unwrap().with_retry(attempts(2));
    let started = Instant::now();
    gateway.emit(event()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));

    let server = Server::answers([later(429, "3600")]).await;
    let gateway = EventGateway::new(&server.url).unwrap().with_retry(attempts(2));
    assert_eq!(gateway.emit(event()).await.unwrap_err().status(), Some(429));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn what_may_have_had_an_effect_is_not_requested_twice() {
    for answer in [500, 502, 503, 408, 429] {
        let server = Server::answers([status(answer)]).await;
        let gateway = EventGateway::new(&server.url).unwrap().with_retry(attempts(3));
        assert_eq!(gateway.request(event()).await.unwrap_err().status(), Some(answer));
        assert_eq!(server.seen().len(), 1, "{answer}");
    }
    for answer in [503, 429] {
        let server = Server::answers([later(answer, "0"), json(200, &json!({}))]).await;
        let gateway = EventGateway::new(&server.url).unwrap().with_retry(attempts(3));
        assert_eq!(gateway.request(event()).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn the_config_api_repeats_reads_only() {
    let server = Server::start(|n, _| match n {
        0 => status(500),
        _ => json(if n == 1 { 200 } else { 500 }, &json!({"functions": []})),
    })
    .await;
    let mut settings = eg_sdk::Settings::default();
    settings.config_url = Some(server.url.clone());
    let gateway = EventGateway::with_settings(settings).unwrap().with_retry(attempts(2));
    assert_eq!(gateway.functions().list().await.unwrap(), []);
    assert_eq!(server.seen().len(), 2);
    let e = gateway.event_types().create(&config::EventType::new("t")).await.unwrap_err();
    assert_eq!((e.status(), server.seen().len()), (Some(500), 3));
}

#[tokio::test]
async fn an_unreachable_gateway_is_given_up_within_the_total_time() {
    let mut policy = attempts(u32::MAX);
    policy.total = Duration::from_millis(100);
    let gateway = EventGateway::new(&nobody().await).unwrap().with_retry(policy);
    let e = gateway.emit(event()).await.unwrap_err();
    assert!(matches!(e, Error::Unreachable { .. }), "{e}");
}
