//! Functions on Lambda, in AWS or on this machine: the gateway calls a server that speaks the Invoke API.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::response::Response;
use eg_gateway::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, CLOUDEVENTS, Functions, TestGateway, error};

/// Answers by the function's name.
async fn lambda() -> Functions {
    Functions::start(|call| {
        let name = call.path.split('/').nth(3).unwrap_or_default();
        let reply = |status: u16, error: Option<(&'static str, &str)>, body: Value| {
            let mut response = Response::builder().status(status);
            if let Some((name, value)) = error {
                response = response.header(name, value);
            }
            Answer::Full(response.body(Body::from(body.to_string())).unwrap())
        };
        match name {
            "hello" => reply(200, None, json!({ "statusCode": 201, "body": "hi" })),
            "rejects" => {
                let error = json!({ "errorType": "Reject", "errorMessage": "no such user" });
                reply(200, Some(("x-amz-function-error", "Unhandled")), error)
            }
            "fails" => {
                let error = json!({ "errorType": "Boom", "errorMessage": "try later" });
                reply(200, Some(("x-amz-function-error", "Unhandled")), error)
            }
            "denied" => reply(
                403,
                Some(("x-amzn-errortype", "AccessDeniedException")),
                json!({ "Message": "not you" }),
            ),
            "large" => {
                let message = json!({ "Type": "User", "message": "too large" });
                reply(413, Some(("x-amzn-errortype", "RequestTooLargeException")), message)
            }
            _ => {
                let message = json!({ "Type": "User", "Message": "Function not found" });
                reply(404, Some(("x-amzn-errortype", "ResourceNotFoundException")), message)
            }
        }
    })
    .await
}

/// Sets where Lambda is.
type Place = fn(&mut Options, String);

/// The two ways to call Lambda: the gateway's own client, and AWS's.
const PLACES: &[(&str, Place)] = &[
    ("local", |options, url| options.local_lambda = Some(url)),
    #[cfg(feature = "aws")]
    ("aws", |options, url| options.lambda_endpoint = Some(url)),
];

async fn gateway(lambda: &Functions, place: Place) -> TestGateway {
    let url = lambda.url("");
    let gateway = TestGateway::with(|options| {
        place(options, url);
        options.retry.attempts = 2;
    })
    .await;
    for name in ["hello", "rejects", "fails", "denied", "large", "missing"] {
        let provider = json!({ "arn": name, "region": "eu-central-1", "awsAccessKeyId": "k", "awsSecretAccessKey": "s" });
        gateway
            .api
            .create("functions", json!({ "functionId": name, "type": "awslambda", "provider": provider }))
            .await;
    }
    gateway
}

#[tokio::test]
async fn answers() {
    for (via, place) in PLACES {
        answers_via(via, *place).await;
    }
}

async fn answers_via(via: &str, place: Place) {
    let mut lambda = lambda().await;
    let gateway = gateway(&lambda, place).await;
    gateway.api.event_type("http.request").await;
    let failed =
        r#"{"errors":[{"code":"function_failed","message":"Function call failed. Please check logs."}]}"#
            .to_owned()
            + "\n";
    for (name, status, body) in [
        ("hello", 201, "hi"),
        ("rejects", 500, &failed),
        ("fails", 500, &failed),
        ("missing", 500, &failed),
        ("denied", 500, "Function call failed with AccessDeniedException. The provided"),
    ] {
        let subscription = json!({ "type": "sync", "eventType": "http.request", "functionId": name,
                                   "path": format!("/{name}"), "method": "GET" });
        gateway.api.create("subscriptions", subscription).await;
        let response = gateway.api.client.get(format!("{}/{name}", gateway.api.events)).send().await.unwrap();
        assert_eq!(response.status(), status, "{name} via {via}");
        let text = response.text().await.unwrap();
        assert!(text.contains(body), "{name} via {via}: {text}");
        let call = lambda.next_call().await;
        assert_eq!(call.path, format!("/2015-03-31/functions/{name}/invocations"));
        assert_eq!(call.json()["data"]["path"], format!("/{name}"));
        assert!(lambda.try_call().is_none(), "{name} was called more than once via {via}");
    }
}

