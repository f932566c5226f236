//! Tests of the whole service in memory: failure events in, alerts out.

use eg_runtime::testing::{Outcome, TestApp};
use eg_tests::moto::Moto;
use registration_faults::Mode;
use serde_json::{Value, json};

use super::*;

const REPORT: &str = "eventgateway.function.invocationFailed";

fn errors(mode: Mode) -> TestApp {
    let store = Store::in_memory().unwrap();
    let app = App::new().state(Alerts::new(store.clone())).state(Faults::new(mode, store));
    TestApp::new(app).unwrap()
}

/// The gateway's event about `function` failing to handle `event`.
fn report(function: &str, event: &Value) -> CloudEvent<Value> {
    let message = "Can't add user to the CRM";
    let report =
        json!({"space": "default", "functionId": function, "event": event, "error": {"message": message}});
    CloudEvent::of_type(REPORT, "https://serverless.com/event-gateway/#transformationVersion=0.1", report)
}

fn registered(id: &str) -> Value {
    json!({"specversion": "1.0", "type": "user.registered", "source": "/services/users", "id": id, "data": {}})
}

async fn alerts(app: &TestApp) -> Value {
    app.get("/alerts").await.json().unwrap()
}

#[tokio::test]
async fn the_admin_is_alerted_once_for_each_event_that_a_function_cannot_handle() {
    let app = errors(Mode::Never);
    for (function, id) in [("crm-add", "1"), ("crm-add", "1"), ("crm-add", "2"), ("vision-annotate", "1")] {
        let outcome = app.deliver(report(function, &registered(id))).await.unwrap().remove(0).outcome;
        assert_eq!(outcome, Outcome::Done);
    }
    let alert = |function: &str, id: &str| {
        json!({"function": function, "eventType": "user.registered", "eventId": id,
               "message": "Can't add user to the CRM"})
    };
    let expected = [alert("crm-add", "1"), alert("crm-add", "2"), alert("vision-annotate", "1")];
    assert_eq!(alerts(&app).await, json!(expected));
}

/// HTTP requests travel as CloudEvents 0.1, the version of the original gateway.
#[tokio::test]
async fn failed_requests_are_events_of_the_older_version() {
    let app = errors(Mode::Never);
    let request =
        json!({"cloudEventsVersion": "0.1", "eventType": "http.request", "source": "/", "eventID": "7"});
    app.deliver(report("users-create_user", &request)).await.unwrap();
    assert_eq!(alerts(&app).await[0]["eventId"], "7");
}

#[tokio::test]
async fn an_alert_that_cannot_be_given_comes_again() {
    let app = errors(Mode::First(1));
    let report = report("crm-add", &registered("1"));
    let first = app.deliver(report.clone()).await.unwrap().remove(0).outcome;
    assert_eq!(first, Outcome::Retry("Can't inform the admin".to_owned()));
    assert_eq!(alerts(&app).await, json!([]));
    assert_eq!(app.deliver(report).await.unwrap()[0].outcome, Outcome::Done);
    assert_eq!(alerts(&app).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_report_about_no_event_is_rejected() {
    let outcome = errors(Mode::Never).deliver(report("f", &json!({}))).await.unwrap().remove(0).outcome;
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
}

/// Runs against both backends.
async fn check_repository(store: Store) {
    let alerts = Alerts::new(store);
    let alert = |message: &str| {
        let [function, event_type, event_id, message] =
            ["crm-add", "user.registered", "1", message].map(str::to_owned);
        Alert { function, event_type, event_id, message }
    };
    assert!(alerts.raise("/a", &alert("first")).await.unwrap());
    assert!(!alerts.raise("/a", &alert("second")).await.unwrap());
    assert!(alerts.raise("/b", &alert("other")).await.unwrap(), "an id is one of its source");
    assert_eq!(alerts.all().await.unwrap(), [alert("first"), alert("other")]);
}

#[tokio::test]
async fn alerts_in_memory() {
    check_repository(Store::in_memory().unwrap()).await;
}

#[tokio::test]
async fn alerts_in_a_table() {
    let Some(moto) = Moto::start() else { return };
    check_repository(service_storage::testing::table(&moto.url, "errors").await).await;
}
