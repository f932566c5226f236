//! Where functions may be, how long they may take, and which traces their calls belong to.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use eg_gateway::PrivateTargets;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, CLOUDEVENTS, Functions, TestGateway};

async fn guarded(allowed: PrivateTargets) -> TestGateway {
    TestGateway::with(|options| {
        options.private_targets = allowed;
        options.retry.attempts = 2;
    })
    .await
}

#[tokio::test]
async fn private_addresses_are_refused_at_registration() {
    let gateway = guarded(PrivateTargets::none().allow("10.1.0.0/16").unwrap()).await;
    for (url, refused) in [
        ("http://127.0.0.1:3000/", Some("127.0.0.1")),
        ("http://2130706433/", Some("127.0.0.1")),
        ("http://0x7f.1/", Some("127.0.0.1")),
        ("http://localhost:3000/", Some("127.0.0.1")),
        ("http://169.254.169.254/latest/meta-data/", Some("169.254.169.254")),
        ("http://[::ffff:169.254.169.254]/", Some("169.254.169.254")),
        ("http://[fd00:ec2::254]/", Some("fd00:ec2::254")),
        ("http://192.168.0.1/", Some("192.168.0.1")),
        ("http://10.1.2.3/", None),
        ("https://example.com/", None),
    ] {
        let function = json!({ "functionId": "f", "type": "http", "provider": { "url": url } });
        let (status, body) =
            gateway.api.config(Method::POST, "default/functions", function.to_string()).await;
        let Some(address) = refused else {
            assert_eq!(status, 201, "{url}: {body}");
            let (status, _) = gateway.api.config(Method::DELETE, "default/functions/f", "").await;
            assert_eq!(status, 204);
            continue;
        };
        assert_eq!(status, 400, "{url}: {body}");
        let reason = format!("{address} is a private address");
        assert!(body.contains(&reason) && body.contains("--allow-target"), "{url}: {body}");
    }
}

/// What was registered when more was allowed is not called any more.
#[tokio::test]
async fn private_addresses_are_refused_when_they_are_called() {
    let mut functions = Functions::accepting().await;
    let open = TestGateway::start().await;
    let url = functions.url("/").replace("127.0.0.1", "localhost");
    open.api.event_type("e").await;
    open.api.http_function("f", &url).await;
    open.api.subscribe("e", "f").await;
    open.api.emit("e", "1").await;
    functions.next_call().await;
    open.api.wait_for_books("delivered", 1).await;

    let guarded = open.restart_with(|options| options.private_targets = PrivateTargets::none()).await;
    guarded.api.emit("e", "2").await;
    let letters = guarded.api.wait_for_dead_letters(1).await;
    let reason = letters[0]["reason"].as_str().unwrap();
    assert!(reason.contains("is a private address") && reason.contains("--allow-target"), "{reason}");
    assert_eq!(letters[0]["attempts"].as_array().unwrap().len(), 1, "it will not be allowed later");
    assert!(functions.try_call().is_none(), "it was not called");

    let allowed = guarded
        .restart_with(|options| {
            options.private_targets =
                PrivateTargets::none().allow("127.0.0.0/8").unwrap().allow("::1").unwrap();
        })
        .await;
    allowed.api.emit("e", "3").await;
    assert_eq!(functions.next_call().await.json()["id"], "3");
}

