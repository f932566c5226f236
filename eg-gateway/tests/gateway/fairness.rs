//! Events that always fail, and functions that are judged by all the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::{Answer, Functions, PATIENCE, TestGateway};

/// The circuit breaker used to open after ten failures and to try the oldest event first. So events that always fail kept
/// a healthy function from all the others.
#[tokio::test]
async fn poison_does_not_keep_a_function_from_good_events() {
    const POISON: usize = 60;
    const ATTEMPTS: u32 = 4;
    let calls = Arc::new(Mutex::new(BTreeMap::<String, u32>::new()));
    let functions = Functions::start({
        let calls = Arc::clone(&calls);
        move |call| {
            let id = call.json()["id"].as_str().unwrap().to_owned();
            let status = if id.starts_with("poison") { 500 } else { 200 };
            *calls.lock().unwrap().entry(id).or_default() += 1;
            Answer::Http(status, String::new())
        }
    })
    .await;
    let gateway = TestGateway::with(|options| options.retry.attempts = ATTEMPTS).await;
    let api = &gateway.api;
    api.event_type("e").await;
    api.http_function("f", &functions.url("/")).await;
    api.subscribe("e", "f").await;
    for id in 0..POISON {
        api.emit("e", &format!("poison {id}")).await;
    }
    let (mut good, deadline) = (0, Instant::now() + PATIENCE);
    loop {
        let books = api.accounting().await;
        if books["dead"] == POISON && books["delivered"] == good {
            break;
        }
        assert!(Instant::now() < deadline, "{good} good events were emitted, and the books say {books}");
        if books["dead"] != POISON {
            api.emit("e", &format!("good {good}")).await;
            good += 1;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let reason = "all 4 attempts failed, the last one with: HTTP status 500";
    assert!(api.dead_letters().await.iter().all(|letter| letter["reason"] == json!(reason)));
    for (id, calls) in &*calls.lock().unwrap() {
        assert_eq!(*calls, if id.starts_with("poison") { ATTEMPTS } else { 1 }, "{id}");
    }
}
