//! Tests of the whole service in memory: events in, events out.

use eg_runtime::testing::TestApp;
use service_storage::Store;
use shop_events::{Order, WithItem, first, samples};

use super::*;

async fn app() -> TestApp {
    let customers = Customers::in_store(Store::in_memory().unwrap()).await.unwrap();
    TestApp::new(App::new().state(customers)).unwrap()
}

fn described(customer: &str) -> CloudEvent<ItemDescribed> {
    let order = Order { customer_id: customer.into(), order_id: "o-1".into(), item_id: "item-1".into() };
    let item = samples::item("item-1");
    first(ItemDescribed(WithItem { order, item }))
}

#[tokio::test]
async fn a_customer_is_described_and_an_unknown_one_is_an_error() {
    let app = app().await;
    let event = described("customer-1");
    for _ in 0..2 {
        app.deliver(event.clone()).await.unwrap();
    }
    app.deliver(described("customer-0")).await.unwrap();
    let told = app.emitted::<CustomerDescribed>().unwrap();
    assert_eq!((told.len(), &*told[0].data.0.customer.address), (1, "London SW1A 1AA, UK"));
    assert_eq!(told[0].data.0.item, event.data.0.item, "the document grows");
    assert_eq!(app.emitted::<ErrorCustomerDescribed>().unwrap()[0].data.0.order.customer_id, "customer-0");
}

#[tokio::test]
async fn customers_can_be_registered() {
    let customers = Customers::in_store(Store::in_memory().unwrap()).await.unwrap();
    // A decorated function stays an ordinary function, so a test can call it.
    let put = async |name: &str, address: &str| {
        let profile = Profile {
            description: String::new(),
            name: name.into(),
            email: "o@example.net".into(),
            address: address.into(),
        };
        put_customer(State(customers.clone()), Path("o'brien".into()), Json(profile)).await
    };
    let Json(customer) = put("O'Brien", "St James's Palace, London SW1A 1BS, UK").await.unwrap();
    let app = TestApp::new(App::new().state(customers.clone())).unwrap();
    app.deliver(described("o'brien")).await.unwrap();
    assert_eq!(app.emitted::<CustomerDescribed>().unwrap()[0].data.0.customer, customer);
    let read: Customer = app.get("/customer/o'brien").await.json().unwrap();
    assert_eq!(read, customer);
    assert_eq!(app.get("/customer/nobody").await.status(), 404);
    assert_eq!(put("O'Brien", "").await.unwrap_err().to_string(), "`address` is empty");
}

#[tokio::test]
async fn the_sample_customers_are_there() {
    let customer: Customer = app().await.get("/customer/customer-3").await.json().unwrap();
    assert_eq!((&*customer.description, &*customer.name), ("Customer three", "National Gallery"));
}

/// An id with a slash could be registered, but not order.
#[tokio::test]
async fn ids_follow_the_rule_for_orders() {
    let app = app().await;
    let profile =
        serde_json::json!({"name": "A", "email": "a@example.net", "address": "London SW1A 1AA, UK"});
    let put = async |id: &str| {
        let request =
            http::Request::put(format!("/customer/{id}")).header("content-type", "application/json");
        app.http(request.body(profile.to_string()).unwrap()).await.status().as_u16()
    };
    assert_eq!(put("a%2Fb").await, 200);
    app.deliver(described("a/b")).await.unwrap();
    let told = app.emitted::<CustomerDescribed>().unwrap();
    assert_eq!((&*told[0].data.0.customer.customer_id, told[0].subject()), ("a/b", Some("a%2Fb/o-1")));
    for id in ["a%0Ab".to_owned(), "x".repeat(129)] {
        assert_eq!(put(&id).await, 400, "{id}");
    }
}

#[tokio::test]
async fn what_a_crash_has_left_unsent_is_emitted_by_the_clock() {
    let app = app().await;
    app.gateway().refuse_next(503, "away");
    app.deliver(described("customer-1")).await.unwrap();
    assert!(app.events().is_empty());
    for _ in 0..2 {
        app.tick("send_unsent").await.unwrap();
        assert_eq!(app.emitted::<CustomerDescribed>().unwrap().len(), 1);
    }
}
