//! Tests of the whole service in memory: requests and events in, rows and events out.

use eg_runtime::Event;
use eg_runtime::testing::{Outcome, TestApp};
use serde::Serialize;
use service_storage::Store;
use shop_events::{
    Cents, DeliveryProgress, DeliveryStatus, OfOrder, OrderStatus, Payment, PaymentStatus, first, samples,
};

use super::*;

fn app() -> TestApp {
    let orders = Orders::in_store(Store::in_memory().unwrap());
    TestApp::new(App::new().state(orders)).unwrap()
}

async fn create(app: &TestApp) -> Order {
    let answer = app.get("/order/create/customer-1/item-1").await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json().unwrap()
}

async fn row(app: &TestApp, order: &Order) -> OrderRow {
    app.get(&format!("/order/get/{}/{}", order.customer_id, order.order_id)).await.json().unwrap()
}

/// Delivers an event of the order to its function.
async fn tell<E: Event + OfOrder + Serialize>(app: &TestApp, event: E) -> Outcome {
    let mut deliveries = app.deliver(first(event)).await.unwrap();
    assert_eq!(deliveries.len(), 1);
    deliveries.remove(0).outcome
}

fn paid(order: &Order, status: PaymentStatus) -> Paid {
    Paid {
        order: order.clone(),
        item: samples::item(&order.item_id),
        customer: samples::customer(&order.customer_id, "London"),
        delivery: samples::estimate(Cents(559)),
        payment: Payment {
            payment_id: "p-1".to_owned(),
            payment_method: "CREDIT_CARD".to_owned(),
            amount: Cents(40_558),
            status,
        },
    }
}

fn ended(order: &Order, delivery_status: DeliveryStatus) -> Progressed {
    Progressed { order: order.order(), delivery: DeliveryProgress { delivery_status } }
}

#[tokio::test]
async fn an_order_is_stored_and_told_in_one_go() {
    let app = app();
    let order = create(&app).await;
    assert_eq!((&*order.customer_id, &*order.item_id), ("customer-1", "item-1"));
    let told = app.emitted::<OrderCreated>().unwrap();
    assert_eq!((told.len(), &told[0].data.0), (1, &order));
    assert_eq!(
        (told[0].source(), told[0].subject().unwrap()),
        ("/shop/order", &*format!("customer-1/{}", order.order_id))
    );
    assert_eq!(row(&app, &order).await.order_status, OrderStatus::Created);
}

#[tokio::test]
async fn an_order_that_could_not_be_told_is_an_order_all_the_same() {
    let app = app();
    app.gateway().refuse_next(503, "draining");
    let order = create(&app).await;
    assert!(app.events().is_empty());
    for _ in 0..2 {
        app.tick("send_unsent").await.unwrap();
        let told = app.emitted::<OrderCreated>().unwrap();
        assert_eq!((told.len(), &told[0].data.0), (1, &order));
    }
}

#[tokio::test]
async fn an_order_goes_from_its_creation_to_its_delivery() {
    let app = app();
    let order = create(&app).await;
    assert_eq!(tell(&app, ItemReserved(order.clone())).await, Outcome::Done);
    assert_eq!(row(&app, &order).await.order_status, OrderStatus::Reserved);
    assert_eq!(tell(&app, PaymentMade(paid(&order, PaymentStatus::Paid))).await, Outcome::Done);
    let now = row(&app, &order).await;
    assert_eq!((now.order_status, now.total_price), (OrderStatus::Paid, Some(Cents(40_558))));
    assert_eq!((now.payment_id.as_deref(), now.delivery_address.as_deref()), (Some("p-1"), Some("London")));

    let delivered = DeliveryWasDelivered(ended(&order, DeliveryStatus::Delivered));
    assert_eq!(tell(&app, delivered.clone()).await, Outcome::Done);
    assert_eq!(row(&app, &order).await.order_status, OrderStatus::Delivered);
    assert_eq!(app.emitted::<OrderDelivered>().unwrap().len(), 1);

    // A repeated report has no effect; a contradicting one emits an error event.
    assert_eq!(tell(&app, delivered).await, Outcome::Done);
    assert_eq!(app.emitted::<OrderDelivered>().unwrap().len(), 1);
    let canceled = DeliveryWasCanceled(ended(&order, DeliveryStatus::Canceled));
    assert_eq!(tell(&app, canceled).await, Outcome::Done);
    assert_eq!(app.emitted::<ErrorOrderCanceled>().unwrap().len(), 1);
    assert_eq!(row(&app, &order).await.order_status, OrderStatus::Delivered);
}

#[tokio::test]
async fn a_canceled_order_says_what_has_to_be_undone() {
    let app = app();
    let order = create(&app).await;
    let canceled = || DeliveryWasCanceled(ended(&order, DeliveryStatus::Canceled));
    // The event has overtaken the payment, so the refund is not known yet.
    assert!(matches!(tell(&app, canceled()).await, Outcome::Retry(_)));
    tell(&app, PaymentMade(paid(&order, PaymentStatus::Paid))).await;
    assert_eq!(tell(&app, canceled()).await, Outcome::Done);
    let told = app.emitted::<OrderCanceled>().unwrap();
    let row_told = &told[0].data.0.order;
    assert_eq!(
        (row_told.payment_id.as_deref(), row_told.order_status),
        (Some("p-1"), OrderStatus::DeliveryCanceled)
    );
    assert_eq!(row(&app, &order).await, *row_told);
}

