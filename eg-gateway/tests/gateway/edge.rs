//! What the HTTP servers refuse before anybody looks at what a request means, and how much they take on.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::config_api::NO_PATH;
use crate::support::{Answer, Functions, PATIENCE, TestGateway};

async fn connect(url: &str) -> TcpStream {
    let port = url.rsplit(':').next().unwrap();
    TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap()
}

/// Sends the bytes and returns the first line of the answer.
async fn ask(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 1024];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.expect("an answer").unwrap();
    String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_request_names_one_host() {
    let gateway = TestGateway::start().await;
    for (head, status) in [
        ("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n", 200),
        ("GET /v1/status HTTP/1.1\r\nHost:\r\n", 200),
        ("GET /v1/status HTTP/1.0\r\n", 200),
        ("GET /v1/status HTTP/1.1\r\n", 400),
        ("GET /v1/status HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", 400),
        ("GET /v1/status HTTP/1.0\r\nHost: localhost\r\nHost: b\r\n", 400),
        ("GET /v1/status HTTP/1.1\r\nHost: a b\r\n", 400),
        ("GET /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n", 400),
        ("GET /v1/status HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n", 400),
    ] {
        for (url, ok) in [(&gateway.api.config, 200), (&gateway.api.events, 404)] {
            let line = ask(&mut connect(url).await, &format!("{head}\r\n")).await;
            let expected = if status == 200 { ok } else { status };
            assert!(line.contains(&format!(" {expected} ")), "{head:?}: {line}");
        }
    }
}

/// All that comes back until the gateway closes the connection.
async fn ask_until_closed(url: &str, bytes: &str) -> String {
    let mut stream = connect(url).await;
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    // A connection that is reset has been closed too; what came before counts.
    let _ = read.expect("the connection is closed");
    answer
}

/// Two readers of such bytes could see different requests, and one of them may be a proxy that checks what passes.
#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused() {
    let gateway = TestGateway::start().await;
    let fine = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n{\n}";
    let chunked =
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\n\n\n\r\n0\r\n\r\n";
    for wrong in [
        "GET / HTTP/1.1\nHost: localhost\n\n",
        "GET / HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: y\rZ: w\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n1",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ] {
        for (before, answered) in
            [("", 0), (fine, 1), (chunked, 1), (format!("{fine}{chunked}{fine}").as_str(), 3)]
        {
            let answer = ask_until_closed(&gateway.api.events, &format!("{before}{wrong}{fine}")).await;
            let statuses: Vec<&str> = answer
                .lines()
                .filter(|line| line.starts_with("HTTP/1.1 "))
                .map(|line| &line[9..12])
                .collect();
            let expected = [vec!["404"; answered], vec!["400"]].concat();
            assert_eq!(statuses, expected, "{wrong:?} after {before:?}");
        }
    }
    // Chunks are where the library reads without looking back.
    let broken =
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n";
    let answer = ask_until_closed(&gateway.api.events, &format!("{broken}{fine}")).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

