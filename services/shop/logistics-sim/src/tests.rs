//! Tests of the whole service in memory: calls in, events out.

use eg_runtime::testing::TestApp;
use serde_json::{Value, json};
use service_storage::Store;

use super::*;

fn app(desk: &Desk) -> TestApp {
    TestApp::new(App::new().state(desk.clone())).unwrap()
}

fn call(order: &str) -> Value {
    let item =
        json!({"itemId": "i", "description": "", "image": "", "price": 1, "available": 1, "reserved": 1});
    let customer = json!({"customerId": "c", "description": "", "name": "", "email": "", "address": ""});
    let delivery =
        json!({"customerId": "c", "orderId": order, "address": "", "deliveryStatus": "DELIVERING"});
    let payment = json!({"paymentId": "p", "paymentMethod": "CREDIT_CARD", "amount": 2, "status": "PAID"});
    json!({
        "specversion": "1.0", "id": order, "source": "/shop/delivery", "type": "delivery.marked-as-started",
        "data": {"customerId": "c", "orderId": order, "itemId": "i", "item": item, "customer": customer,
                 "delivery": delivery, "payment": payment},
    })
}

#[tokio::test]
async fn calls_are_answered_as_the_partner_was_told() {
    let desk = Desk::in_store(Store::in_memory().unwrap());
    let app = app(&desk);
    for (told, status, delivered, canceled) in [
        (json!({}), 202, 0, 0),
        (json!({"answer": "reject", "outcome": "delivered"}), 503, 0, 0),
        (json!({"answer": "refuse", "outcome": "delivered"}), 422, 0, 0),
        (json!({"outcome": "delivered"}), 202, 1, 0),
        (json!({"outcome": "delivered", "canceled": 1.0}), 202, 1, 1),
        (json!({"outcome": "delivered", "dead": 1.0}), 503, 1, 1),
    ] {
        desk.behave(&serde_json::from_value(told.clone()).unwrap()).await.unwrap();
        // A repeated call is the same delivery.
        for _ in 0..2 {
            assert_eq!(app.post("/logistics", &call(&told.to_string())).await.status(), status, "{told}");
        }
        assert_eq!(app.emitted::<Delivered>().unwrap().len(), delivered, "{told}");
        assert_eq!(app.emitted::<DeliveryCanceled>().unwrap().len(), canceled, "{told}");
    }
    assert_eq!(app.post("/logistics", &json!({"no": "event"})).await.status(), 400);
}

#[tokio::test]
async fn what_was_set_and_accepted_can_be_read() {
    let app = app(&Desk::in_store(Store::in_memory().unwrap()));
    let behaviour = json!({"answer": "accept", "outcome": "delivered", "dead": 0.0, "canceled": 0.0});
    let set = http::Request::put("/logistics").header("content-type", "application/json");
    assert_eq!(app.http(set.body(behaviour.to_string()).unwrap()).await.status(), 200);
    assert_eq!(app.get("/logistics").await.json::<Value>().unwrap(), behaviour);
    assert_eq!(app.get("/logistics/o").await.status(), 404);
    assert_eq!(app.post("/logistics", &call("o")).await.status(), 202);
    let accepted: Value = app.get("/logistics/o").await.json().unwrap();
    assert_eq!(accepted, json!({"orderId": "o", "outcome": "delivered"}));
    // Another event about the same order is the same delivery.
    let mut again = call("o");
    again["id"] = json!("other");
    assert_eq!(app.post("/logistics", &again).await.status(), 202);
    assert_eq!(app.emitted::<Delivered>().unwrap().len(), 1);
}

#[tokio::test]
async fn who_calls_a_partner_that_hangs_waits_in_vain() {
    let desk = Desk::in_store(Store::in_memory().unwrap());
    desk.behave(&serde_json::from_value(json!({"answer": "hang", "outcome": "delivered"})).unwrap())
        .await
        .unwrap();
    let app = app(&desk);
    let answer = tokio::time::timeout(Duration::from_millis(200), async {
        app.post("/logistics", &call("o")).await.status()
    });
    assert!(answer.await.is_err(), "there is an answer");
    assert!(app.events().is_empty());
}

#[tokio::test]
async fn the_partner_says_what_it_is_told_to_say() {
    let app = app(&Desk::in_store(Store::in_memory().unwrap()));
    let order = json!({"customerId": "c", "orderId": "o"});
    for (outcome, status) in [("delivered", 202), ("canceled", 202), ("lost", 404)] {
        assert_eq!(app.post(&format!("/logistics/{outcome}"), &order).await.status(), status);
    }
    let types: Vec<String> = app.events().iter().map(|event| event.ty().to_owned()).collect();
    assert_eq!(types, ["Delivered", "DeliveryCanceled"]);
}

#[tokio::test]
async fn what_a_crash_has_left_unsent_is_emitted_by_the_clock() {
    let desk = Desk::in_store(Store::in_memory().unwrap());
    desk.behave(&serde_json::from_value(json!({"outcome": "delivered"})).unwrap()).await.unwrap();
    let app = app(&desk);
    app.gateway().refuse_next(503, "away");
    assert_eq!(app.post("/logistics", &call("o")).await.status(), 500);
    assert!(app.events().is_empty());
    for _ in 0..2 {
        app.tick("send_unsent").await.unwrap();
        assert_eq!(app.emitted::<Delivered>().unwrap().len(), 1);
    }
}
