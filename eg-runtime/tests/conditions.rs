//! The conditions of subscriptions, in tests of an app and in a process that serves all functions: who gets which event.

#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::collections::BTreeMap;

use eg_runtime::testing::TestApp;
use eg_runtime::{App, CloudEvent, Emit, Error, Event, Schema, http, subscribe};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Event)]
#[event("order.placed")]
#[serde(rename_all = "camelCase")]
struct OrderPlaced {
    amount: u32,
    country: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gift_for: Option<String>,
    lines: Vec<Line>,
    state: State,
}

#[derive(Clone, Serialize, Deserialize, Schema)]
struct Line {
    sku: String,
    count: u8,
}

#[derive(Clone, Copy, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
enum State {
    Open,
    Paid,
}

#[subscribe(OrderPlaced, where(data.amount > 500, data.country in ["DE", "AT"]))]
async fn large() {}

#[subscribe(OrderPlaced, where(data.amount in 100..=500, data.country not in ["DE"]))]
async fn middle(event: CloudEvent<OrderPlaced>) {
    drop(event);
}

#[subscribe("order.placed", where(data.giftFor exists, data.giftFor not like "*@example.com"))]
async fn gifts(event: CloudEvent<OrderPlaced>) {
    drop(event);
}

#[subscribe(OrderPlaced, where(data.lines.sku starts_with "A-", data.lines.count >= 2))]
async fn several() {}

#[subscribe(OrderPlaced, where(any(data.state == "paid", all(data.country equals_ignore_case "at", source ends_with "shop"))))]
async fn either() {}

#[subscribe(OrderPlaced, where(address in cidr("10.0.0.0/8"), data.state != "paid", subject not exists))]
async fn inside() {}

#[subscribe(OrderPlaced, ordered)]
async fn in_order(event: CloudEvent<OrderPlaced>) -> Result<(), Error> {
    match (event.data.amount, event.data.country.as_str()) {
        (0, "fails") => Err(Error::retry("not yet")),
        _ => Ok(()),
    }
}

#[http(POST, "/orders")]
async fn place(emit: Emit<OrderPlaced>) -> Result<(), Error> {
    for (key, order) in [("a", order(0, "fails")), ("a", order(1, "x")), ("b", order(2, "x"))] {
        emit.send_event(emit.event(order).with_extension("partitionkey", key)).await?;
    }
    Ok(())
}

fn order(amount: u32, country: &str) -> OrderPlaced {
    OrderPlaced { amount, country: country.to_owned(), gift_for: None, lines: Vec::new(), state: State::Open }
}

async fn takers(app: &TestApp, event: CloudEvent<OrderPlaced>) -> Vec<&'static str> {
    let deliveries = app.deliver(event).await.unwrap();
    let mut takers: Vec<_> = deliveries.iter().map(|delivery| delivery.function).collect();
    takers.sort_unstable();
    takers.retain(|taker| *taker != "in_order");
    takers
}

#[tokio::test]
async fn functions_get_the_events_that_meet_their_conditions() {
    let app = TestApp::new(App::new()).unwrap();
    let line = |sku: &str, count| Line { sku: sku.to_owned(), count };
    let gift = |name: &str| OrderPlaced { gift_for: Some(name.to_owned()), ..order(1, "FR") };
    let lines = |lines| OrderPlaced { lines, ..order(1, "FR") };
    for (data, expected) in [
        (order(501, "DE"), &["large"][..]),
        (order(501, "FR"), &[]),
        (order(500, "AT"), &["middle"]),
        (order(99, "AT"), &[]),
        (order(100, "DE"), &[]),
        (gift("Ada"), &["gifts"]),
        (gift("ada@example.com"), &[]),
        (lines(vec![line("A-1", 1), line("A-2", 2)]), &["several"]),
        (lines(vec![line("A-1", 1), line("B-1", 2)]), &[]),
        (OrderPlaced { state: State::Paid, ..order(1, "FR") }, &["either"]),
    ] {
        let json = serde_json::to_string(&data).unwrap();
        assert_eq!(takers(&app, CloudEvent::new("/elsewhere", data)).await, expected, "{json}");
    }
    let of_shop = |source: &str| CloudEvent::new(source, order(1, "AT"));
    assert_eq!(takers(&app, of_shop("/my-shop")).await, ["either"]);
    assert_eq!(takers(&app, of_shop("/my-shop/web")).await, [""; 0]);
    let from = |address: &str| of_shop("/x").with_extension("address", address);
    assert_eq!(takers(&app, from("10.1.2.3")).await, ["inside"]);
    assert_eq!(takers(&app, from("11.1.2.3")).await, [""; 0]);
    assert_eq!(takers(&app, from("10.1.2.3").with_subject("7")).await, [""; 0]);
}

/// Of two events with one key, the second waits for the first; one with another key does not.
#[tokio::test]
async fn ordered_events_wait_for_those_before_them() {
    let app = TestApp::new(App::new()).unwrap();
    app.post("/orders", &()).await;
    let mut attempts: BTreeMap<u32, usize> = BTreeMap::new();
    for delivery in app.settle().await.iter().filter(|delivery| delivery.function == "in_order") {
        let data: OrderPlaced = serde_json::from_slice(delivery.event.data.as_bytes()).unwrap();
        *attempts.entry(data.amount).or_default() += 1;
    }
    assert_eq!(attempts, BTreeMap::from([(0, 1), (2, 1)]));
}