#[tokio::test]
async fn a_failed_payment_is_an_end() {
    let app = app();
    let order = create(&app).await;
    tell(&app, ItemReserved(order.clone())).await;
    tell(&app, PaymentFailed(paid(&order, PaymentStatus::Failed))).await;
    assert_eq!(row(&app, &order).await.order_status, OrderStatus::PaymentFailed);
    let late = tell(&app, PaymentMade(paid(&order, PaymentStatus::Paid))).await;
    assert!(matches!(late, Outcome::Rejected(reason) if reason.contains("PAYMENT_FAILED")));
}

#[tokio::test]
async fn the_same_event_twice_is_one_event() {
    let app = app();
    let order = create(&app).await;
    tell(&app, PaymentMade(paid(&order, PaymentStatus::Paid))).await;
    let event = first(DeliveryWasDelivered(ended(&order, DeliveryStatus::Delivered)));
    // The gateway is unavailable when the service emits, so the event is delivered again.
    app.gateway().refuse_next(503, "draining");
    assert!(matches!(app.deliver(event.clone()).await.unwrap()[0].outcome, Outcome::Retry(_)));
    assert_eq!(row(&app, &order).await.order_status, OrderStatus::Delivered, "stored all the same");
    for _ in 0..2 {
        assert_eq!(app.deliver(event.clone()).await.unwrap()[0].outcome, Outcome::Done);
    }
    assert_eq!(app.emitted::<OrderDelivered>().unwrap().len(), 1);
    assert!(app.emitted::<ErrorOrderDelivered>().unwrap().is_empty());
}

#[tokio::test]
async fn an_unknown_order_is_an_error_event() {
    let app = app();
    let order = Order { customer_id: "c".into(), order_id: "o".into(), item_id: "i".into() };
    tell(&app, DeliveryWasDelivered(ended(&order, DeliveryStatus::Delivered))).await;
    tell(&app, DeliveryWasCanceled(ended(&order, DeliveryStatus::Canceled))).await;
    assert_eq!(app.emitted::<ErrorOrderDelivered>().unwrap().len(), 1);
    assert_eq!(app.emitted::<ErrorOrderCanceled>().unwrap().len(), 1);
    assert!(matches!(tell(&app, ItemReserved(order)).await, Outcome::Rejected(_)));
}

#[tokio::test]
async fn requests_are_checked() {
    let app = app();
    let long = format!("/order/create/{}/item-1", "x".repeat(129));
    for (path, status, message) in [
        ("/order/dance/customer-1/item-1", 501, "Action 'dance' not implemented."),
        ("/order/get/customer-1/none", 404, "Not Found"),
        (&*long, 400, "`customerId` is longer than 128 bytes"),
        ("/order/create/customer-1/%00", 400, "`itemId` contains a control character"),
    ] {
        let answer = app.get(path).await;
        assert_eq!(
            (answer.status().as_u16(), answer.text()),
            (status, format!("{{\"errors\":[\"{message}\"]}}"))
        );
    }
    for (body, message) in [
        (posted(Some("customer-1"), None), "itemId is missing"),
        (posted(Some(""), Some("item-1")), "`customerId` is empty"),
    ] {
        let answer = app.post("/order/create", &body).await;
        assert_eq!(
            (answer.status().as_u16(), answer.text()),
            (400, format!("{{\"errors\":[\"{message}\"]}}"))
        );
    }
    assert!(app.events().is_empty());
}

/// A customer who gets no answer asks again.
#[tokio::test]
async fn a_repeated_request_is_one_order() {
    let app = app();
    let create = async |path: &str, key: &str| {
        let request = http::Request::get(path).header("idempotency-key", key).body(Vec::new());
        let answer = app.http(request.unwrap()).await;
        (answer.status().as_u16(), answer.text())
    };
    let path = "/order/create/customer-1/item-1";
    let (status, first) = create(path, "key-1").await;
    assert_eq!((status, create(path, "key-1").await), (200, (200, first.clone())));
    assert_eq!(app.emitted::<OrderCreated>().unwrap().len(), 1);
    assert_ne!(create(path, "key-2").await.1, first);
    assert_ne!(create("/order/create/customer-2/item-1", "key-1").await.1, first);
    assert_eq!(app.emitted::<OrderCreated>().unwrap().len(), 3);
    let other = create("/order/create/customer-1/item-2", "key-1").await;
    assert_eq!(
        other,
        (422, r#"{"errors":["the Idempotency-Key belongs to an order of `item-1`"]}"#.to_owned())
    );
}

#[tokio::test]
async fn an_id_may_contain_a_slash() {
    let app = app();
    let answer = app.get("/order/create/a%2Fb/item-1").await;
    let order: Order = answer.json().unwrap();
    assert_eq!(order.customer_id, "a/b");
    let told = app.emitted::<OrderCreated>().unwrap();
    assert_eq!(told[0].subject().unwrap(), format!("a%2Fb/{}", order.order_id));
    assert_eq!(app.get(&format!("/order/get/a%2Fb/{}", order.order_id)).await.status(), 200);
}

/// An order that ends without a delivery says why.
#[tokio::test]
async fn an_ended_order_has_a_reason() {
    let app = app();
    let order = create(&app).await;
    assert_eq!(tell(&app, ItemNotAvailable(order.clone())).await, Outcome::Done);
    let row = row(&app, &order).await;
    assert_eq!(row.order_status, OrderStatus::NotAvailable);
    assert_eq!(row.reason.as_deref(), Some("the item is sold out or unknown"));
}

fn posted(customer_id: Option<&'static str>, item_id: Option<&'static str>) -> impl Serialize {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        customer_id: Option<&'static str>,
        item_id: Option<&'static str>,
    }
    Body { customer_id, item_id }
}
