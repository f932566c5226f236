//! Tests of the whole service in memory: events in, history out.

use std::time::Duration;

use eg_runtime::testing::{Outcome, TestApp};
use serde_json::{Value, json};
use service_storage::Store;

use super::*;

fn app() -> TestApp {
    TestApp::new(App::new().state(History::in_store(Store::in_memory().unwrap()))).unwrap()
}

/// Delivers the gateway's event about the acceptance of `event`.
async fn add(app: &TestApp, event: &Value) {
    let data = json!({"path": "/", "event": event, "headers": {}});
    let deliveries = app.deliver(CloudEvent::of_type(RECEIVED, "/gateway", data)).await.unwrap();
    assert_eq!((deliveries.len(), &deliveries[0].outcome), (1, &Outcome::Done));
}

async fn history(app: &TestApp, path: &str) -> Vec<Record> {
    app.get(&format!("/event-store/{path}")).await.json().unwrap()
}

fn event(ty: &str, id: &str, time: &str) -> Value {
    json!({"specversion": "1.0", "type": ty, "source": "/shop/order", "id": id, "time": time, "partitionkey": "o",
           "data": {"customerId": "c'1", "orderId": "o", "note": "5 o'clock"}})
}

#[tokio::test]
async fn events_of_one_instant_are_all_kept_each_once_and_in_order() {
    const INSTANT: &str = "2026-01-31T12:00:00Z";
    let app = app();
    let first = event("order.created", "1", INSTANT);
    for event in [
        &first,
        &first,
        &event("item.reserved", "2", INSTANT),
        &event("order.created", "3", INSTANT),
        &event("item.described", "4", "2026-01-31T12:00:00.005Z"),
    ] {
        add(&app, event).await;
    }
    let all = history(&app, "c'1").await;
    let ids: Vec<&str> = all.iter().map(|record| &*record.event_id).collect();
    assert_eq!(ids, ["2", "1", "3", "4"], "by time, then by type and id");
    assert_eq!(&*all[1].who, "C#c'1");
    let whole: Value = serde_json::from_str(&all[1].event_detail).unwrap();
    assert_eq!(whole, first, "the whole event, with its attributes");
    assert!(all[0].time_what.ends_with("#item.reserved#2"), "{}", all[0].time_what);

    let page = history(&app, "c'1?limit=2").await;
    assert_eq!(page, all[..2]);
    let after = page[1].time_what.replace('#', "%23");
    assert_eq!(history(&app, &format!("c'1?after={after}&limit=9")).await, all[2..]);
    for limit in ["0", "1001"] {
        assert_eq!(app.get(&format!("/event-store/c?limit={limit}")).await.status(), 400);
    }
}

/// Events of types that no service of the shop knows are stored too, and everybody's can be read.
#[tokio::test]
async fn events_of_every_type_have_an_owner_and_can_be_read() {
    let app = app();
    for (at, (data, who)) in [
        (json!({"customerId": "c", "itemId": "i"}), "C%23c"),
        (json!({"itemId": "i"}), "P%23i"),
        (json!({"customerId": ""}), "%3F%23%2Fs"),
        (json!([1]), "%3F%23%2Fs"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = at.to_string();
        add(
            &app,
            &json!({"specversion": "1.0", "type": "price.changed", "source": "/s", "id": id, "data": data}),
        )
        .await;
        let stored = history(&app, who).await;
        assert_eq!(stored.last().map(|record| &*record.event_id), Some(&*id), "{who}");
        assert_eq!(stored[0].event_type, "price.changed");
    }
    // An event of CloudEvents 0.1, and without a `time`: it has exactly one key.
    let old = json!({"cloudEventsVersion": "0.1", "eventType": "old", "source": "/old", "eventID": "7", "data": {}});
    add(&app, &old).await;
    add(&app, &old).await;
    let stored = history(&app, "%3F%23%2Fold").await;
    assert_eq!((stored.len(), &*stored[0].time_what), (1, "0000000000000000#old#7"));
}

#[tokio::test]
async fn requests_are_not_stored() {
    let app = app();
    let data =
        json!({"path": "/order/get", "headers": {"Authorization": "Bearer secret"}, "customerId": "c"});
    add(&app, &json!({"specversion": "1.0", "type": REQUEST, "source": "/gateway", "id": "1", "data": data}))
        .await;
    assert_eq!(history(&app, "c").await, []);
}

/// An event bus has no event about each event, so the function gets the events themselves there.
#[tokio::test]
async fn events_of_an_event_bus_are_stored() {
    let history = History::in_store(Store::in_memory().unwrap());
    let event = CloudEvent::of_type("order.created", "/shop/order", json!({"customerId": "c"})).with_id("1");
    let later = event.clone().with_id("2").with_time(event.time().map(|time| time + Duration::from_secs(1)));
    for event in [event.clone(), event, later] {
        store_event(State(history.clone()), event.encode().unwrap()).await.unwrap();
    }
    let stored = history.of("C#c", &Page::default()).await.unwrap();
    assert_eq!(stored.iter().map(|record| &*record.event_id).collect::<Vec<_>>(), ["1", "2"]);
}