/// A function that the gateway may call must not send it where it may not go, nor anywhere else.
#[tokio::test]
async fn redirects_stay_on_their_host() {
    let mut elsewhere = Functions::accepting().await;
    let away = elsewhere.url("/stolen");
    let redirect = move |call: &crate::support::Call| match call.path.as_str() {
        "/away" => {
            let response = Response::builder().status(307).header("location", &away);
            Answer::Full(response.body(Body::empty()).unwrap())
        }
        "/near" => {
            let response = Response::builder().status(308).header("location", "/here");
            Answer::Full(response.body(Body::empty()).unwrap())
        }
        "/round" => {
            let response = Response::builder().status(307).header("location", "round");
            Answer::Full(response.body(Body::empty()).unwrap())
        }
        _ => Answer::Http(200, String::new()),
    };
    let mut functions = Functions::start(redirect).await;
    let gateway = guarded(PrivateTargets::all()).await;
    for (name, path) in [("away", "/away"), ("near", "/near"), ("round", "/round")] {
        gateway.api.event_type(name).await;
        gateway.api.http_function(name, &functions.url(path)).await;
        gateway.api.subscribe(name, name).await;
        gateway.api.emit(name, "1").await;
    }
    let mut letters: Vec<_> = gateway.api.wait_for_dead_letters(2).await;
    letters.sort_by_key(|letter| letter["functionId"].to_string());
    assert_eq!((&letters[0]["functionId"], &letters[1]["functionId"]), (&json!("away"), &json!("round")));
    assert_eq!(letters[1]["attempts"][0]["error"], "HTTP status 307");
    gateway.api.wait_for_books("delivered", 1).await;
    assert!(elsewhere.try_call().is_none(), "the event left its host");
    let mut paths = Vec::new();
    while let Some(call) = functions.try_call() {
        assert_eq!(call.json()["id"], "1", "a redirect keeps the event");
        paths.push(call.path);
    }
    paths.sort();
    // Two attempts each; one that is sent in a circle follows five redirects.
    assert_eq!(paths, [&["/away", "/away", "/here", "/near"][..], &["/round"; 12]].concat());
}

/// Queues may be anywhere too.
#[tokio::test]
async fn queues_at_private_addresses_are_not_written_to() {
    let mut queues = Functions::accepting().await;
    let gateway = guarded(PrivateTargets::none()).await;
    gateway.api.event_type("e").await;
    for (name, url) in
        [("literal", queues.url("/1/q")), ("named", queues.url("/1/q").replace("127.0.0.1", "localhost"))]
    {
        let provider = json!({ "queueUrl": url, "region": "eu-west-1", "awsAccessKeyId": "k", "awsSecretAccessKey": "s" });
        gateway
            .api
            .create("functions", json!({ "functionId": name, "type": "awssqs", "provider": provider }))
            .await;
        gateway.api.subscribe("e", name).await;
    }
    gateway.api.emit("e", "1").await;
    for letter in gateway.api.wait_for_dead_letters(2).await {
        let reason = letter["reason"].as_str().unwrap();
        assert!(reason.contains("is a private address"), "{reason}");
    }
    assert!(queues.try_call().is_none(), "it was written to");
}

