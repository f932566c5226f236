//! What Prometheus reads.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Functions, PATIENCE, TestGateway};

/// The samples, by name with labels.
async fn samples(gateway: &TestGateway) -> BTreeMap<String, f64> {
    let response = gateway.api.client.get(format!("{}/v1/metrics", gateway.api.config)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let text = response.text().await.unwrap();
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.trim_start_matches("eventgateway_").to_owned(), value.parse().unwrap())
    };
    text.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

/// Waits until a sample has a value; others are compared at the same moment.
async fn check(gateway: &TestGateway, wait_for: (&str, f64), expected: &[(&str, f64)]) {
    let deadline = Instant::now() + PATIENCE;
    let mut found = samples(gateway).await;
    while found.get(wait_for.0) != Some(&wait_for.1) {
        assert!(Instant::now() < deadline, "{wait_for:?} in {found:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
        found = samples(gateway).await;
    }
    for (name, value) in expected {
        assert_eq!(found.get(*name), Some(value), "{name} in {found:#?}");
    }
}

/// The original had these from its library, too.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_process_is_measured() {
    let gateway = TestGateway::start().await;
    let found = samples(&gateway).await;
    for (name, least) in [
        ("process_resident_memory_bytes", 1e6),
        ("process_virtual_memory_bytes", 1e6),
        ("process_open_fds", 3.0),
        ("process_max_fds", 3.0),
        ("process_threads", 1.0),
        ("process_cpu_seconds_total", 0.0),
        ("process_start_time_seconds", 1.7e9),
    ] {
        assert!(found.get(name).is_some_and(|value| *value >= least), "{name} in {found:#?}");
    }
}

#[tokio::test]
async fn deliveries() {
    let functions = Functions::start(|call| match call.path.as_str() {
        "/bad" => Answer::Http(500, String::new()),
        "/hung" => Answer::Never,
        _ => Answer::Http(200, "{}".to_owned()),
    })
    .await;
    let gateway = TestGateway::with(|options| options.retry.attempts = 3).await;
    for id in ["good", "bad", "hung"] {
        gateway.api.event_type(id).await;
        gateway.api.http_function(id, &functions.url(&format!("/{id}"))).await;
        gateway.api.subscribe(id, id).await;
    }
    for (ty, id) in [("good", "1"), ("good", "2"), ("bad", "3"), ("nobody", "4")] {
        gateway.api.emit(ty, id).await;
    }
    check(
        &gateway,
        ("events_processed_total{space=\"default\",type=\"custom\"}", 3.0),
        &[
            ("events_received_total{space=\"default\",type=\"custom\"}", 3.0),
            ("delivery_attempts_total{outcome=\"delivered\",space=\"default\"}", 2.0),
            ("delivery_attempts_total{outcome=\"retry\",space=\"default\"}", 2.0),
            ("delivery_attempts_total{outcome=\"dead\",space=\"default\"}", 1.0),
            ("delivery_attempt_seconds_count{space=\"default\"}", 5.0),
            ("delivery_latency_seconds_count{space=\"default\"}", 2.0),
            ("events_custom_processing_seconds_count", 3.0),
            ("events_received_total{space=\"default\",type=\"eventgateway.function.invoking\"}", 5.0),
            ("events_received_total{space=\"default\",type=\"eventgateway.function.invoked\"}", 2.0),
            ("events_received_total{space=\"default\",type=\"eventgateway.function.invocationFailed\"}", 3.0),
        ],
    )
    .await;
    let at_rest = [("queue_oldest_seconds", 0.0), ("dead_letters{space=\"default\"}", 1.0)];
    check(&gateway, ("events_backlog", 0.0), &at_rest).await;
    gateway.api.emit("hung", "5").await;
    check(&gateway, ("events_backlog", 1.0), &[]).await;
    let gateway = gateway.restart().await;
    check(&gateway, ("dead_letters{space=\"default\"}", 1.0), &[("functions_total{space=\"default\"}", 3.0)])
        .await;
}

