//! Tests batches of events: one result for each, in order.

use std::time::Duration;

use eg_sdk::{CloudEvent, Data, Error, EventGateway, RetryPolicy};

use crate::server::{Server, nobody, status};

fn event(id: usize) -> CloudEvent {
    CloudEvent::of_type("t", "/s", Data::Empty).with_id(id.to_string())
}

#[tokio::test]
async fn results_are_in_the_order_of_the_events_whatever_fails() {
    let server = Server::start(|_, seen| {
        let id: usize = seen.json()["id"].as_str().unwrap().parse().unwrap();
        status(if id.is_multiple_of(3) { 400 } else { 202 })
    })
    .await;
    let gateway = EventGateway::new(&server.url).unwrap();
    let mut events: Vec<_> = (1..=100).map(event).collect();
    events[9] = event(10).with_id("");
    let results = gateway.emit_batch(events).await;
    assert_eq!((results.len(), server.seen().len()), (100, 99));
    for (id, result) in (1..=100).zip(results) {
        match result {
            Err(Error::Event { .. }) => assert_eq!(id, 10),
            Err(e) => assert_eq!((id % 3, e.status()), (0, Some(400))),
            Ok(receipt) => assert!(id % 3 != 0 && receipt.id == id.to_string()),
        }
    }
    assert!(gateway.emit_batch(Vec::<CloudEvent>::new()).await.is_empty());
}

#[tokio::test]
async fn only_what_failed_is_sent_again() {
    let server = Server::start(|n, _| status(if n < 7 { 503 } else { 202 })).await;
    let mut policy = RetryPolicy::default();
    policy.attempts = 8;
    policy.base = Duration::from_millis(1);
    let gateway = EventGateway::new(&server.url).unwrap().with_retry(policy);
    let results = gateway.emit_batch((0..20).map(event)).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(server.seen().len(), 27);
}

#[tokio::test]
async fn the_total_time_is_that_of_the_whole_batch() {
    let mut policy = RetryPolicy::default();
    policy.attempts = u32::MAX;
    policy.base = Duration::from_millis(1);
    policy.total = Duration::from_millis(200);
    let gateway = EventGateway::new(&nobody().await).unwrap().with_retry(policy);
    let started = std::time::Instant::now();
    let results = gateway.emit_batch((0..320).map(event)).await;
    assert!(results.iter().all(|result| matches!(result, Err(Error::Unreachable { .. }))));
    // Sequentially, twenty groups of sixteen would take four seconds.
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}