#[tokio::test]
async fn a_function_has_a_time_limit_of_its_own() {
    let functions = Functions::start(|_| Answer::Never).await;
    let gateway = guarded(PrivateTargets::all()).await;
    let function = |timeout: Value| json!({ "functionId": "f", "type": "http", "provider": { "url": functions.url("/") }, "timeout": timeout });
    for timeout in [json!(0), json!(901), json!(1.5), json!("1"), json!(-1)] {
        let body = function(timeout.clone()).to_string();
        let (status, body) = gateway.api.config(Method::POST, "default/functions", body).await;
        assert_eq!(status, 400, "{timeout}");
        assert!(body.contains("timeout must be a whole number of seconds from 1 to 900"), "{body}");
    }
    let created = gateway.api.create("functions", function(json!(1))).await;
    assert_eq!(created["timeout"], 1);
    gateway.api.event_type("e").await;
    let subscription =
        json!({ "type": "async", "eventType": "e", "functionId": "f", "retry": { "attempts": 1 } });
    gateway.api.create("subscriptions", subscription).await;
    gateway.api.emit("e", "1").await;
    let letters = gateway.api.wait_for_dead_letters(1).await;
    assert_eq!(letters[0]["reason"], "all 1 attempts failed, the last one with: no answer within 1 s");

    // The gateway's own limit is what holds for a function without; this one would wait for half a minute.
    gateway.api.event_type("http.request").await;
    let sync = json!({ "type": "sync", "eventType": "http.request", "functionId": "f", "method": "GET" });
    gateway.api.create("subscriptions", sync).await;
    let answer = gateway.api.client.get(&gateway.api.events).timeout(Duration::from_secs(20)).send().await;
    assert_eq!(answer.unwrap().status(), 500);
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// The trace and the span that a call carries.
fn span(call: &crate::support::Call) -> (String, String) {
    let header = call.headers["traceparent"].to_str().unwrap();
    let parts: Vec<&str> = header.split('-').collect();
    assert_eq!((parts[0], parts[3]), ("00", "01"), "{header}");
    (parts[1].to_owned(), parts[2].to_owned())
}

#[tokio::test]
async fn every_call_belongs_to_the_trace_of_its_event() {
    let mut functions = Functions::start(|_| Answer::Http(200, r#"{"statusCode":200}"#.to_owned())).await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("e").await;
    gateway.api.event_type("http.request").await;
    gateway.api.http_function("f", &functions.url("/")).await;
    let subscription = gateway.api.subscribe("e", "f").await;
    let sync = json!({ "type": "sync", "eventType": "http.request", "functionId": "f", "method": "GET" });
    gateway.api.create("subscriptions", sync).await;
    let given = format!("00-{TRACE}-b7ad6b7169203331-01");
    let other = "00-11111111111111111111111111111111-2222222222222222-01";

    // By the request that brings it; the event says so from then on.
    let event = json!({ "specversion": "1.0", "type": "e", "source": "/s", "id": "1" });
    let post = gateway.api.client.post(&gateway.api.events).header("content-type", CLOUDEVENTS);
    let request = post.header("traceparent", &given).header("tracestate", "v=1").body(event.to_string());
    assert_eq!(request.send().await.unwrap().status(), 202);
    let call = functions.next_call().await;
    let first = span(&call);
    assert_eq!(first.0, TRACE);
    assert_ne!(first.1, "b7ad6b7169203331", "the call is a span of its own");
    assert_eq!(call.headers["tracestate"], "v=1");
    assert_eq!(call.json()["traceparent"], given);

    // By the event itself, whatever the request says.
    let event = json!({ "specversion": "1.0", "type": "e", "source": "/s", "id": "2", "traceparent": given });
    let post = gateway.api.client.post(&gateway.api.events).header("content-type", CLOUDEVENTS);
    assert_eq!(post.header("traceparent", other).body(event.to_string()).send().await.unwrap().status(), 202);
    let call = functions.next_call().await;
    assert_eq!((span(&call).0.as_str(), &call.json()["traceparent"]), (TRACE, &json!(given)));

    // An answered request.
    let get = gateway.api.client.get(&gateway.api.events).header("traceparent", &given);
    assert_eq!(get.send().await.unwrap().status(), 200);
    let call = functions.next_call().await;
    assert_eq!(span(&call).0, TRACE);
    assert_eq!(call.json()["extensions"]["traceparent"], given);

    // Without any trace, the event has one of its own: the same for its replay, after a restart.
    gateway.api.emit("e", "3").await;
    let alone = span(&functions.next_call().await);
    assert_ne!(alone.0, TRACE);
    gateway.api.wait_for_books("delivered", 3).await;
    let gateway = gateway.restart().await;
    for (id, trace) in [("1", TRACE), ("3", alone.0.as_str())] {
        let replay = json!({ "eventId": id, "subscriptionId": subscription }).to_string();
        assert_eq!(gateway.api.config(Method::POST, "default/replays", replay).await.0, 202);
        let call = functions.next_call().await;
        let replayed = span(&call);
        assert_eq!(replayed.0, trace, "replay of {id}");
        assert!(replayed.1 != first.1 && replayed.1 != alone.1, "the call is a span of its own");
        assert!(call.json()["replay"].is_string(), "{:?}", call.json());
    }
}