/// What ends without an attempt, or by its age, is counted as it is in the books.
#[tokio::test]
async fn ends_of_deliveries() {
    let functions = Functions::start(|call| match call.path.as_str() {
        "/late" => Answer::Http(500, String::new()),
        _ => Answer::Http(200, "{}".to_owned()),
    })
    .await;
    let gateway = TestGateway::with(|options| options.max_hops = 1).await;
    gateway.api.event_type("e").await;
    for (id, fields) in [
        ("good", json!({})),
        ("choosy", json!({ "filter": { "data": { "n": [2] } } })),
        ("late", json!({ "retry": { "maxAgeMs": 1, "minBackoffMs": 1000, "maxBackoffMs": 1000 } })),
    ] {
        gateway.api.http_function(id, &functions.url(&format!("/{id}"))).await;
        let mut subscription = json!({ "type": "async", "eventType": "e", "functionId": id });
        subscription.as_object_mut().unwrap().append(fields.clone().as_object_mut().unwrap());
        gateway.api.create("subscriptions", subscription).await;
    }
    gateway.api.emit("e", "1").await;
    let looping = json!({ "specversion": "1.0", "type": "e", "source": "/s", "id": "2", "hops": 2 });
    assert_eq!(gateway.api.emit_json(&looping).await.status(), 202);
    check(
        &gateway,
        ("events_processed_total{space=\"default\",type=\"custom\"}", 6.0),
        &[
            ("events_received_total{space=\"default\",type=\"custom\"}", 6.0),
            ("deliveries_ended_total{outcome=\"delivered\",space=\"default\"}", 1.0),
            ("deliveries_ended_total{outcome=\"dead\",space=\"default\"}", 2.0),
            ("deliveries_ended_total{outcome=\"expired\",space=\"default\"}", 1.0),
            ("deliveries_ended_total{outcome=\"filtered\",space=\"default\"}", 2.0),
        ],
    )
    .await;
    let (status, _) = gateway.api.config(Method::DELETE, "default/dead-letters", "").await;
    assert_eq!(status, 200);
    let samples = samples(&gateway).await;
    assert_eq!(samples.get("dead_letters{space=\"default\"}"), None, "discarded");
    let books = gateway.api.accounting().await;
    for (name, count) in [("accepted", 6), ("delivered", 1), ("dead", 2), ("expired", 1), ("filtered", 2)] {
        assert_eq!(books[name], count, "{name}");
    }
}

#[tokio::test]
async fn synchronous_calls() {
    let functions = Functions::start(|_| Answer::Http(500, String::new())).await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("http.request").await;
    gateway.api.http_function("f", &functions.url("/")).await;
    let subscription =
        json!({ "type": "sync", "eventType": "http.request", "functionId": "f", "method": "GET" });
    gateway.api.create("subscriptions", subscription).await;
    for (path, status) in [("/", 500), ("/", 500), ("/else", 404)] {
        let response = gateway.api.client.get(format!("{}{path}", gateway.api.events)).send().await.unwrap();
        assert_eq!(response.status(), status);
    }
    check(
        &gateway,
        ("events_processed_total{space=\"default\",type=\"http.request\"}", 2.0),
        &[("events_received_total{space=\"default\",type=\"http.request\"}", 2.0), ("events_backlog", 0.0)],
    )
    .await;
}