#[tokio::test]
async fn outcomes() {
    for (via, place) in PLACES {
        outcomes_via(via, *place).await;
    }
}

/// AWS's clients repeat calls that Lambda throttled or could not make. An emitter that waits used to get a 500 at once.
#[tokio::test]
async fn a_call_that_lambda_could_not_make_is_repeated_while_the_emitter_waits() {
    for (via, place) in PLACES {
        for (code, status) in [("TooManyRequestsException", 429), ("ServiceException", 500)] {
            let calls = Arc::new(AtomicUsize::new(0));
            let failures = Arc::new(AtomicUsize::new(0));
            let (seen, failing) = (Arc::clone(&calls), Arc::clone(&failures));
            let lambda = Functions::start(move |_| {
                let call = seen.fetch_add(1, Ordering::SeqCst);
                if call >= failing.load(Ordering::SeqCst) {
                    return Answer::Http(200, r#"{"body":"hi"}"#.to_owned());
                }
                let refused = Response::builder().status(status).header("x-amzn-errortype", code);
                Answer::Full(refused.body(Body::from(r#"{"message":"later"}"#)).unwrap())
            })
            .await;
            let gateway = gateway(&lambda, *place).await;
            gateway.api.event_type("http.request").await;
            let subscription = json!({ "type": "sync", "eventType": "http.request", "functionId": "hello", "method": "GET" });
            gateway.api.create("subscriptions", subscription).await;
            for (failing, expected, made) in [(0, 200, 1), (1, 200, 2), (100, 500, 4)] {
                calls.store(0, Ordering::SeqCst);
                failures.store(failing, Ordering::SeqCst);
                let response = gateway.api.client.get(&gateway.api.events).send().await.unwrap();
                assert_eq!(response.status(), expected, "{code} {failing} times via {via}");
                assert_eq!(calls.load(Ordering::SeqCst), made, "{code} {failing} times via {via}");
            }
        }
    }
}

async fn outcomes_via(via: &str, place: Place) {
    let lambda = lambda().await;
    let gateway = gateway(&lambda, place).await;
    for (name, attempts, reason) in [
        ("rejects", 1, "rejected: no such user"),
        ("large", 1, "rejected: RequestTooLargeException: too large"),
        ("fails", 2, "all 2 attempts failed, the last one with: Boom: try later"),
        ("denied", 2, "all 2 attempts failed, the last one with: AccessDeniedException: not you"),
        (
            "missing",
            2,
            "all 2 attempts failed, the last one with: ResourceNotFoundException: Function not found",
        ),
    ] {
        let before = gateway.api.dead_letters().await.len();
        gateway.api.event_type(name).await;
        gateway.api.subscribe(name, name).await;
        gateway.api.emit(name, "1").await;
        let letter = &gateway.api.wait_for_dead_letters(before + 1).await[0];
        assert_eq!(letter["reason"], reason, "{name} via {via}");
        assert_eq!(letter["attempts"].as_array().unwrap().len(), attempts, "{name} via {via}");
    }
    let (status, _) = gateway.api.config(Method::GET, "default/dead-letters", "").await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn functions_find_the_trace_in_their_context() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    for (via, place) in PLACES {
        let mut lambda = Functions::accepting().await;
        let gateway = gateway(&lambda, *place).await;
        gateway.api.event_type("e").await;
        gateway.api.subscribe("e", "hello").await;
        let traceparent = format!("00-{TRACE}-b7ad6b7169203331-01");
        let event = json!({ "specversion": "1.0", "type": "e", "source": "/s", "id": "1", "traceparent": traceparent });
        assert_eq!(gateway.api.emit_json(&event).await.status(), 202);
        let call = lambda.next_call().await;
        let x_ray = call.headers["x-amzn-trace-id"].to_str().unwrap();
        assert!(x_ray.starts_with("Root=1-0af76519-16cd43dd8448eb211c80319c;Parent="), "{via}: {x_ray}");
        assert!(x_ray.ends_with(";Sampled=1") && !x_ray.contains("b7ad6b7169203331"), "{via}: {x_ray}");
    }
}

/// A build without AWS's clients refuses what it could never deliver, and keeps events for functions that another build
/// has registered.
#[cfg(not(feature = "aws"))]
#[tokio::test]
async fn what_needs_a_missing_feature_names_it() {
    let gateway = TestGateway::with(|options| options.retry.attempts = 1).await;
    let provider = json!({ "streamName": "s", "region": "eu-central-1" });
    let function = json!({ "functionId": "stream", "type": "awskinesis", "provider": provider });
    let (status, body) = gateway.api.config(Method::POST, "default/functions", function.to_string()).await;
    assert_eq!(status, 400);
    assert!(body.contains("build it with the Cargo feature `aws`"), "{body}");

    let provider = json!({ "arn": "f", "region": "eu-central-1" });
    let function = json!({ "functionId": "f", "type": "awslambda", "provider": provider });
    gateway.api.create("functions", function).await;
    gateway.api.event_type("e").await;
    gateway.api.subscribe("e", "f").await;
    gateway.api.emit("e", "1").await;
    let letter = &gateway.api.wait_for_dead_letters(1).await[0];
    let reason = letter["reason"].as_str().unwrap();
    assert!(reason.contains("build it with the Cargo feature `aws`"), "{reason}");
}

/// The limit of Lambda, and of events for it.
const LIMIT: usize = 6 * 1024 * 1024;

/// The JSON of an event may be larger than the request. Such events were accepted for functions that cannot take them, or
/// functions were called with them.
#[tokio::test]
async fn an_event_that_lambda_does_not_take_is_refused_before_anything_happens() {
    let (mut lambda, functions) = (lambda().await, Functions::accepting().await);
    let gateway = gateway(&lambda, PLACES[0].1).await;
    let api = &gateway.api;
    api.http_function("plain", &functions.url("/")).await;
    for name in ["http.request", "big", "eventgateway.event.received"] {
        api.event_type(name).await;
    }
    for (path, function) in [("/lambda", "hello"), ("/plain", "plain")] {
        let route = json!({ "type": "sync", "eventType": "http.request", "functionId": function, "path": path, "method": "POST" });
        api.create("subscriptions", route).await;
    }
    api.subscribe("big", "plain").await;
    let filtered = json!({ "type": "async", "eventType": "big", "functionId": "hello", "path": "/filtered",
                           "filter": { "source": ["/other"] } });
    api.create("subscriptions", filtered).await;
    api.subscribe("eventgateway.event.received", "plain").await;

    let post = async |path: &str, headers: &[(&str, &str)], body: Vec<u8>| {
        let request = api.client.post(format!("{}{path}", api.events)).body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let event = |id: &str, size: usize| {
        json!({ "specversion": "1.0", "id": id, "source": "/s", "type": "big", "data": "x".repeat(size) })
            .to_string()
    };
    let bytes = [("content-type", "application/octet-stream")];
    let form = [("content-type", "application/x-www-form-urlencoded"), ("event", "big")];
    let structured = [("content-type", CLOUDEVENTS)];
    let batch = [("content-type", "application/cloudevents-batch+json")];
    let two = format!("[{},{}]", event("2", 1), event("3", LIMIT));

    // Who takes it gets it.
    assert_eq!(post("/lambda", &bytes, vec![255; 4_600_000]).await.0, 201);
    lambda.next_call().await;
    assert_eq!(post("/plain", &bytes, vec![255; 4_800_000]).await.0, 200);
    assert_eq!(post("/", &structured, event("1", LIMIT).into()).await.0, 202);
    assert_eq!(post("/filtered", &structured, event("1", LIMIT).into()).await.0, 202);

    let stored = async || {
        let (_, body) = api.config(Method::GET, "default/events?limit=500", "").await;
        serde_json::from_str::<Value>(&body).unwrap()["events"].as_array().unwrap().len()
    };
    let before = stored().await;
    api.subscribe("big", "hello").await;
    for (path, headers, body, least) in [
        ("/lambda", &bytes[..], vec![255; 4_800_000], 6_400_000),
        // Each line break takes two bytes.
        ("/", &form, vec![b'\n'; 3_500_000], 7_000_000),
        ("/", &structured, event("4", LIMIT).into(), LIMIT),
        ("/", &batch, two.into(), LIMIT),
    ] {
        let (status, body) = post(path, headers, body).await;
        let message = error(status, &body).message;
        assert_eq!(status, 413, "{message}");
        let rest = message.strip_prefix("as JSON, in which binary data is base64, the event has ").unwrap();
        let (size, rest) = rest.split_once(' ').unwrap();
        assert!((least..least + 1_000).contains(&size.parse().unwrap()), "{message}");
        assert_eq!(
            rest,
            "bytes; function \"hello\" takes at most 6291456, the limit of AWS Lambda: send less, or a reference to the data"
        );
    }
    assert_eq!(stored().await, before, "neither the events nor reports of them");
    gateway.gateway.shutdown().await;
    assert!(lambda.try_call().is_none());
}

/// Both were accepted, and ended as dead letters with Lambda's reason.
#[tokio::test]
async fn a_replay_and_a_redrive_that_lambda_does_not_take_are_refused() {
    let (lambda, functions) = (lambda().await, Functions::accepting().await);
    let gateway = gateway(&lambda, PLACES[0].1).await;
    let api = &gateway.api;
    api.http_function("plain", &functions.url("/")).await;
    for name in ["big", "small"] {
        api.event_type(name).await;
    }
    let large =
        json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "big", "data": "x".repeat(LIMIT) });
    api.subscribe("big", "plain").await;
    assert_eq!(api.emit_json(&large).await.status(), 202);
    api.subscribe("small", "rejects").await;
    api.emit("small", "2").await;
    let letters = api.wait_for_dead_letters(1).await;

    let subscription = api.subscribe("big", "hello").await;
    let replay = json!({ "eventId": "1", "subscriptionId": subscription });
    let edited = json!({ "event": large });
    let redrive = format!("default/dead-letters/{}/redrive", letters[0]["deadLetterId"]);
    for (path, body, function) in [("default/replays", replay, "hello"), (&redrive, edited, "rejects")] {
        let (status, body) = api.config(Method::POST, path, body.to_string()).await;
        let message = error(status, &body).message;
        assert_eq!(status, 413, "{path}: {message}");
        let limit = format!("function \"{function}\" takes at most 6291456, the limit of AWS Lambda");
        assert!(message.contains(&limit), "{path}: {message}");
    }
    let (_, body) = api.config(Method::GET, "default/events/1", "").await;
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(event["deliveries"].as_array().unwrap().len(), 1, "only the one to `plain`");
    assert_eq!(api.dead_letters().await.len(), 1);
    gateway.gateway.shutdown().await;
}

/// JSON has no bytes. Header values that are not UTF-8 reached functions as U+FFFD.
#[tokio::test]
async fn header_values_that_are_not_utf8_are_read_as_iso_8859_1() {
    let mut lambda = lambda().await;
    let gateway = gateway(&lambda, PLACES[0].1).await;
    gateway.api.event_type("http.request").await;
    for (kind, path) in [("sync", "/asked"), ("async", "/heard")] {
        let subscription = json!({ "type": kind, "eventType": "http.request", "functionId": "hello", "path": path, "method": "GET" });
        gateway.api.create("subscriptions", subscription).await;
        let request = gateway.api.client.get(format!("{}{path}", gateway.api.events));
        let values = [("x-latin", &b"caf\xe9"[..]), ("x-utf", "café".as_bytes())];
        let request = values.iter().fold(request, |request, (name, value)| {
            request.header(*name, reqwest::header::HeaderValue::from_bytes(value).unwrap())
        });
        assert!(request.send().await.unwrap().status().is_success());
        let headers = &lambda.next_call().await.json()["data"]["headers"];
        assert_eq!((&headers["X-Latin"], &headers["X-Utf"]), (&json!("café"), &json!("café")), "{kind}");
    }
}
