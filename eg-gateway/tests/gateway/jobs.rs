//! Jobs over the Config API: what creates them, what they report, and which of them can be cancelled.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Api, Functions, PATIENCE, TestGateway, error};

async fn get(api: &Api, path: &str) -> Value {
    let (status, body) = api.config(Method::GET, path, "").await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// Waits until the newest job is done, and returns it.
async fn newest_done(api: &Api) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let jobs = get(api, "default/jobs?limit=1").await;
        let job = jobs["jobs"][0].clone();
        if job["state"] == "done" {
            return job;
        }
        assert!(Instant::now() < deadline, "the job is not done: {job}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A gateway with the subscription of a function, whose id is returned.
async fn subscribed(functions: &Functions) -> (TestGateway, String) {
    let gateway = TestGateway::with(|options| {
        options.retry.min_backoff = Duration::from_secs(3600);
        options.retry.max_backoff = Duration::from_secs(3600);
    })
    .await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/f")).await;
    let subscription = gateway.api.subscribe("e", "f").await;
    (gateway, subscription)
}

/// Deliveries of a deleted subscription became dead letters without an event and without being counted.
#[tokio::test]
async fn each_delivery_of_a_deleted_subscription_is_reported_and_counted() {
    const EVENTS: usize = 30;
    let mut functions = Functions::start(|call| match call.path.as_str() {
        "/f" => Answer::Http(500, String::new()),
        _ => Answer::Http(200, "{}".to_owned()),
    })
    .await;
    let (gateway, subscription) = subscribed(&functions).await;
    gateway.api.event_type("eventgateway.delivery.deadLettered").await;
    gateway.api.http_function("watcher", &functions.url("/watcher")).await;
    gateway.api.subscribe("eventgateway.delivery.deadLettered", "watcher").await;
    for id in 0..EVENTS {
        gateway.api.emit("e", &id.to_string()).await;
    }
    let path = format!("default/subscriptions/{subscription}");
    assert_eq!(gateway.api.config(Method::DELETE, &path, "").await.0, 204);
    gateway.api.wait_for_books("dead", 30).await;
    let mut reported = Vec::new();
    while reported.len() < EVENTS {
        let call = functions.next_call().await;
        if call.path == "/watcher" {
            let report = call.json();
            assert_eq!(report["data"]["reason"], "the subscription was deleted", "{report}");
            reported.push(report["data"]["event"]["id"].as_str().unwrap().to_owned());
        }
    }
    reported.sort();
    reported.dedup();
    assert_eq!(reported.len(), EVENTS, "reported twice");
    let metrics = gateway.api.client.get(format!("{}/v1/metrics", gateway.api.config)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let counted: f64 = metrics
        .lines()
        .filter(|line| line.contains("outcome=\"dead\"") && line.contains("deliveries_ended"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert_eq!(counted, 30.0, "{metrics}");

    let job = newest_done(&gateway.api).await;
    assert_eq!((&job["kind"], &job["subscriptionId"]), (&json!("give_up"), &json!(subscription)));
    assert_eq!((&job["percent"], &job["endedAt"].is_string()), (&json!(100), &true));
}

#[tokio::test]
async fn jobs_report_what_they_did() {
    let functions = Functions::start(|_| Answer::Http(422, String::new())).await;
    let (gateway, subscription) = subscribed(&functions).await;
    let api = &gateway.api;
    for id in ["1", "2", "3"] {
        api.emit("e", id).await;
    }
    api.wait_for_dead_letters(3).await;
    let replay = json!({ "from": "2000-01-01T00:00:00Z", "subscriptionId": subscription });
    let (status, answer) = api.config(Method::POST, "default/replays", replay.to_string()).await;
    assert_eq!(status, 202, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["events"], &answer["jobId"]), (&json!(3), &Value::Null), "{answer}");
    let job = newest_done(api).await;
    assert_eq!((&job["kind"], &job["events"], &job["deliveries"]), (&json!("replay"), &json!(3), &json!(3)));
    assert_eq!(
        (&job["replayId"], &job["replay"]["subscriptionId"]),
        (&answer["replayId"], &json!(subscription))
    );

    api.wait_for_dead_letters(6).await;
    assert_eq!(api.config(Method::DELETE, "default/dead-letters", "").await.1, "{\"discarded\":6}\n");
    let job = newest_done(api).await;
    assert_eq!(
        (&job["kind"], &job["deliveries"], &job["loss"]),
        (&json!("discard"), &json!(6), &json!("dead"))
    );
    // A job that is done stays as it is.
    for action in ["cancel", "resume"] {
        let path = format!("default/jobs/{}/{action}", job["jobId"]);
        let (status, answer) = api.config(Method::POST, &path, "").await;
        assert_eq!((status, serde_json::from_str::<Value>(&answer).unwrap()), (200, job.clone()));
    }
    let page = get(api, "default/jobs?limit=1").await;
    let older = get(api, &format!("default/jobs?before={}", page["next"])).await;
    assert_eq!((older["jobs"].as_array().unwrap().len(), &older["next"]), (1, &Value::Null));
    let id = job["jobId"].to_string();
    for path in ["default/jobs/99", "default/jobs/x", &format!("other/jobs/{id}")] {
        assert_eq!(api.config(Method::GET, path, "").await.0, 404, "{path}");
    }
}

/// Expired deliveries could only be redriven one by one.
#[tokio::test]
async fn expired_deliveries_are_redriven_and_discarded_together() {
    let functions = Functions::start(|_| Answer::Http(500, String::new())).await;
    let gateway = TestGateway::with(|options| {
        options.retry.min_backoff = Duration::from_millis(50);
        options.retry.max_backoff = Duration::from_millis(50);
        options.retry.max_age = Duration::from_millis(20);
    })
    .await;
    let api = &gateway.api;
    api.event_type("e").await;
    api.http_function("f", &functions.url("/f")).await;
    api.subscribe("e", "f").await;
    for id in ["1", "2"] {
        api.emit("e", id).await;
    }
    api.wait_for_books("expired", 2).await;
    let (status, answer) = api.config(Method::POST, "default/dead-letters/redrive?state=expired", "").await;
    assert_eq!((status, answer.as_str()), (202, "{\"redriven\":2,\"skipped\":0}\n"));
    api.wait_for_books("expired", 2).await;
    let (status, answer) = api.config(Method::DELETE, "default/dead-letters?state=expired", "").await;
    assert_eq!((status, answer.as_str()), (200, "{\"discarded\":2}\n"));
    assert_eq!(get(api, "default/dead-letters?state=expired").await["deadLetters"], json!([]));
    assert_eq!(api.accounting().await["balanced"], true);
    let (status, answer) = api.config(Method::DELETE, "default/dead-letters?state=lost", "").await;
    assert!(error(status, &answer).message.contains("dead or expired"), "{answer}");
}