/// Connections are few, and who says nothing must not keep one.
#[tokio::test]
async fn who_says_nothing_for_a_minute_is_hung_up_on() {
    let gateway = TestGateway::start().await;
    let whole = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut silent = Vec::new();
    for (first, rest) in
        [("", ""), ("GET / HT", ""), ("GET / HTTP/1.1\r\nHost: localhost\r\n", ""), (whole, "GET")]
    {
        let mut stream = connect(&gateway.api.events).await;
        if first == whole {
            assert!(ask(&mut stream, first).await.contains(" 404 "));
        }
        let sent = if first == whole { rest } else { first };
        stream.write_all(sent.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    // All of them are being served: connections are accepted in their order.
    assert!(ask(&mut connect(&gateway.api.events).await, whole).await.contains(" 404 "));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    for mut stream in silent {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "a silent connection stays");
    }
}

/// A tunnel through the gateway would carry bytes that nobody looks at.
#[tokio::test]
async fn nothing_is_upgraded() {
    let gateway = TestGateway::start().await;
    let upgrade = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut stream = connect(&gateway.api.events).await;
    assert!(ask(&mut stream, upgrade).await.contains(" 404 "), "a request like any other");
    assert!(ask(&mut stream, upgrade).await.contains(" 404 "), "the connection speaks HTTP as before");
    let connect = "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n";
    let line = ask(&mut self::connect(&gateway.api.events).await, connect).await;
    assert!(line.contains(" 405 "), "{line}");
}

/// A full table does not lock anybody out: who waits longest for a request makes room.
#[tokio::test]
async fn connections_are_bounded() {
    let gateway = TestGateway::with(|options| options.max_connections = 2).await;
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let (mut first, mut second) = (connect(&gateway.api.events).await, connect(&gateway.api.events).await);
    for stream in [&mut first, &mut second] {
        assert!(ask(stream, request).await.contains(" 404 "));
    }
    let mut third = connect(&gateway.api.events).await;
    assert!(ask(&mut third, request).await.contains(" 404 "));
    // What is left of its answer comes first.
    let end = tokio::time::timeout(PATIENCE, first.read_to_end(&mut Vec::new())).await;
    assert!(end.is_ok(), "the first one is closed");
    assert!(ask(&mut second, request).await.contains(" 404 "));
    assert!(
        ask(&mut connect(&gateway.api.config).await, request).await.contains(" 404 "),
        "the other API is free"
    );
}

#[tokio::test]
async fn connections_api() {
    let gateway = TestGateway::with(|options| options.connector_addr = Some(0.into())).await;
    let connector = gateway.gateway.connector_url().unwrap();
    for (method, path, status, answer) in [
        (Method::GET, "/v1/status", 200, ""),
        (Method::GET, "/v1/spaces/default/connections", 200, "{\"connections\":[]}\n"),
        (Method::GET, "/v1/spaces/default/connections?metadata.service=a", 200, "{\"connections\":[]}\n"),
        (
            Method::POST,
            "/v1/spaces/default/connections",
            400,
            "{\"errors\":[{\"code\":\"unsupported\",\"message\":\"this gateway runs no connectors: let the source send its events to the Events API\"}]}\n",
        ),
        (Method::DELETE, "/v1/spaces/default/connections/x", 404, NO_PATH),
        (Method::GET, "/v1/spaces/default/functions", 404, NO_PATH),
    ] {
        let request = gateway.api.client.request(method.clone(), format!("{connector}{path}"));
        let response = request.send().await.unwrap();
        let found = (response.status().as_u16(), response.text().await.unwrap());
        assert_eq!(found, (status, answer.to_owned()), "{method} {path}");
    }
    assert_eq!(TestGateway::start().await.gateway.connector_url(), None);
}

/// What a function gets of a body, and what its 404 means, with the quirks of the original and without.
#[tokio::test]
async fn quirks_on_demand() {
    for (strict, body, outcome) in [(false, json!([1]), (500, "")), (true, json!("WzFd"), (200, "hi"))] {
        let mut functions = Functions::start(|_| Answer::Http(404, r#"{"body":"hi"}"#.to_owned())).await;
        let gateway = TestGateway::with(|options| options.strict_compat = strict).await;
        gateway.api.event_type("http.request").await;
        gateway.api.http_function("f", &functions.url("/")).await;
        let subscription = json!({ "type": "sync", "eventType": "http.request", "functionId": "f" });
        gateway.api.create("subscriptions", subscription).await;
        let request = gateway.api.client.post(&gateway.api.events).header("content-type", "application/json");
        let response = request.body("[1]").send().await.unwrap();
        let call: Value = functions.next_call().await.json();
        assert_eq!(call["data"]["body"], body, "strict: {strict}");
        let (status, text) = outcome;
        assert_eq!(response.status(), status, "strict: {strict}");
        assert!(response.text().await.unwrap().contains(text));
    }
}