/// The original counted what the process had created and deleted itself.
#[tokio::test]
async fn resources_are_counted_as_they_are() {
    let gateway = TestGateway::start().await;
    for name in ["a", "b"] {
        gateway.api.event_type(name).await;
    }
    gateway.api.create("cors", json!({ "method": "GET", "path": "/" })).await;
    gateway.api.config(Method::POST, "acme/eventtypes", r#"{"name":"c"}"#).await;
    gateway.api.config(Method::DELETE, "acme/eventtypes/c", "").await;
    gateway.api.config(Method::DELETE, "default/eventtypes/b", "").await;
    gateway.api.config(Method::GET, "default/eventtypes", "").await;
    let resources = [("cors_total{space=\"default\"}", 1.0)];
    let requests = [
        ("config_requests_total{operation=\"create\",resource=\"eventtype\",space=\"default\"}", 2.0),
        ("config_requests_total{operation=\"create\",resource=\"eventtype\",space=\"acme\"}", 1.0),
        ("config_requests_total{operation=\"delete\",resource=\"eventtype\",space=\"default\"}", 1.0),
        ("config_requests_total{operation=\"list\",resource=\"eventtype\",space=\"default\"}", 1.0),
        ("config_request_duration_seconds_count", 7.0),
    ];
    let one = ("eventtypes_total{space=\"default\"}", 1.0);
    check(&gateway, one, &[&resources[..], &requests[..]].concat()).await;
    let gateway = gateway.restart().await;
    check(&gateway, one, &resources).await;
    assert!(!samples(&gateway).await.contains_key("eventtypes_total{space=\"acme\"}"));
}

/// Loops and events for a disabled subscription were counted, and no event told of them.
#[tokio::test]
async fn each_way_of_giving_up_is_told_once_and_counted_once() {
    let mut functions = Functions::start(|call| {
        let status = match call.path.as_str() {
            "/rejects" => 422,
            "/fails" | "/late" => 500,
            "/gone" => 410,
            _ => 200,
        };
        Answer::Http(status, String::new())
    })
    .await;
    let gateway = TestGateway::with(|options| options.retry.attempts = 2).await;
    let api = &gateway.api;
    let told = "eventgateway.delivery.deadLettered";
    for (ty, function) in
        [("r", "rejects"), ("f", "fails"), ("l", "late"), ("g", "gone"), ("h", "loops"), (told, "told")]
    {
        api.event_type(ty).await;
        api.http_function(function, &functions.url(&format!("/{function}"))).await;
        let retry = match function {
            "late" => {
                json!({ "attempts": 1000, "minBackoffMs": 60_000, "maxBackoffMs": 60_000, "maxAgeMs": 1 })
            }
            _ => json!({ "attempts": 2 }),
        };
        let subscription =
            json!({ "type": "async", "eventType": ty, "functionId": function, "retry": retry });
        api.create("subscriptions", subscription).await;
    }
    for ty in ["r", "f", "l", "g"] {
        api.emit(ty, ty).await;
    }
    api.wait_for_books("dead", 3).await;
    api.wait_for_books("expired", 1).await;
    // The subscription is disabled now.
    api.emit("g", "g2").await;
    let looping = json!({ "specversion": "1.0", "type": "h", "source": "/test", "id": "h", "hops": 17 });
    assert_eq!(api.emit_json(&looping).await.status(), 202);
    let (status, body) =
        api.config(Method::POST, "default/replays", json!({ "eventId": "h" }).to_string()).await;
    assert_eq!(status, 202, "{body}");
    api.wait_for_books("dead", 6).await;
    check(
        &gateway,
        ("deliveries_ended_total{outcome=\"dead\",space=\"default\"}", 6.0),
        &[("deliveries_ended_total{outcome=\"expired\",space=\"default\"}", 1.0)],
    )
    .await;
    // Each is told, and so much is delivered.
    api.wait_for_books("delivered", 7).await;
    gateway.gateway.shutdown().await;
    let calls = std::iter::from_fn(|| functions.try_call()).filter(|call| call.path == "/told");
    let mut reports: Vec<_> = calls
        .map(|call| {
            let data = call.json()["data"].clone();
            format!("{} {}", data["event"]["id"].as_str().unwrap(), data["state"].as_str().unwrap())
        })
        .collect();
    reports.sort();
    assert_eq!(reports, ["f dead", "g dead", "g2 dead", "h dead", "h dead", "l expired", "r dead"]);
}
