//! Tests of the whole service in memory: events in, deliveries and events out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use eg_runtime::testing::{Outcome, TestApp};
use serde_json::json;
use service_storage::Store;
use shop_events::{
    Cents, DeliveryStatus, Described, OfOrder as _, Order, Paid, Payment, PaymentStatus, first, samples,
};

use super::*;

fn app() -> TestApp {
    let deliveries = Deliveries::in_store(Store::in_memory().unwrap());
    // No server listens here.
    let partner = Partner::at("http://127.0.0.1:1/", None).unwrap();
    TestApp::new(App::new().state(deliveries).state(partner)).unwrap()
}

fn described(address: &str) -> Described {
    Described {
        order: Order { customer_id: "customer-1".into(), order_id: "o-1".into(), item_id: "item-1".into() },
        item: samples::item("item-1"),
        customer: samples::customer("customer-1", address),
    }
}

fn removed() -> CloudEvent<ItemRemoved> {
    let Described { order, item, customer } = described("London SW1A 1AA, UK");
    let delivery = samples::estimate(Cents(560));
    let payment = Payment {
        payment_id: "p-1".into(),
        payment_method: "CREDIT_CARD".into(),
        amount: Cents(40_559),
        status: PaymentStatus::Paid,
    };
    first(ItemRemoved(Paid { order, item, customer, delivery, payment }))
}

/// A started delivery, and the event that reports it.
async fn started(app: &TestApp) -> CloudEvent<DeliveryMarkedAsStarted> {
    let event = removed();
    for _ in 0..2 {
        app.deliver(event.clone()).await.unwrap();
    }
    let mut told = app.emitted::<DeliveryMarkedAsStarted>().unwrap();
    assert_eq!(told.len(), 1);
    told.remove(0)
}

/// The gateway's event about a delivery of `event` that it gave up.
fn dead_letter(function: &str, event: &CloudEvent<DeliveryMarkedAsStarted>) -> CloudEvent<serde_json::Value> {
    let inner: serde_json::Value =
        serde_json::from_slice(&event.clone().encode().unwrap().to_json().unwrap()).unwrap();
    let data = json!({
        "space": "default", "functionId": function, "subscriptionId": "s", "state": "dead", "attempts": 5,
        "reason": "all 5 attempts failed", "event": inner,
    });
    CloudEvent::of_type("eventgateway.delivery.deadLettered", "/gateway", data)
}

#[tokio::test]
async fn the_way_to_the_customer_is_estimated() {
    let app = app();
    app.deliver(first(CustomerDescribed(described("London SW1A 1AA, UK")))).await.unwrap();
    app.deliver(first(CustomerDescribed(described("Nowhere")))).await.unwrap();
    assert_eq!(app.emitted::<DeliveryEstimated>().unwrap()[0].data.0.delivery.price, Cents(560));
    assert_eq!(app.emitted::<ErrorDeliveryEstimated>().unwrap()[0].data.0, described("Nowhere"));
}

