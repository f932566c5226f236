//! Answers that functions send part by part: of functions on Lambda, called through the gateway's own client and AWS's, and of
//! functions over HTTP.

use std::time::Duration;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_gateway::Options;
use futures_util::stream::{self, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Functions, TestGateway};

const MEDIA_TYPE: &str = "application/vnd.awslambda.http-integration-response";

const PRELUDE: &str =
    "{\"statusCode\":201,\"headers\":{\"x-a\":\"1\"},\"cookies\":[\"a=1\"]}\0\0\0\0\0\0\0\0";

const EVENTS_PRELUDE: &str = "{\"statusCode\":200,\"headers\":{\"content-type\":\"text/event-stream; charset=utf-8\"}}\0\0\0\0\0\0\0\0";

/// How a stream ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Well,
    Fails,
    /// Nothing more arrives.
    Never,
}

fn end_of(path: &str) -> End {
    match path {
        path if path.contains("fails") => End::Fails,
        path if path.contains("stalls") => End::Never,
        _ => End::Well,
    }
}

fn message(event: &'static str, payload: impl Into<bytes::Bytes>) -> Vec<u8> {
    let text = |text: &'static str| HeaderValue::String(text.into());
    let content = if event == "PayloadChunk" { "application/octet-stream" } else { "application/json" };
    let message = Message::new(payload.into())
        .add_header(Header::new(":message-type", text("event")))
        .add_header(Header::new(":event-type", text(event)))
        // AWS's clients refuse an event of another type.
        .add_header(Header::new(":content-type", text(content)));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

/// Sends these parts as a body, and ends it in this way.
fn body(parts: Vec<Vec<u8>>, end: End) -> Body {
    let parts = stream::iter(parts.into_iter().map(Ok));
    match end {
        End::Well => Body::from_stream(parts),
        // The server sends what it has before it asks for more.
        End::Fails => Body::from_stream(parts.chain(stream::once(async {
            tokio::task::yield_now().await;
            Err(std::io::Error::other("no disk"))
        }))),
        End::Never => Body::from_stream(parts.chain(stream::pending())),
    }
}

/// Answers as Lambda does.
async fn lambda() -> Functions {
    Functions::start(|call| {
        let end = end_of(&call.path);
        let mut parts = if call.path.contains("whole") {
            vec![message("PayloadChunk", r#"{"statusCode":201,"body":"first second"}"#)]
        } else {
            [PRELUDE, "first ", "second"].map(|part| message("PayloadChunk", part)).to_vec()
        };
        match end {
            End::Well => parts.push(message("InvokeComplete", "{}")),
            End::Fails => {
                let report = json!({"errorType": "Retry", "errorMessage": "no disk"}).to_string();
                let complete = json!({"ErrorCode": "Retry", "ErrorDetails": report});
                parts.push(message("InvokeComplete", complete.to_string()));
            }
            End::Never => {}
        }
        // Where a message ends says nothing about where the next piece begins.
        let bytes = parts.concat();
        let pieces = bytes.chunks(11).map(<[u8]>::to_vec).collect();
        let end = if end == End::Never { End::Never } else { End::Well };
        let response = Response::builder().header("content-type", "application/vnd.amazon.eventstream");
        Answer::Full(response.body(body(pieces, end)).unwrap())
    })
    .await
}

/// Answers as an HTTP server of functions does.
async fn server() -> Functions {
    Functions::start(|call| {
        if call.path.contains("whole") {
            return Answer::Http(200, r#"{"statusCode":201,"body":"first second"}"#.to_owned());
        }
        let prelude = if call.path.contains("events") { EVENTS_PRELUDE } else { PRELUDE };
        let parts = [prelude, "first ", "second"].map(|part| part.as_bytes().to_vec()).to_vec();
        let response = Response::builder().header("content-type", MEDIA_TYPE);
        Answer::Full(response.body(body(parts, end_of(&call.path))).unwrap())
    })
    .await
}

type Set = fn(&mut Options, String);

/// The ways to call a function.
const WAYS: &[(&str, Set)] = &[
    ("http", |_, _| {}),
    ("a local Lambda", |options, url| options.local_lambda = Some(url)),
    #[cfg(feature = "aws")]
    ("AWS", |options, url| options.lambda_endpoint = Some(url)),
];

#[tokio::test]
async fn an_answer_is_passed_on_and_breaks_off_if_the_function_fails() {
    for (way, set) in WAYS {
        let mut functions = if *way == "http" { server().await } else { lambda().await };
        let url = functions.url("");
        let gateway = TestGateway::with(|options| set(options, url.clone())).await;
        gateway.api.event_type("http.request").await;
        for (name, expected, complete) in [
            ("streams", "first second", true),
            ("whole", "first second", true),
            ("fails", "first second", false),
            ("stalls", "first second", false),
        ] {
            let function = match *way {
                "http" => {
                    json!({ "functionId": name, "type": "http", "provider": { "url": functions.url(&format!("/{name}")) } })
                }
                _ => {
                    json!({ "functionId": name, "type": "awslambda", "provider": { "arn": name, "region": "eu-central-1",
                             "awsAccessKeyId": "k", "awsSecretAccessKey": "s" } })
                }
            };
            let mut function = function;
            (function["stream"], function["timeout"]) =
                (json!(true), json!(if name == "stalls" { 1 } else { 30 }));
            assert_eq!(gateway.api.create("functions", function).await["stream"], true);
            let subscription = json!({ "type": "sync", "eventType": "http.request", "functionId": name,
                                       "path": format!("/{name}"), "method": "GET" });
            gateway.api.create("subscriptions", subscription).await;

            let url = format!("{}/{name}", gateway.api.events);
            let mut response = gateway.api.client.get(url).send().await.unwrap();
            assert_eq!(response.status(), 201, "{name} via {way}");
            if name != "whole" {
                assert_eq!(response.headers()["x-a"], "1", "{name} via {way}");
                assert_eq!(response.headers()["set-cookie"], "a=1", "{name} via {way}");
            }
            let mut read = String::new();
            let whole = loop {
                match response.chunk().await {
                    Ok(Some(part)) => read += std::str::from_utf8(&part).unwrap(),
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            };
            assert_eq!((read.as_str(), whole), (expected, complete), "{name} via {way}");

            let call = functions.next_call().await;
            let said = match *way {
                "http" => call.headers["accept"].to_str().unwrap().to_owned(),
                _ => {
                    let context = STANDARD.decode(&call.headers["x-amz-client-context"]).unwrap();
                    assert_eq!(
                        call.path,
                        format!("/2021-11-15/functions/{name}/response-streaming-invocations")
                    );
                    String::from_utf8(context).unwrap()
                }
            };
            assert!(said.contains(MEDIA_TYPE), "{way}: {said}");
        }
    }
}

/// They never end by themselves. Their clients connect again, and should not take the end of the gateway for theirs.
#[tokio::test]
async fn server_sent_events_break_off_when_the_gateway_stops() {
    let functions = server().await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("http.request").await;
    let provider = json!({ "url": functions.url("/events-stalls") });
    let function = json!({ "functionId": "f", "type": "http", "stream": true, "provider": provider });
    gateway.api.create("functions", function).await;
    let subscription = json!({ "type": "sync", "eventType": "http.request", "functionId": "f", "path": "/", "method": "GET" });
    gateway.api.create("subscriptions", subscription).await;
    let mut response = gateway.api.client.get(&gateway.api.events).send().await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"second") {
        read.extend(response.chunk().await.unwrap().unwrap());
    }
    // It gives other requests 7 seconds.
    tokio::time::timeout(Duration::from_secs(5), gateway.gateway.shutdown()).await.expect("it stops at once");
    assert!(response.chunk().await.is_err(), "the answer looks complete");
}

/// A function that cannot answer a waiting emitter has nothing to stream.
#[tokio::test]
async fn only_functions_that_answer_can_stream() {
    let gateway = TestGateway::start().await;
    let function = |stream: Value| {
        json!({ "functionId": "s", "type": "awssqs", "stream": stream,
                "provider": { "queueUrl": "http://localhost/q", "region": "eu-central-1" } })
    };
    for (stream, message) in [
        (json!(true), "only functions of http and awslambda stream their answers"),
        (json!("yes"), "`stream` is a string: it must be true or false"),
    ] {
        let (status, body) =
            gateway.api.config(Method::POST, "default/functions", function(stream).to_string()).await;
        assert!(status == 400 && body.contains(message), "{status}: {body}");
    }
}
