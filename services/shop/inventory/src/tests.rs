//! Tests of the whole service in memory: events in, stock and events out.

use eg_runtime::testing::{Outcome, TestApp};
use service_storage::Store;
use shop_events::{Order, Released, first};

use super::*;

async fn app() -> TestApp {
    let warehouse = Warehouse::in_store(Store::in_memory().unwrap()).await.unwrap();
    TestApp::new(App::new().state(warehouse)).unwrap()
}

fn order(id: &str, item: &str) -> Order {
    Order { customer_id: "customer-1".into(), order_id: id.into(), item_id: item.into() }
}

async fn stock(app: &TestApp, item: &str) -> (u32, u32, u32) {
    let stock: Stock = app.get(&format!("/inventory/{item}")).await.json().unwrap();
    assert_eq!(stock.initial, stock.item.available + stock.item.reserved + stock.sold);
    (stock.item.available, stock.item.reserved, stock.sold)
}

#[tokio::test]
async fn a_piece_is_reserved_and_described() {
    let app = app().await;
    app.deliver(first(OrderCreated(order("o-1", "item-1")))).await.unwrap();
    assert_eq!(stock(&app, "item-1").await, (9, 1, 0));
    assert!(app.settle().await.iter().all(|delivery| delivery.outcome == Outcome::Done));
    let described = app.emitted::<ItemDescribed>().unwrap();
    let item = &described[0].data.0.item;
    assert_eq!((&*item.description, item.price.0, item.available), ("Big Smartphone", 39_999, 9));
    assert!(described[0].extension("hopcount").is_some_and(|hops| hops == 2));
}

#[tokio::test]
async fn nothing_is_reserved_twice_whatever_comes_again() {
    let app = app().await;
    let event = first(OrderCreated(order("o-1", "item-1")));
    app.gateway().refuse_next(503, "draining");
    assert!(matches!(app.deliver(event.clone()).await.unwrap()[0].outcome, Outcome::Retry(_)));
    for _ in 0..3 {
        assert_eq!(app.deliver(event.clone()).await.unwrap()[0].outcome, Outcome::Done);
    }
    // Another event for the same order.
    app.deliver(first(OrderCreated(order("o-1", "item-1")))).await.unwrap();
    assert_eq!(stock(&app, "item-1").await, (9, 1, 0));
    assert_eq!(app.emitted::<ItemReserved>().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_there_is_not_available() {
    let app = app().await;
    for n in 0..7 {
        app.deliver(first(OrderCreated(order(&format!("o-{n}"), "item-2")))).await.unwrap();
    }
    app.deliver(first(OrderCreated(order("o-8", "item-1' OR '1'='1")))).await.unwrap();
    assert_eq!(stock(&app, "item-2").await, (0, 5, 0));
    assert_eq!(app.emitted::<ItemReserved>().unwrap().len(), 5);
    assert_eq!(app.emitted::<ItemNotAvailable>().unwrap().len(), 3);

    // An order that got nothing gets nothing later either: it has ended.
    let restock = app.post("/inventory/item-2/restock", &serde_json::json!({"pieces": 9})).await;
    assert_eq!(restock.status(), 200);
    app.deliver(first(OrderCreated(order("o-6", "item-2")))).await.unwrap();
    assert_eq!(stock(&app, "item-2").await, (9, 5, 0));
    assert_eq!(app.emitted::<ItemReserved>().unwrap().len(), 5);
}

/// An event may come again long after its order has ended.
#[tokio::test]
async fn an_order_without_a_reserved_piece_goes_no_further() {
    let app = app().await;
    let order = order("o-1", "item-3");
    app.deliver(first(OrderCreated(order.clone()))).await.unwrap();
    app.deliver(first(ErrorItemDescribed(order.clone()))).await.unwrap();
    app.deliver(first(ItemReserved(order))).await.unwrap();
    assert!(app.emitted::<ItemDescribed>().unwrap().is_empty());
}

#[tokio::test]
async fn a_reserved_piece_comes_back_once() {
    let app = app().await;
    let order = order("o-1", "item-3");
    let released =
        Released { order: order.clone(), item: None, customer: None, delivery: None, payment: None };
    // Nothing is reserved yet.
    app.deliver(first(ErrorItemDescribed(order.clone()))).await.unwrap();
    assert_eq!(app.emitted::<ErrorItemUnreserved>().unwrap()[0].data.0, released);
    app.deliver(first(OrderCreated(order.clone()))).await.unwrap();
    app.deliver(first(ErrorItemDescribed(order.clone()))).await.unwrap();
    app.deliver(first(ErrorItemDescribed(order))).await.unwrap();
    assert_eq!(stock(&app, "item-3").await, (100, 0, 0));
    assert_eq!(app.emitted::<ItemUnreserved>().unwrap()[0].data.0, released);
    assert_eq!(app.emitted::<ErrorItemUnreserved>().unwrap().len(), 2);
}

#[tokio::test]
async fn pieces_are_shown_and_added() {
    let app = app().await;
    #[derive(serde::Serialize)]
    struct Pieces {
        pieces: u32,
    }
    assert_eq!(app.post("/inventory/item-2/restock", &Pieces { pieces: 7 }).await.status(), 200);
    assert_eq!(stock(&app, "item-2").await, (12, 0, 0));
    for (path, pieces, status) in [("item-2", u32::MAX, 400), ("item-9", 1, 404)] {
        let answer = app.post(&format!("/inventory/{path}/restock"), &Pieces { pieces }).await;
        assert_eq!(answer.status(), status, "{}", answer.text());
    }
    assert_eq!(app.get("/inventory/item-9").await.status(), 404);
}

#[tokio::test]
async fn what_a_crash_has_left_unsent_is_emitted_by_the_clock() {
    let app = app().await;
    app.gateway().refuse_next(503, "away");
    app.deliver(first(OrderCreated(order("o-1", "item-1")))).await.unwrap();
    assert!(app.events().is_empty());
    for _ in 0..2 {
        app.tick("send_unsent").await.unwrap();
        assert_eq!(app.emitted::<ItemReserved>().unwrap().len(), 1);
    }
}