#[tokio::test]
async fn a_delivery_begins_once_and_ends_once() {
    let app = app();
    let event = started(&app).await;
    assert_eq!(event.data.0.delivery.delivery_status, DeliveryStatus::Delivering);
    app.deliver(removed()).await.unwrap();
    assert_eq!(app.emitted::<ErrorMarkDeliveryAsStarted>().unwrap().len(), 1);

    let order = event.data.order();
    for _ in 0..2 {
        app.deliver(first(Delivered(order.clone()))).await.unwrap();
    }
    app.deliver(first(DeliveryCanceled(order))).await.unwrap();
    assert_eq!(app.emitted::<DeliveryWasDelivered>().unwrap().len(), 1);
    assert!(app.emitted::<ErrorDeliveryWasDelivered>().unwrap().is_empty());
    assert!(app.emitted::<DeliveryWasCanceled>().unwrap().is_empty());
    assert_eq!(app.emitted::<ErrorDeliveryWasCanceled>().unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_never_under_way_cannot_end() {
    let app = app();
    app.deliver(first(Delivered(described("").order.order()))).await.unwrap();
    assert_eq!(app.emitted::<ErrorDeliveryWasDelivered>().unwrap().len(), 1);
}

#[tokio::test]
async fn a_partner_who_is_away_is_called_again_and_a_dead_letter_calls_the_delivery_off() {
    let app = app();
    let event = started(&app).await;
    let calls = app.deliver(event.clone()).await.unwrap();
    assert_eq!(calls[0].function, "call_partner");
    assert!(matches!(&calls[0].outcome, Outcome::Retry(_)), "{:?}", calls[0].outcome);

    app.deliver(dead_letter("event-store-store_event", &event)).await.unwrap();
    assert!(app.emitted::<DeliveryWasCanceled>().unwrap().is_empty(), "the dead letter of another function");
    for _ in 0..2 {
        let deliveries = app.deliver(dead_letter("delivery-call_partner", &event)).await.unwrap();
        assert_eq!(deliveries[0].outcome, Outcome::Done);
    }
    let delivery: serde_json::Value = app.get("/delivery/customer-1/o-1").await.json().unwrap();
    assert_eq!((&delivery["deliveryStatus"], &delivery["price"]), (&json!("CANCELED"), &json!(560)));
    let canceled = app.emitted::<DeliveryWasCanceled>().unwrap();
    assert_eq!(canceled.len(), 1);
    assert_eq!(canceled[0].data.0.delivery.delivery_status, DeliveryStatus::Canceled);
    assert_eq!(canceled[0].subject(), Some("customer-1/o-1"));
}

/// Checks the effect of each answer of the partner, and the request that the partner receives.
#[tokio::test]
async fn the_partner_is_called_with_the_event_and_its_key() {
    for (status, expected) in [
        (202, Outcome::Done),
        (503, Outcome::Retry("the partner answered 503 Service Unavailable".into())),
        (429, Outcome::Retry("the partner answered 429 Too Many Requests".into())),
        (401, Outcome::Rejected("the partner answered 401 Unauthorized".into())),
        (422, Outcome::Rejected("the partner answered 422 Unprocessable Entity".into())),
    ] {
        let (calls, mut called) = tokio::sync::mpsc::unbounded_channel();
        let route = axum::routing::post(async move |headers: axum::http::HeaderMap, body: String| {
            calls.send((headers["ApiKeyName"].to_str().unwrap().to_owned(), body)).unwrap();
            axum::http::StatusCode::from_u16(status).unwrap()
        });
        let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/deliveries", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, axum::Router::new().route("/deliveries", route)).await });

        let deliveries = Deliveries::in_store(Store::in_memory().unwrap());
        let partner = Partner::at(&url, Some("secret".into())).unwrap();
        let app = TestApp::new(App::new().state(deliveries).state(partner)).unwrap();
        let event = started(&app).await;
        assert_eq!(app.deliver(event.clone()).await.unwrap()[0].outcome, expected);
        let (key, body) = called.recv().await.unwrap();
        let told: CloudEvent<DeliveryMarkedAsStarted> =
            CloudEvent::from_json(body.as_bytes()).unwrap().decode().unwrap();
        assert_eq!((&*key, told), ("secret", event));
    }
}

/// A partner that counts its calls and answers with the status that is set.
async fn counting_partner() -> (Partner, Arc<AtomicU16>, Arc<AtomicUsize>) {
    let (status, calls) = (Arc::new(AtomicU16::new(202)), Arc::new(AtomicUsize::new(0)));
    let (answer, count) = (status.clone(), calls.clone());
    let route = axum::routing::post(async move || {
        count.fetch_add(1, Ordering::SeqCst);
        axum::http::StatusCode::from_u16(answer.load(Ordering::SeqCst)).unwrap()
    });
    let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, axum::Router::new().route("/", route)).await });
    (Partner::at(&url, None).unwrap(), status, calls)
}

/// Dead letters can be retried after the partner's return. The order is refunded by then, so nothing may be shipped.
#[tokio::test]
async fn nothing_is_shipped_for_a_canceled_delivery() {
    let (partner, status, calls) = counting_partner().await;
    let deliveries = Deliveries::in_store(Store::in_memory().unwrap());
    let app = TestApp::new(App::new().state(deliveries).state(partner)).unwrap();
    let event = started(&app).await;
    status.store(503, Ordering::SeqCst);
    assert!(matches!(app.deliver(event.clone()).await.unwrap()[0].outcome, Outcome::Retry(_)));
    app.deliver(first(DeliveryCanceled(event.data.order()))).await.unwrap();
    status.store(202, Ordering::SeqCst);
    let reason = "the delivery of order o-1 is CANCELED: the partner is not called";
    assert_eq!(app.deliver(event).await.unwrap()[0].outcome, Outcome::Rejected(reason.to_owned()));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

/// The reverse: what the partner has is not called off by a late dead letter, and not handed over again.
#[tokio::test]
async fn what_the_partner_has_is_neither_shipped_again_nor_refunded() {
    let (partner, _, calls) = counting_partner().await;
    let deliveries = Deliveries::in_store(Store::in_memory().unwrap());
    let app = TestApp::new(App::new().state(deliveries).state(partner)).unwrap();
    let event = started(&app).await;
    for _ in 0..2 {
        assert_eq!(app.deliver(event.clone()).await.unwrap()[0].outcome, Outcome::Done);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let letter = dead_letter("delivery-call_partner", &event);
    assert_eq!(app.deliver(letter).await.unwrap()[0].outcome, Outcome::Done);
    assert!(app.emitted::<DeliveryWasCanceled>().unwrap().is_empty());
    // The partner itself may still cancel.
    app.deliver(first(DeliveryCanceled(event.data.order()))).await.unwrap();
    assert_eq!(app.emitted::<DeliveryWasCanceled>().unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_crash_has_left_unsent_is_emitted_by_the_clock() {
    let app = app();
    app.gateway().refuse_next(503, "away");
    app.deliver(removed()).await.unwrap();
    assert!(app.events().is_empty());
    for _ in 0..2 {
        app.tick("send_unsent").await.unwrap();
        assert_eq!(app.emitted::<DeliveryMarkedAsStarted>().unwrap().len(), 1);
    }
}
