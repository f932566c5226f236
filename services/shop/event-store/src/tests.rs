//! Tests of the whole service in memory: events in, history out.

use eg_runtime::testing::{Outcome, TestApp};
use serde_json::json;
use service_storage::Store;

use super::*;

fn app() -> TestApp {
    TestApp::new(App::new().state(History::in_store(Store::in_memory().unwrap()))).unwrap()
}

async fn add(app: &TestApp, event: CloudEvent<serde_json::Value>) {
    let deliveries = app.deliver(event).await.unwrap();
    assert_eq!((deliveries.len(), &deliveries[0].outcome), (1, &Outcome::Done));
}

async fn history(app: &TestApp, query: &str) -> Vec<Record> {
    app.get(&format!("/event-store/c'1{query}")).await.json().unwrap()
}

fn event(ty: &str, id: &str) -> CloudEvent<serde_json::Value> {
    let detail = json!({"customerId": "c'1", "orderId": "o", "note": "5 o'clock"});
    CloudEvent::of_type(ty, "/shop/order", detail).with_id(id)
}

#[tokio::test]
async fn events_of_one_instant_are_all_kept_each_once_and_in_order() {
    let app = app();
    let first = event("order.created", "1");
    let instant = first.time();
    add(&app, first.clone()).await;
    add(&app, first).await;
    for (ty, id) in [("item.reserved", "2"), ("order.created", "3")] {
        add(&app, event(ty, id).with_time(instant)).await;
    }
    let later = instant.map(|time| time + std::time::Duration::from_millis(5));
    add(&app, event("item.described", "4").with_time(later)).await;
    let all = history(&app, "").await;
    let ids: Vec<&str> = all.iter().map(|record| &*record.event_id).collect();
    assert_eq!(ids, ["2", "1", "3", "4"], "by time, then by type and id");
    assert_eq!((&*all[0].who, &all[0].event_detail["note"]), ("C#c'1", &json!("5 o'clock")));
    assert!(all[0].time_what.ends_with("#item.reserved#2"), "{}", all[0].time_what);

    let page = history(&app, "?limit=2").await;
    assert_eq!(page, all[..2]);
    let after = page[1].time_what.replace('#', "%23");
    assert_eq!(history(&app, &format!("?after={after}&limit=9")).await, all[2..]);
    for limit in ["0", "1001"] {
        assert_eq!(app.get(&format!("/event-store/c?limit={limit}")).await.status(), 400);
    }
}

#[tokio::test]
async fn whose_an_event_is() {
    for (detail, who) in [
        (json!({"customerId": "c", "itemId": "i"}), "C#c"),
        (json!({"itemId": "i"}), "P#i"),
        (json!({"customerId": ""}), "?#/s"),
        (json!([1]), "?#/s"),
    ] {
        let event = CloudEvent::of_type("t", "/s", detail).encode().unwrap();
        assert_eq!(Record::new(&event).who, who);
    }
    // An event without a `time` also has exactly one key.
    let event = || CloudEvent::of_type("t", "/s", json!({})).with_id("7").with_time(None).encode().unwrap();
    assert_eq!(Record::new(&event()).time_what, "0000000000000000#t#7");
}
