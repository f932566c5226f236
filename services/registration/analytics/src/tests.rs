//! The service in a test: events go in, rows come out.

use eg_runtime::testing::{Outcome, TestApp};
use serde_json::{Value, json};

use super::*;

fn analytics() -> TestApp {
    TestApp::new(App::new().state(Records::new(Store::in_memory().unwrap()))).unwrap()
}

async fn rows(app: &TestApp, event: &str) -> Value {
    app.get(&format!("/analytics/{event}")).await.json().unwrap()
}

fn click(target: &str) -> UserClicked {
    UserClicked { target: target.to_owned(), session: "s".to_owned() }
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
               "data": r#"{"target":"button","session":"s"}"#})
    };
    assert_eq!(rows(&app, "user.clicked").await, json!([row("b", 1_500_000_000), row("a", 1_500_000_060)]));
    assert_eq!(rows(&app, "user.registered").await, json!([]));
}

/// Deliveries are at least once; an id counts for its source alone.
#[tokio::test]
async fn an_event_is_one_row_however_often_it_comes() {
    let app = analytics();
    let event = CloudEvent::new("/web", click("button")).with_id("1");
    for source in ["/web", "/web", "/other"] {
        let event = CloudEvent::new(source, event.data.clone()).with_id("1");
        assert_eq!(app.deliver(event).await.unwrap()[0].outcome, Outcome::Done);
    }
    assert_eq!(rows(&app, "user.clicked").await.as_array().unwrap().len(), 2);
}

/// The original acknowledged first and lost what it then could not write.
#[tokio::test]
async fn what_cannot_be_written_is_not_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("analytics.db");
    let app = TestApp::new(App::new().state(Records::new(Store::sqlite(&file).unwrap()))).unwrap();
    let event = CloudEvent::new("/web", click("button"));
    // Not a database any more.
    std::fs::write(&file, vec![b'x'; 8192]).unwrap();
    let outcome = app.deliver(event).await.unwrap().remove(0).outcome;
    assert!(matches!(outcome, Outcome::Retry(_)), "{outcome:?}");
}
