//! Tests of the whole service in memory: events in, rows out.

use eg_runtime::testing::{Outcome, TestApp};
use eg_tests::moto::Moto;
use serde_json::json;

use super::*;

fn analytics() -> TestApp {
    TestApp::new(App::new().state(Records::new(Store::in_memory().unwrap()))).unwrap()
}

async fn rows(app: &TestApp, event: &str) -> Value {
    app.get(&format!("/analytics/{event}")).await.json().unwrap()
}

fn click(target: &str) -> UserClicked {
    UserClicked { target: target.to_owned(), user: "1".to_owned() }
}

#[tokio::test]
async fn rows_say_what_happened_when() {
    let app = analytics();
    let time = eg_sdk::OffsetDateTime::from_unix_timestamp(1_500_000_000).unwrap();
    let later = time + std::time::Duration::from_secs(60);
    for (id, time) in [("a", later), ("b", time)] {
        let event = CloudEvent::new("/web", click("button")).with_id(id).with_time(time);
        assert_eq!(app.deliver(event).await.unwrap()[0].outcome, Outcome::Done);
    }
    let row = |id: &str, seconds: u64| {
        json!({"event": "user.clicked", "id": id, "received_at_s": seconds,
               "data": r#"{"target":"button","user":"1"}"#})
    };
    assert_eq!(rows(&app, "user.clicked").await, json!([row("b", 1_500_000_000), row("a", 1_500_000_060)]));
    assert_eq!(rows(&app, "user.registered").await, json!([]));
}

/// Session tokens were readable at `GET /analytics/user.clicked` and `user.registered`. Events of other programs may
/// contain them, too.
#[tokio::test]
async fn rows_contain_no_session() {
    let app = analytics();
    let [registered, clicked] =
        [json!({"id": "1", "session": "secret"}), json!({"target": "x", "session": "secret"})];
    for (ty, data) in [("user.registered", registered), ("user.clicked", clicked)] {
        let event = CloudEvent::of_type(ty, "/web", data);
        assert_eq!(app.deliver(event).await.unwrap()[0].outcome, Outcome::Done);
        let text = rows(&app, ty).await.to_string();
        assert!(!text.contains("secret"), "{text}");
    }
    assert_eq!(rows(&app, "user.clicked").await[0]["data"], r#"{"target":"x"}"#);
}

/// Deliveries are at least once, and ids are unique within their source only.
#[tokio::test]
async fn an_event_is_one_row_however_often_it_comes() {
    let app = analytics();
    for source in ["/web", "/web", "/other"] {
        let event = CloudEvent::of_type("user.clicked", source, click("button")).with_id("1");
        assert_eq!(app.deliver(event).await.unwrap()[0].outcome, Outcome::Done);
    }
    assert_eq!(rows(&app, "user.clicked").await.as_array().unwrap().len(), 2);
}

/// The original application acknowledged an event before writing it, and lost it if the write failed.
#[tokio::test]
async fn what_cannot_be_written_is_not_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("analytics.db");
    let app = TestApp::new(App::new().state(Records::new(Store::sqlite(&file).unwrap()))).unwrap();
    let event = CloudEvent::new("/web", click("button"));
    rusqlite::Connection::open(&file).unwrap().execute_batch("DROP TABLE items").unwrap();
    let outcome = app.deliver(event).await.unwrap().remove(0).outcome;
    assert!(matches!(outcome, Outcome::Retry(_)), "{outcome:?}");
}

/// Runs against both backends.
async fn check_repository(store: Store) {
    let records = Records::new(store);
    let record = |id: &str, received_at_s: i64, data: &str| Record {
        event: "user.clicked".to_owned(),
        id: id.to_owned(),
        received_at_s,
        data: data.to_owned(),
    };
    let rows = [record("b", 1, "{}"), record("a", 2, r#"{"target":"o'brien"}"#)];
    for row in rows.iter().rev() {
        records.keep("/web", row).await.unwrap();
    }
    records.keep("/web", &record("a", 3, "changed")).await.unwrap();
    assert_eq!(records.of("user.clicked").await.unwrap(), rows);
    assert_eq!(records.of("user.registered").await.unwrap(), []);
}

#[tokio::test]
async fn records_in_memory() {
    check_repository(Store::in_memory().unwrap()).await;
}

#[tokio::test]
async fn records_in_a_table() {
    let Some(moto) = Moto::start() else { return };
    check_repository(service_storage::testing::table(&moto.url, "analytics").await).await;
}
