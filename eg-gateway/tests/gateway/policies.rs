//! Retry policies of subscriptions: whose limits count, what functions may ask for, and the ways an event ends without
//! being delivered.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use eg_gateway::{Activity, DeliveryOutcome};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Functions, TestGateway, Watcher};

/// A subscription of `f` to `e` with more fields, and its id.
async fn subscribe(gateway: &TestGateway, functions: &Functions, fields: Value) -> String {
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/f")).await;
    let mut subscription = json!({ "type": "async", "eventType": "e", "functionId": "f" });
    subscription.as_object_mut().unwrap().append(fields.clone().as_object_mut().unwrap());
    let created = gateway.api.create("subscriptions", subscription).await;
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(&created[name], value);
    }
    created["subscriptionId"].as_str().unwrap().to_owned()
}

async fn outcome(watcher: &mut Watcher) -> (u32, DeliveryOutcome) {
    match watcher.delivery().await {
        Activity::Delivery { attempt, outcome, .. } => (attempt, outcome),
        other => panic!("not a delivery: {other:?}"),
    }
}

#[tokio::test]
async fn a_subscription_has_its_own_limits() {
    let functions = Functions::start(|_| Answer::Http(500, String::new())).await;
    let gateway = TestGateway::start().await;
    let id = subscribe(&gateway, &functions, json!({ "retry": { "attempts": 2, "maxBackoffMs": 1 } })).await;
    gateway.api.emit("e", "1").await;
    let letters = gateway.api.wait_for_dead_letters(1).await;
    assert_eq!(letters[0]["reason"], "all 2 attempts failed, the last one with: HTTP status 500");

    let path = format!("default/subscriptions/{id}");
    let changed = json!({ "type": "async", "eventType": "e", "functionId": "f", "retry": { "attempts": 1 } });
    let (status, body) = gateway.api.config(Method::PUT, &path, changed.to_string()).await;
    assert_eq!(status, 200, "{body}");
    gateway.api.emit("e", "2").await;
    let letters = gateway.api.wait_for_dead_letters(2).await;
    assert_eq!(letters[0]["reason"], "all 1 attempts failed, the last one with: HTTP status 500");
}

#[tokio::test]
async fn a_profile_is_kept_by_name() {
    let functions = Functions::accepting().await;
    let gateway = TestGateway::start().await;
    let id = subscribe(&gateway, &functions, json!({ "retry": "eventbridge" })).await;
    let gateway = gateway.restart().await;
    let (_, body) = gateway.api.config(Method::GET, &format!("default/subscriptions/{id}"), "").await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["retry"], "eventbridge");
}

