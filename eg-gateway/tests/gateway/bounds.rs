//! What clients and functions can take from a gateway: memory, calls, the store's attention. The attacks of `tests` measure
//! the same with many of them.

use std::sync::Arc;
use std::time::Duration;

use eg_sdk::errors::ErrorCode;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{Answer, Functions, PATIENCE, TestGateway, error};

async fn connect(url: &str) -> TcpStream {
    let port = url.rsplit(':').next().unwrap();
    TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap()
}

/// Registers a function, and lets it answer requests to the same path.
async fn route(gateway: &TestGateway, functions: &Functions, path: &str) {
    let _ = gateway.api.config(Method::POST, "default/eventtypes", r#"{"name":"http.request"}"#).await;
    let id = path.trim_start_matches('/');
    gateway.api.http_function(id, &functions.url(path)).await;
    let route = json!({ "type": "sync", "eventType": "http.request", "functionId": id, "method": "GET", "path": path });
    gateway.api.create("subscriptions", route).await;
}

/// Memory was once reserved when a body was announced, so a few silent clients stopped everybody else.
#[tokio::test]
async fn a_body_takes_memory_only_as_it_arrives_and_must_arrive() {
    let gateway = TestGateway::with(|options| options.memory_limit = 4 << 20).await;
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/cloudevents+json\r\nContent-Length: 600000\r\n\r\n{";
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut stream = connect(&gateway.api.events).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    gateway.api.emit("e", "1").await;
    // Time passes until the gateway has given up each of them. Some may have been accepted only now.
    for mut stream in silent {
        let mut answer = [0; 12];
        let read = stream.read_exact(&mut answer);
        tokio::pin!(read);
        loop {
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(1)).await;
            tokio::time::resume();
            if let Ok(read) = tokio::time::timeout(Duration::from_millis(20), &mut read).await {
                read.unwrap();
                break;
            }
        }
        assert_eq!(&answer, b"HTTP/1.1 408");
    }
}

#[tokio::test]
async fn a_body_that_finds_no_memory_is_refused_before_it_is_sent() {
    let mut functions = Functions::start(|_| Answer::Never).await;
    let gateway = TestGateway::with(|options| options.memory_limit = 1 << 20).await;
    route(&gateway, &functions, "/hangs").await;
    let hung = tokio::spawn(gateway.api.client.get(format!("{}/hangs", gateway.api.events)).send());
    functions.next_call().await;
    for (url, path) in [(&gateway.api.events, "/"), (&gateway.api.config, "/v1/spaces/default/functions")] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: 600000\r\n\r\n"
        );
        let mut stream = connect(url).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer").unwrap();
        assert_eq!(&answer, b"HTTP/1.1 503", "{path}");
    }
    hung.abort();
}

/// A client that sends before it reads would be reset.
#[tokio::test]
async fn a_client_that_is_refused_while_it_sends_gets_the_answer() {
    let gateway = TestGateway::with(|options| options.body_limit = 1000).await;
    for (url, path) in [(&gateway.api.events, "/"), (&gateway.api.config, "/v1/spaces/default/functions")] {
        let mut stream = connect(url).await;
        let body = vec![b'x'; 2_000_000];
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut answer = [0; 12];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer").unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413", "{path}");
    }
}

