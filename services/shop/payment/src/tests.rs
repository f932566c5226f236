//! Tests of the whole service in memory: events in, payments and events out.

use eg_runtime::testing::TestApp;
use refusals::Refusals;
use service_storage::Store;
use shop_events::{
    Cents, DeliveryProgress, DeliveryStatus, Estimated, OfOrder as _, Order, OrderRow, OrderStatus,
    PaymentStatus, Returned, first, samples,
};

use super::*;

fn app(probability: &str) -> TestApp {
    let refusals = Refusals::parse(probability).unwrap();
    TestApp::new(App::new().state(Payments::in_store(Store::in_memory().unwrap(), refusals))).unwrap()
}

fn order() -> Order {
    Order { customer_id: "customer-1".into(), order_id: "o-1".into(), item_id: "item-1".into() }
}

fn estimated() -> CloudEvent<DeliveryEstimated> {
    first(DeliveryEstimated(Estimated {
        order: order(),
        item: samples::item("item-1"),
        customer: samples::customer("customer-1", ""),
        delivery: samples::estimate(Cents(754)),
    }))
}

fn returned(payment_id: &str) -> CloudEvent<ItemReturned> {
    let key = order().order();
    first(ItemReturned(Returned {
        delivery: DeliveryProgress { delivery_status: DeliveryStatus::Canceled },
        order: OrderRow {
            customer_id: key.customer_id.clone(),
            order_id: key.order_id.clone(),
            item_id: "item-1".into(),
            order_status: OrderStatus::DeliveryCanceled,
            reason: None,
            item_price: None,
            delivery_price: None,
            total_price: None,
            payment_id: Some(payment_id.into()),
            delivery_address: None,
            order_date: String::new(),
            update_date: String::new(),
        },
        key,
    }))
}

#[tokio::test]
async fn an_order_is_paid_once() {
    let app = app("0");
    let event = estimated();
    for event in [event.clone(), event, estimated()] {
        app.deliver(event).await.unwrap();
    }
    let made = app.emitted::<PaymentMade>().unwrap();
    assert_eq!(made.len(), 1);
    let payment = &made[0].data.0.payment;
    assert_eq!((payment.amount, payment.status), (Cents(40_753), PaymentStatus::Paid));
    assert_eq!(app.get("/payment/o-1").await.json::<Payment>().unwrap(), *payment);
    assert_eq!(app.get("/payment/o-2").await.status(), 404);
}

#[tokio::test]
async fn a_refused_payment_is_told_as_such() {
    let app = app("1");
    app.deliver(estimated()).await.unwrap();
    assert!(app.emitted::<PaymentMade>().unwrap().is_empty());
    let failed = app.emitted::<PaymentFailed>().unwrap();
    assert_eq!(failed[0].data.0.payment.status, PaymentStatus::Failed);
    // There is nothing to refund.
    app.deliver(returned(&failed[0].data.0.payment.payment_id)).await.unwrap();
    assert_eq!(app.emitted::<ErrorPaymentCanceled>().unwrap().len(), 1);
}

#[tokio::test]
async fn money_goes_back_once_and_only_for_its_own_order() {
    let app = app("0");
    app.deliver(estimated()).await.unwrap();
    app.deliver(returned("another")).await.unwrap();
    assert_eq!(app.emitted::<ErrorPaymentCanceled>().unwrap().len(), 1);
    let payment_id = app.emitted::<PaymentMade>().unwrap()[0].data.0.payment.payment_id.clone();
    let event = returned(&payment_id);
    for event in [event.clone(), event, returned(&payment_id)] {
        app.deliver(event).await.unwrap();
    }
    assert_eq!(app.emitted::<PaymentCanceled>().unwrap().len(), 1);
    assert_eq!(app.emitted::<ErrorPaymentCanceled>().unwrap().len(), 2, "the second request came too late");
    assert_eq!(app.get("/payment/o-1").await.json::<Payment>().unwrap().status, PaymentStatus::Canceled);
}

#[tokio::test]
async fn what_a_crash_has_left_unsent_is_emitted_by_the_clock() {
    let app = app("0");
    app.gateway().refuse_next(503, "away");
    app.deliver(estimated()).await.unwrap();
    assert!(app.events().is_empty());
    for _ in 0..2 {
        app.tick("send_unsent").await.unwrap();
        assert_eq!(app.emitted::<PaymentMade>().unwrap().len(), 1);
    }
}
