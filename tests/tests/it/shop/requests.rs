//! What customers and other programs send to the shop: odd names, requests that are repeated, made at once, or refused,
//! and events that no service knows.

use eg_tests::eventually;
use eg_tests::shop::Shop;
use serde_json::{Value, json};

use super::{PAID, UNTIL_ESTIMATED, order_whose_payment, sequence, types};

pub(super) async fn apostrophes_and_statements_in_names(shop: &Shop) {
    let palace = json!({"name": "O'Brien", "email": "o@example.net", "address": "St James's Palace, London SW1A 1BS, UK"});
    assert_eq!(shop.put("/customer/o'brien", &palace).await.0, 200);
    shop.behave(&json!({"outcome": "delivered"})).await;
    let order = order_whose_payment(shop, "payment.made", "o'brien", "item-3").await;
    let history = shop.history_until("o'brien", &order, "order.delivered").await;
    assert_eq!(history.len(), 11, "nothing is missing: {:?}", types(&history));
    assert_eq!(history[7].detail["delivery"]["address"], "St James's Palace, London SW1A 1BS, UK");
    shop.behave(&json!({})).await;

    let item = "item-1' OR '1'='1";
    let order = shop.create("customer-1", item).await;
    let history = shop.history_until("customer-1", &order, "item.not-available").await;
    assert_eq!(types(&history), ["order.created", "item.not-available"]);
    assert_eq!(history[0].detail["itemId"], item);
}

pub(super) async fn slashes_in_names(shop: &Shop) {
    let customer =
        json!({"name": "A", "email": "a@example.net", "address": "221B Baker Street, London NW1 6XE"});
    assert_eq!(shop.put("/customer/a%2Fb", &customer).await.0, 200);
    let (_, stored) = shop.get("/customer/a%2Fb").await;
    assert_eq!(stored["customerId"], "a/b");
    let (status, order) = shop.get("/order/create/a%2Fb/item-3").await;
    assert_eq!((status, &order["customerId"]), (200, &json!("a/b")));
    let order = order["orderId"].as_str().unwrap();
    // The postcode tells where it is.
    let history = shop.history_until("a/b", order, "delivery.estimated").await;
    assert_eq!(history[4].detail["delivery"]["price"], 591);
    assert_eq!(history[4].event["subject"], format!("a%2Fb/{order}"));
    shop.settle().await;
}

/// A customer who gets no answer asks again, and has ordered once.
pub(super) async fn a_request_that_is_repeated(shop: &Shop) {
    let create = async || {
        let url = format!("{}/order/create/customer-1/item-3", shop.app.events);
        let answer = eg_tests::http().get(url).header("idempotency-key", "5f0c").send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let first = create().await;
    assert_eq!((first.0, create().await), (200, first.clone()));
    let order = first.1["orderId"].as_str().unwrap();
    let history = shop.history_until("customer-1", order, "delivery.estimated").await;
    let created = history.iter().filter(|record| record.ty == "order.created");
    assert_eq!(created.count(), 1);
    shop.settle().await;
}

/// The event store hears every event, whoever emits it, and keeps all of it.
pub(super) async fn events_that_no_service_knows(shop: &Shop) {
    let event = json!({"specversion": "1.0", "id": "1", "source": "/prices", "type": "price.changed",
                       "time": "2026-01-31T12:00:00Z", "data": {"itemId": "item-1", "price": 1}});
    let request =
        eg_tests::http().post(&shop.app.events).header("content-type", "application/cloudevents+json");
    assert_eq!(request.body(event.to_string()).send().await.unwrap().status(), 202);
    let stored = eventually("the event to be stored", async || {
        shop.history_of("P#item-1").await.into_iter().find(|record| record.ty == "price.changed")
    })
    .await;
    assert_eq!(stored.event, event);
    shop.settle().await;
}

pub(super) async fn requests_that_are_refused(shop: &Shop) {
    let (status, answer) = shop.get("/order/dance/customer-1/item-1").await;
    assert_eq!((status, &answer["errors"][0]), (501, &json!("Action 'dance' not implemented.")));
    let (status, answer) = shop.get("/order/get/customer-1/none").await;
    assert_eq!((status, &answer["errors"][0]), (404, &json!("Not Found")));
    let (status, created) =
        shop.post("/order/create", &json!({"customerId": "customer-1", "itemId": "item-0"})).await;
    assert_eq!((status, &created["itemId"]), (200, &json!("item-0")));
    let order = created["orderId"].as_str().unwrap();
    let (status, row) = shop.post("/order/get", &json!({"customerId": "customer-1", "orderId": order})).await;
    assert_eq!((status, &row["orderId"]), (200, &created["orderId"]));
    let (status, answer) = shop.post("/order/create", &json!({"customerId": "customer-1"})).await;
    assert_eq!((status, &answer["errors"][0]), (400, &json!("itemId is missing")));
    let (status, answer) = shop.get("/event-store/customer-1?limit=0").await;
    assert_eq!(
        (status, &answer["errors"][0]),
        (400, &json!("`limit` is 0: set it to a number from 1 to 1000"))
    );
}

pub(super) async fn two_orders_in_one_second(shop: &Shop) {
    let orders = tokio::join!(shop.create("customer-2", "item-3"), shop.create("customer-2", "item-3"));
    for order in [&orders.0, &orders.1] {
        eventually("the order to be paid or not", async || {
            let history = shop.history("customer-2", order).await;
            let ends = ["delivery.marked-as-started", "item.unreserved"];
            history.iter().any(|record| ends.contains(&&*record.ty)).then_some(())
        })
        .await;
        let history = shop.history("customer-2", order).await;
        let paid = sequence(&[&UNTIL_ESTIMATED, &PAID]);
        let failed = sequence(&[&UNTIL_ESTIMATED, &["payment.failed", "item.unreserved"]]);
        assert!(types(&history) == paid || types(&history) == failed, "{:?}", types(&history));
    }
}