#[tokio::test]
async fn a_route_that_hangs_leaves_calls_for_others() {
    let release = Arc::new(Notify::new());
    let held = Arc::clone(&release);
    let mut functions = Functions::start(move |call| match call.path.as_str() {
        "/hangs" => Answer::When(Arc::clone(&held)),
        _ => Answer::Http(200, r#"{"statusCode":200}"#.to_owned()),
    })
    .await;
    // Half of the connections may wait for functions: eight, of which one function gets five.
    let gateway = TestGateway::with(|options| options.max_connections = 16).await;
    route(&gateway, &functions, "/hangs").await;
    route(&gateway, &functions, "/well").await;
    let get = |path: &str| gateway.api.client.get(format!("{}{path}", gateway.api.events)).send();
    let mut hung = Vec::new();
    for _ in 0..5 {
        hung.push(tokio::spawn(get("/hangs")));
        functions.next_call().await;
    }
    let refused = get("/hangs").await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    let refused = error(503, &refused.text().await.unwrap());
    assert_eq!(refused.code, Some(ErrorCode::Overloaded));
    assert_eq!(refused.message, "too many requests wait for function \"hangs\"; try again");
    assert_eq!(get("/well").await.unwrap().status(), 200);
    gateway.api.emit("e", "1").await;
    let metrics = gateway.api.client.get(format!("{}/v1/metrics", gateway.api.config)).send().await.unwrap();
    let refused = "eventgateway_requests_refused_total{code=\"overloaded\"} 1";
    assert!(metrics.text().await.unwrap().contains(refused));
    for hung in hung {
        release.notify_one();
        assert_eq!(hung.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(get("/well").await.unwrap().status(), 200);
}

/// Replies are limited by memory only if somebody waits for them.
#[tokio::test]
async fn large_replies() {
    let large = format!(r#"{{"statusCode":200,"body":"{}"}}"#, "x".repeat(900_000));
    let mut functions = Functions::start(move |call| match call.path.as_str() {
        "/hangs" => Answer::Never,
        _ => Answer::Http(200, large.clone()),
    })
    .await;
    let gateway = TestGateway::with(|options| options.memory_limit = 1 << 20).await;
    route(&gateway, &functions, "/large").await;
    route(&gateway, &functions, "/hangs").await;
    gateway.api.event_type("e").await;
    gateway.api.subscribe("e", "large").await;
    let get = |path: &str| gateway.api.client.get(format!("{}{path}", gateway.api.events)).send();
    let alone = get("/large").await.unwrap().text().await.unwrap();
    assert_eq!(alone.len(), 900_000, "alone, a request gets what it needs");
    functions.next_call().await;
    let hung = tokio::spawn(get("/hangs"));
    functions.next_call().await;
    let refused = get("/large").await.unwrap();
    let status = refused.status().as_u16();
    assert_eq!(error(status, &refused.text().await.unwrap()).code, Some(ErrorCode::Overloaded));
    gateway.api.emit("e", "1").await;
    gateway.api.wait_for_books("delivered", 1).await;
    hung.abort();
}

#[tokio::test]
async fn a_batch_is_accepted_as_a_whole_and_so_has_a_maximum() {
    let gateway = TestGateway::start().await;
    gateway.api.event_type("e").await;
    for function in ["f", "g", "h"] {
        gateway.api.http_function(function, "http://127.0.0.1:9/").await;
        gateway.api.subscribe("e", function).await;
    }
    let batch = |events: usize, ty: &str| {
        let event =
            |id: usize| json!({ "specversion": "1.0", "id": id.to_string(), "source": "/s", "type": ty });
        let request = gateway.api.client.post(&gateway.api.events);
        let body = Value::from_iter((0..events).map(event)).to_string();
        request.header("content-type", "application/cloudevents-batch+json").body(body).send()
    };
    for (events, ty, expected) in [
        (5001, "none", Some("the batch has 5001 events, and 5000 are allowed: send several batches")),
        (
            1251,
            "e",
            Some(
                "the 1251 events of the batch and their deliveries are more than 5000: send smaller batches",
            ),
        ),
        (1250, "e", None),
    ] {
        let response = batch(events, ty).await.unwrap();
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        match expected {
            Some(message) => {
                let refused = error(status, &body);
                assert_eq!((refused.code, refused.message.as_str()), (Some(ErrorCode::TooLarge), message));
            }
            None => assert_eq!((status, body.as_str()), (202, "")),
        }
    }
    assert_eq!(gateway.api.accounting().await["accepted"], 3750);
}

/// Anyone may name any space, so spaces that do not exist share one label.
#[tokio::test]
async fn unknown_spaces_share_a_label() {
    let gateway = TestGateway::start().await;
    gateway.api.event_type("e").await;
    for space in ["none", "nowhere", "default"] {
        let (status, _) = gateway.api.config(Method::GET, &format!("{space}/functions"), "").await;
        assert_eq!(status, 200);
    }
    let url = format!("{}/v1/metrics", gateway.api.config);
    let text = gateway.api.client.get(url).send().await.unwrap().text().await.unwrap();
    let counted: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("eventgateway_config_requests_total{") && line.contains("\"list\""))
        .collect();
    let sample = |space: &str, count: u32| {
        format!(
            "eventgateway_config_requests_total{{operation=\"list\",resource=\"function\",space=\"{space}\"}} {count}"
        )
    };
    assert_eq!(counted, [sample("(other)", 2), sample("default", 1)]);
}
