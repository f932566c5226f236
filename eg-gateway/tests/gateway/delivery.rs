//! What happens to an event after its 202: attempts, retries, dead letters, and functions that get in nobody's way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use eg_gateway::{Activity, DeliveryOutcome};
use eg_tests::eventually;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, CLOUDEVENTS, Functions, PATIENCE, TestGateway};

/// A gateway on which `f` is subscribed to `e`.
async fn subscribed(gateway: TestGateway, functions: &Functions) -> (TestGateway, String) {
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/f")).await;
    let id = gateway.api.subscribe("e", "f").await;
    (gateway, id)
}

fn outcome(activity: Activity) -> (u32, DeliveryOutcome) {
    match activity {
        Activity::Delivery { attempt, outcome, .. } => (attempt, outcome),
        other => panic!("not a delivery: {other:?}"),
    }
}

#[tokio::test]
async fn every_subscriber_gets_the_event_as_it_was_sent() {
    let mut functions = Functions::accepting().await;
    let (gateway, _) = subscribed(TestGateway::start().await, &functions).await;
    gateway.api.http_function("g", &functions.url("/g")).await;
    gateway.api.subscribe("e", "g").await;
    let mut watcher = gateway.activity();

    let event = r#"{"specversion":"1.0","id":"1","source":"/s","type":"e","causationid":"0","ext":"x","data":{"z":12345678901234567890,"a":[2.50]}}"#;
    let request =
        gateway.api.client.post(&gateway.api.events).header("content-type", CLOUDEVENTS).body(event);
    assert_eq!(request.send().await.unwrap().status(), 202);
    let received = Activity::Received {
        event_id: "1".to_owned(),
        event_type: "e".to_owned(),
        source: "/s".to_owned(),
        method: "POST".to_owned(),
        path: "/".to_owned(),
        subscribers: 2,
        cause: Some("0".to_owned()),
    };
    assert_eq!(watcher.next().await, received);
    let mut paths = Vec::new();
    for _ in 0..2 {
        let call = functions.next_call().await;
        assert_eq!(call.headers["content-type"], CLOUDEVENTS);
        assert_eq!(std::str::from_utf8(&call.body).unwrap(), event);
        paths.push(call.path);
        assert_eq!(outcome(watcher.delivery().await), (1, DeliveryOutcome::Delivered));
    }
    paths.sort();
    assert_eq!(paths, ["/f", "/g"]);
    gateway.gateway.shutdown().await;
    assert!(functions.try_call().is_none(), "delivered once each");
}