#[tokio::test]
async fn faults_are_refused_when_subscribing() {
    let functions = Functions::accepting().await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/f")).await;
    for (kind, field, detail) in [
        (
            "async",
            json!({ "retry": { "attempts": 0 } }),
            "retry.attempts must be a whole number of attempts from 1 to 10000, not 0",
        ),
        ("async", json!({ "retry": "aws" }), "retry profile `aws` is unknown"),
        ("async", json!({ "filter": { "type": "e" } }), "filter.type is \"e\": values stand in an array"),
        ("async", json!({ "ordered": 1 }), "`ordered` is a number: it must be true or false"),
        ("sync", json!({ "retry": { "attempts": 3 } }), "retry, filter, ordered and disabled are for async"),
    ] {
        let mut subscription = json!({ "type": kind, "eventType": "e", "functionId": "f" });
        subscription.as_object_mut().unwrap().append(field.clone().as_object_mut().unwrap());
        let (status, body) =
            gateway.api.config(Method::POST, "default/subscriptions", subscription.to_string()).await;
        assert_eq!(status, 400, "{field}: {body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let message = body["errors"][0]["message"].as_str().unwrap();
        let found = message.strip_prefix("Subscription doesn't validate. Validation error: ");
        assert!(found.is_some_and(|found| found.starts_with(detail)), "{field}: {message}");
    }
}

/// The function asks for an hour; what it gets is the time that is left, which is how the test sees that both the
/// wish and the limit were heeded.
#[tokio::test]
async fn a_function_may_ask_for_a_pause() {
    let in_an_hour = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
    let date = httpdate::fmt_http_date(in_an_hour.into());
    for value in ["3600".to_owned(), date] {
        let answer = value.clone();
        let functions = Functions::start(move |_| {
            let response = axum::http::Response::builder().status(503).header("retry-after", &answer);
            Answer::Full(response.body(axum::body::Body::empty()).unwrap())
        })
        .await;
        let gateway = TestGateway::start().await;
        let mut watcher = gateway.activity();
        subscribe(&gateway, &functions, json!({ "retry": { "maxAgeMs": 1_800_000 } })).await;
        gateway.api.emit("e", "1").await;
        let (attempt, DeliveryOutcome::Retry { after, .. }) = outcome(&mut watcher).await else {
            panic!("no retry")
        };
        assert_eq!(attempt, 1);
        assert!(
            after > Duration::from_secs(1700) && after <= Duration::from_secs(1800),
            "{value}: {after:?}"
        );
    }
}

#[tokio::test]
async fn what_gets_too_old_expires() {
    let functions = Functions::start(|_| Answer::Http(500, String::new())).await;
    let gateway = TestGateway::start().await;
    let mut watcher = gateway.activity();
    let limits = json!({ "attempts": 1000, "minBackoffMs": 60_000, "maxBackoffMs": 60_000, "maxAgeMs": 1 });
    subscribe(&gateway, &functions, json!({ "retry": limits })).await;
    gateway.api.emit("e", "1").await;
    let reason = loop {
        match outcome(&mut watcher).await {
            (_, DeliveryOutcome::Expired { reason }) => break reason,
            (_, DeliveryOutcome::Retry { .. }) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(reason.starts_with("older than 0.001 s after"), "{reason}");
    assert_eq!(gateway.api.dead_letters().await, Vec::<Value>::new());
    let (_, body) = gateway.api.config(Method::GET, "default/dead-letters?state=expired", "").await;
    let list: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(list["deadLetters"][0]["reason"], reason);
    assert_eq!(list["deadLetters"][0]["event"]["id"], "1");
    assert_eq!(gateway.api.accounting().await["expired"], 1);
}

/// 410 is final for the subscription, not only for the event: what waits and what comes is kept, and nothing is called
/// until somebody updates the subscription.
#[tokio::test]
async fn gone_disables_the_subscription() {
    let calls = AtomicU32::new(0);
    let mut functions = Functions::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::Http(500, String::new()),
        1 => Answer::Http(410, String::new()),
        _ => Answer::Http(200, String::new()),
    })
    .await;
    let gateway = TestGateway::with(|options| {
        options.retry.min_backoff = Duration::from_secs(3600);
        options.retry.max_backoff = Duration::from_secs(3600);
    })
    .await;
    let mut watcher = gateway.activity();
    let id = subscribe(&gateway, &functions, json!({})).await;
    gateway.api.emit("e", "waits").await;
    assert!(matches!(outcome(&mut watcher).await, (1, DeliveryOutcome::Retry { .. })));
    gateway.api.emit("e", "is refused").await;
    let reason = "gone: HTTP status 410".to_owned();
    let disabled = "the subscription is disabled: gone: HTTP status 410";
    let (mut is_disabled, mut ends) = (false, Vec::new());
    while !is_disabled || ends.len() < 2 {
        match watcher.next().await {
            Activity::Disabled { subscription, reason: why, .. } => {
                assert_eq!((subscription, why), (id.clone(), reason.clone()));
                is_disabled = true;
            }
            Activity::Delivery { attempt, outcome: DeliveryOutcome::Dead { reason }, .. } => {
                ends.push((attempt, reason));
            }
            Activity::Received { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    // The delivery that waits is given up meanwhile.
    ends.sort();
    assert_eq!(ends, [(0, disabled.to_owned()), (1, reason.clone())]);
    gateway.api.emit("e", "comes later").await;
    let mut letters = gateway.api.wait_for_dead_letters(3).await;
    letters.sort_by_key(|letter| letter["eventId"].to_string());
    let found: Vec<_> =
        letters.iter().map(|l| (l["eventId"].as_str().unwrap(), l["reason"].as_str().unwrap())).collect();
    assert_eq!(found, [("comes later", disabled), ("is refused", reason.as_str()), ("waits", disabled)]);

    let path = format!("default/subscriptions/{id}");
    let (_, body) = gateway.api.config(Method::GET, &path, "").await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["disabled"], reason);
    functions.next_call().await;
    functions.next_call().await;
    assert!(functions.try_call().is_none(), "nothing is called while disabled");

    // Redriving is refused until an update without the field enables it again.
    let redrive = format!("default/dead-letters/{}/redrive", letters[0]["deadLetterId"]);
    assert_eq!(gateway.api.config(Method::POST, &redrive, "").await.0, 409);
    let enabled = json!({ "type": "async", "eventType": "e", "functionId": "f" });
    assert_eq!(gateway.api.config(Method::PUT, &path, enabled.to_string()).await.0, 200);
    assert_eq!(gateway.api.config(Method::POST, &redrive, "").await.0, 202);
    assert_eq!(functions.next_call().await.json()["id"], "comes later");
}