#[tokio::test]
async fn a_failing_function_is_tried_again() {
    let calls = AtomicU32::new(0);
    let functions = Functions::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::Http(500, "not yet".to_owned()),
        1 => Answer::Http(429, String::new()),
        _ => Answer::Http(200, String::new()),
    })
    .await;
    let (gateway, _) = subscribed(TestGateway::start().await, &functions).await;
    let mut watcher = gateway.activity();
    gateway.api.emit("e", "1").await;
    for (attempt, error) in [(1, "HTTP status 500: not yet"), (2, "HTTP status 429")] {
        match outcome(watcher.delivery().await) {
            (n, DeliveryOutcome::Retry { error: found, .. }) => {
                assert_eq!((n, found.as_str()), (attempt, error));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(outcome(watcher.delivery().await), (3, DeliveryOutcome::Delivered));
    assert_eq!(gateway.api.dead_letters().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_delivery_that_waits_is_attempted_at_once_on_request() {
    let broken = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&broken);
    let mut functions = Functions::start(move |_| {
        Answer::Http(if state.load(Ordering::SeqCst) { 503 } else { 200 }, String::new())
    })
    .await;
    let gateway = TestGateway::start().await;
    let api = &gateway.api;
    api.event_type("e").await;
    api.http_function("f", &functions.url("/f")).await;
    let patient = json!({ "type": "async", "eventType": "e", "functionId": "f",
        "retry": { "minBackoffMs": 3_600_000, "maxBackoffMs": 3_600_000 } });
    api.create("subscriptions", patient).await;
    api.emit("e", "1").await;
    functions.next_call().await;
    let waiting = eventually("the delivery to wait", async || {
        let (_, detail) = api.config(Method::GET, "default/events/1", "").await;
        let detail: Value = serde_json::from_str(&detail).unwrap();
        let delivery = &detail["deliveries"][0];
        (delivery["state"] == "pending").then(|| delivery["deliveryId"].as_i64().unwrap())
    })
    .await;

    let retry =
        async |id: &str| api.config(Method::POST, &format!("default/deliveries/{id}/retry"), "").await;
    for id in ["999999", "x"] {
        let (status, answer) = retry(id).await;
        assert_eq!(status, 404, "{id}");
        assert!(answer.contains("waits for its next attempt"), "{answer}");
    }
    broken.store(false, Ordering::SeqCst);
    let (status, answer) = retry(&waiting.to_string()).await;
    assert_eq!((status, answer.as_str()), (202, "{\"redriven\":1,\"skipped\":0}\n"));
    functions.next_call().await;
    api.wait_for_books("delivered", 1).await;
    assert_eq!(retry(&waiting.to_string()).await.0, 404, "it has ended");
}

#[tokio::test]
async fn a_rejected_event_is_a_dead_letter_after_one_attempt() {
    let functions = Functions::start(|_| Answer::Http(422, "no e-mail".to_owned())).await;
    let (gateway, subscription) = subscribed(TestGateway::start().await, &functions).await;
    gateway.api.emit("e", "1").await;
    let letters = gateway.api.wait_for_dead_letters(1).await;
    let letter = &letters[0];
    for (key, expected) in [
        ("eventId", json!("1")),
        ("eventType", json!("e")),
        ("source", json!("/test")),
        ("subscriptionId", json!(subscription)),
        ("functionId", json!("f")),
        ("reason", json!("rejected: HTTP status 422: no e-mail")),
        (
            "event",
            json!({ "specversion": "1.0", "type": "e", "source": "/test", "id": "1", "data": { "n": 1 } }),
        ),
    ] {
        assert_eq!(letter[key], expected, "{key}");
    }
    let attempts = letter["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0]["number"], 1);
    assert_eq!(attempts[0]["outcome"], "failed");
    assert_eq!(attempts[0]["error"], "HTTP status 422: no e-mail");
    assert!(attempts[0]["durationMs"].is_u64() && attempts[0]["startedAt"].is_string(), "{attempts:?}");
}

#[tokio::test]
async fn used_up_attempts_make_a_dead_letter_with_its_history() {
    let mut functions = Functions::start(|_| Answer::Http(503, String::new())).await;
    let gateway = TestGateway::with(|options| options.retry.attempts = 3).await;
    let (gateway, _) = subscribed(gateway, &functions).await;
    gateway.api.emit("e", "1").await;
    let letters = gateway.api.wait_for_dead_letters(1).await;
    assert_eq!(letters[0]["reason"], "all 3 attempts failed, the last one with: HTTP status 503");
    assert_eq!(letters[0]["attempts"].as_array().unwrap().len(), 3);
    gateway.gateway.shutdown().await;
    let calls = std::iter::from_fn(|| functions.try_call()).count();
    assert_eq!(calls, 3);
}

#[tokio::test]
async fn dead_letters_are_paged() {
    let functions = Functions::start(|_| Answer::Http(400, String::new())).await;
    let (gateway, _) = subscribed(TestGateway::start().await, &functions).await;
    for id in 0..5 {
        gateway.api.emit("e", &id.to_string()).await;
    }
    let all: Vec<_> =
        gateway.api.wait_for_dead_letters(5).await.iter().map(|l| l["deadLetterId"].clone()).collect();
    let mut paged = Vec::new();
    let mut before = String::new();
    loop {
        let (_, body) =
            gateway.api.config(Method::GET, &format!("default/dead-letters?limit=2{before}"), "").await;
        let page: Value = serde_json::from_str(&body).unwrap();
        let ids: Vec<_> =
            page["deadLetters"].as_array().unwrap().iter().map(|l| l["deadLetterId"].clone()).collect();
        let Some(last) = ids.last() else { break };
        before = format!("&before={last}");
        paged.extend(ids);
    }
    assert_eq!(paged, all);
    for query in ["limit=0", "limit=501", "limit=x", "before=x"] {
        let (status, body) =
            gateway.api.config(Method::GET, &format!("default/dead-letters?{query}"), "").await;
        assert_eq!(status, 400, "{query}: {body}");
    }
}

/// The original had one queue: a subscriber that never answered kept four fifths of all events from the others.
#[tokio::test]
async fn a_hung_function_holds_up_no_other() {
    let mut functions = Functions::start(|call| match call.path.as_str() {
        "/hung" => Answer::Never,
        _ => Answer::Http(200, String::new()),
    })
    .await;
    let gateway = TestGateway::with(|options| options.workers = 4).await;
    gateway.api.event_type("e").await;
    for id in ["hung", "healthy"] {
        gateway.api.http_function(id, &functions.url(&format!("/{id}"))).await;
        gateway.api.subscribe("e", id).await;
    }
    let events = 30;
    for id in 0..events {
        gateway.api.emit("e", &id.to_string()).await;
    }
    let (mut healthy, mut hung) = (0, 0);
    while healthy < events {
        match functions.next_call().await.path.as_str() {
            "/healthy" => healthy += 1,
            _ => hung += 1,
        }
    }
    assert!((1..4).contains(&hung), "{hung} of 4 workers hang");
}

#[tokio::test]
async fn an_attempt_has_a_time_limit() {
    let functions = Functions::start(|_| Answer::Never).await;
    let gateway = TestGateway::with(|options| {
        options.http_timeout = Duration::from_millis(50);
        options.retry.attempts = 2;
    })
    .await;
    let (gateway, _) = subscribed(gateway, &functions).await;
    gateway.api.emit("e", "1").await;
    let letters = gateway.api.wait_for_dead_letters(1).await;
    assert_eq!(letters[0]["attempts"][0]["error"], "no answer within 0.05 s");
}

/// Deleting a subscription is a decision about the events that still wait for it: they are kept, with that reason.
#[tokio::test]
async fn pending_deliveries_of_a_deleted_subscription_are_dead_letters() {
    let functions = Functions::start(|_| Answer::Http(500, String::new())).await;
    let gateway = TestGateway::with(|options| {
        options.retry.min_backoff = Duration::from_secs(3600);
        options.retry.max_backoff = Duration::from_secs(3600);
    })
    .await;
    let (gateway, subscription) = subscribed(gateway, &functions).await;
    let mut watcher = gateway.activity();
    gateway.api.emit("e", "1").await;
    assert!(matches!(outcome(watcher.delivery().await), (1, DeliveryOutcome::Retry { .. })));
    let path = format!("default/subscriptions/{subscription}");
    assert_eq!(gateway.api.config(Method::DELETE, &path, "").await.0, 204);
    let letters = gateway.api.wait_for_dead_letters(1).await;
    assert_eq!(letters[0]["reason"], "the subscription was deleted");
    assert_eq!(letters[0]["event"]["id"], "1");
}

/// The deletion finds this delivery in flight, so it cannot bury it; the failure that follows must not revive it.
#[tokio::test]
async fn an_attempt_under_way_does_not_outlive_its_subscription() {
    let mut functions = Functions::start(|_| Answer::Never).await;
    let gateway = TestGateway::with(|options| {
        // Both deletions are done long before.
        options.http_timeout = Duration::from_secs(3);
        // Nobody waits for an attempt that will not be made.
        options.retry.min_backoff = Duration::from_secs(3600);
        options.retry.max_backoff = Duration::from_secs(3600);
    })
    .await;
    let (gateway, subscription) = subscribed(gateway, &functions).await;
    gateway.api.emit("e", "1").await;
    functions.next_call().await;
    let path = format!("default/subscriptions/{subscription}");
    assert_eq!(gateway.api.config(Method::DELETE, &path, "").await.0, 204);
    assert_eq!(gateway.api.config(Method::DELETE, "default/functions/f", "").await.0, 204);
    let letters = gateway.api.wait_for_dead_letters(1).await;
    assert_eq!(
        letters[0]["reason"],
        "the subscription was deleted during the attempt, which failed: no answer within 3 s"
    );
    assert_eq!(letters[0]["attempts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_corrected_function_gets_what_waited() {
    let functions = Functions::accepting().await;
    let gone = Functions::accepting().await.url("/gone");
    let gateway = TestGateway::start().await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &gone).await;
    gateway.api.subscribe("e", "f").await;
    let mut watcher = gateway.activity();
    gateway.api.emit("e", "1").await;
    assert!(matches!(outcome(watcher.delivery().await), (1, DeliveryOutcome::Retry { .. })));
    let corrected = json!({ "type": "http", "provider": { "url": functions.url("/") } }).to_string();
    assert_eq!(gateway.api.config(Method::PUT, "default/functions/f", corrected).await.0, 200);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while outcome(watcher.delivery().await).1 != DeliveryOutcome::Delivered {
        assert!(tokio::time::Instant::now() < deadline);
    }
}

#[tokio::test]
async fn a_user_and_a_password_in_a_url_are_sent_as_credentials() {
    let mut functions = Functions::accepting().await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("e").await;
    for (id, user, expected) in [
        ("both", "us%40er:p%3Aw@", Some("Basic dXNAZXI6cDp3")),
        ("user", "user@", Some("Basic dXNlcjo=")),
        ("none", "", None),
    ] {
        let url = functions.url("/path").replace("http://", &format!("http://{user}"));
        gateway.api.http_function(id, &url).await;
        let subscription = gateway.api.subscribe("e", id).await;
        gateway.api.emit("e", id).await;
        let call = functions.next_call().await;
        assert_eq!(call.headers.get("authorization").map(|value| value.to_str().unwrap()), expected);
        assert!(!call.headers["host"].to_str().unwrap().contains('@'));
        gateway.api.config(Method::DELETE, &format!("default/subscriptions/{subscription}"), "").await;
    }
}

#[tokio::test]
async fn what_waits_is_delivered_after_a_restart() {
    let mut functions = Functions::accepting().await;
    let gone = Functions::accepting().await.url("/gone");
    let gateway = TestGateway::start().await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &gone).await;
    gateway.api.subscribe("e", "f").await;
    let mut watcher = gateway.activity();
    gateway.api.emit("e", "1").await;
    watcher.delivery().await;
    let corrected = json!({ "type": "http", "provider": { "url": functions.url("/") } }).to_string();
    let gateway = {
        // The next attempt may come before or after the restart; the event must arrive either way.
        let gateway = gateway.restart().await;
        gateway.api.config(Method::PUT, "default/functions/f", corrected).await;
        gateway
    };
    assert_eq!(functions.next_call().await.json()["id"], "1");
    gateway.gateway.shutdown().await;
}

/// A chain that branched had no limit but its length.
#[tokio::test]
async fn an_event_leads_to_a_limited_number_of_others() {
    let functions = Functions::accepting().await;
    let (gateway, _) =
        subscribed(TestGateway::with(|options| options.max_fan_out = 10).await, &functions).await;
    let event = |id: String| json!({ "specversion": "1.0", "type": "e", "source": "/test", "id": id });
    assert_eq!(gateway.api.emit_json(&event("root".to_owned())).await.status(), 202);
    for n in 0..12 {
        // A name that nobody knows is no cause.
        let mut labelled = event(format!("labelled {n}"));
        labelled["causationid"] = json!("an import");
        assert_eq!(gateway.api.emit_json(&labelled).await.status(), 202);
        let mut caused = event(format!("caused {n}"));
        caused["causationid"] = json!(if n < 6 { "root".to_owned() } else { format!("caused {}", n - 6) });
        assert_eq!(gateway.api.emit_json(&caused).await.status(), 202);
        // Independent events do not count.
        for m in 0..3 {
            assert_eq!(gateway.api.emit_json(&event(format!("independent {n} {m}"))).await.status(), 202);
        }
    }
    let letters = gateway.api.wait_for_dead_letters(2).await;
    let letters: Vec<_> = letters.iter().map(|letter| (&letter["eventId"], &letter["reason"])).collect();
    let reason = json!("a fan-out: event \"root\" has led to more than 10 events, and 10 are allowed");
    assert_eq!(letters, [(&json!("caused 11"), &reason), (&json!("caused 10"), &reason)]);
    gateway.api.wait_for_books("delivered", 59).await;
}

/// Only functions that count their hops used to be stopped.
#[tokio::test]
async fn a_loop_ends_if_its_events_only_name_their_causes() {
    let functions = Functions::accepting().await;
    let (gateway, _) = subscribed(TestGateway::start().await, &functions).await;
    let event = |n: u32| {
        let mut event = json!({ "specversion": "1.0", "type": "e", "source": "/test", "id": n.to_string() });
        if n > 0 {
            event["causationid"] = json!((n - 1).to_string());
        }
        event
    };
    for n in 0..=18 {
        assert_eq!(gateway.api.emit_json(&event(n)).await.status(), 202);
    }
    let letters = gateway.api.wait_for_dead_letters(2).await;
    let reasons: Vec<_> = letters.iter().map(|letter| letter["reason"].as_str().unwrap()).collect();
    let reason = |n| format!("a loop: {n} events led to this one, and 16 are allowed");
    assert_eq!(reasons, [reason(18), reason(17)]);
    gateway.api.wait_for_books("delivered", 17).await;
}
