//! A payload that contains another one: what is inside is data, unless its carrier vouches for it. User JSON once passed
//! for the gateway's `http.request`, and called any route with headers of its choice.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::sync::{Arc, Mutex};

use eg_runtime::testing::TestApp;
use eg_runtime::{App, CloudEvent, Data, HeaderMap, State, http, schedule, subscribe};
use serde_json::{Value, json};

/// The functions that were called, in order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn note(&self, call: impl Into<String>) {
        self.0.lock().unwrap().push(call.into());
    }
}

#[http(POST, "/admin")]
async fn admin(State(calls): State<Calls>, headers: HeaderMap) {
    calls.note(format!("admin as {:?}", headers["x-user"]));
}

#[http(POST, "/echo")]
async fn echo(State(calls): State<Calls>, body: String) {
    calls.note(format!("echo {body}"));
}

#[subscribe("order.paid", "websocket.message")]
async fn takes(State(calls): State<Calls>, event: CloudEvent<Data>) {
    calls.note(format!("takes {} of {}", event.ty(), event.source()));
}

#[schedule("rate(1 day)")]
async fn clean_up(State(calls): State<Calls>) {
    calls.note("clean_up");
}

#[schedule("rate(1 hour)")]
async fn report(State(calls): State<Calls>) {
    calls.note("report");
}

/// Invokes the app and returns the functions that were called, and whether the payload was refused.
async fn called(payload: &Value) -> (Vec<String>, bool) {
    let calls = Calls::default();
    let app = TestApp::new(App::new().state(calls.clone())).unwrap();
    let refused = match app.invoke(&payload.to_string()).await {
        Ok(reply) => reply["batchItemFailures"].as_array().is_some_and(|failures| !failures.is_empty()),
        Err(error) => {
            assert_eq!(error.error_type, "Reject", "{payload}: {error}");
            true
        }
    };
    let calls = calls.0.lock().unwrap().clone();
    (calls, refused)
}

/// The gateway's event of `POST /admin`.
fn request() -> Value {
    json!({"eventType": "http.request", "cloudEventsVersion": "0.1", "eventID": "1", "contentType": "application/json",
        "source": "https://serverless.com/event-gateway/#transformationVersion=0.1",
        "data": {"method": "POST", "path": "/admin", "headers": {"X-User": "root"}, "query": {}, "body": ""}})
}

/// The same in CloudEvents 1.0, which no gateway sends.
fn request_1_0() -> Value {
    json!({"specversion": "1.0", "type": "http.request", "id": "1", "source": "/gateway", "data": request()["data"]})
}

fn event(ty: &str, source: &str) -> Value {
    json!({"specversion": "1.0", "type": ty, "id": "1", "source": source, "data": {}})
}

fn eventbridge(ty: &str, source: &str, detail: &Value) -> Value {
    json!({"version": "0", "id": "out", "detail-type": ty, "source": source, "account": "1", "region": "eu-central-1",
        "time": "2026-01-01T00:00:00Z", "resources": ["arn:aws:events:eu-central-1:1:rule/report"], "detail": detail})
}

fn sqs(body: &str) -> Value {
    json!({"Records": [{"messageId": "m", "body": body, "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:1:queue"}]})
}

fn notification(message: &str) -> Value {
    json!({"Type": "Notification", "MessageId": "n", "TopicArn": "arn:aws:sns:eu-central-1:1:topic", "Message": message,
        "Timestamp": "2026-01-01T00:00:00Z"})
}

fn sns(message: &str) -> Value {
    json!({"Records": [{"EventSource": "aws:sns", "Sns": notification(message)}]})
}

fn api_gateway(path: &str, body: &str) -> Value {
    json!({"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": {},
        "requestContext": {"stage": "$default", "http": {"method": "POST"}}, "body": body, "isBase64Encoded": false})
}

fn websocket(body: &str) -> Value {
    json!({"requestContext": {"connectionId": "c", "eventType": "MESSAGE", "messageId": "m", "domainName": "x",
        "stage": "prod"}, "body": body, "isBase64Encoded": false})
}

#[tokio::test]
async fn a_request_of_the_gateway_is_one_only_as_the_payload_itself() {
    assert_eq!(called(&request()).await, (vec!["admin as \"root\"".to_owned()], false));
    for inside in [request(), request_1_0()] {
        let text = inside.to_string();
        let in_bus = eventbridge("http.request", inside["source"].as_str().unwrap(), &inside);
        for (carrier, payload) in [
            ("EventBridge", in_bus.clone()),
            ("EventBridge, other type", eventbridge("other", "app", &inside)),
            ("SQS", sqs(&text)),
            ("EventBridge in SQS", sqs(&in_bus.to_string())),
            ("SNS in SQS", sqs(&notification(&text).to_string())),
            ("SNS", sns(&text)),
            ("EventBridge in SNS", sns(&in_bus.to_string())),
            ("SNS in SNS", sns(&notification(&text).to_string())),
            ("S3", json!({"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": text}}}]})),
            ("Kinesis", json!({"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": text}}]})),
            ("nothing known", json!({"event": inside})),
        ] {
            assert_eq!(called(&payload).await, (vec![], true), "{carrier}: {payload}");
        }
        let echoed = (vec![format!("echo {text}")], false);
        assert_eq!(called(&api_gateway("/echo", &text)).await, echoed);
        let message = (vec!["takes websocket.message of //x/prod".to_owned()], false);
        assert_eq!(called(&websocket(&text)).await, message);
    }
}

#[tokio::test]
async fn a_request_in_another_version_says_what_an_http_request_is() {
    let calls = Calls::default();
    let app = TestApp::new(App::new().state(calls.clone())).unwrap();
    let error = app.invoke(&request_1_0().to_string()).await.unwrap_err();
    assert!(error.error_message.contains("only the CloudEvents 0.1 event of an event gateway"), "{error}");
    assert!(error.error_message.contains("`admin` takes POST /admin"), "{error}");
}

#[tokio::test]
async fn an_event_inside_an_eventbridge_event_needs_its_type_and_source() {
    for (ty, source, expected) in [
        ("order.paid", "/shop", Some("takes order.paid of /shop")),
        ("order.refunded", "/shop", None),
        ("Scheduled Event", "aws.events", None),
    ] {
        let payload = eventbridge("order.paid", "/shop", &event(ty, source));
        // What does not agree is the payload of the bus's own event, whose type has a subscriber.
        let expected = expected.unwrap_or("takes order.paid of /shop").to_owned();
        assert_eq!(called(&payload).await, (vec![expected], false), "{payload}");
        let payload = eventbridge("other", "app", &event(ty, source));
        assert_eq!(called(&payload).await, (vec![], true), "{payload}");
    }
    let elsewhere = eventbridge("order.paid", "/shop", &event("order.paid", "/bank"));
    assert_eq!(called(&elsewhere).await.0, ["takes order.paid of /shop"]);
}

#[tokio::test]
async fn a_schedule_is_one_only_as_an_event_of_eventbridge_itself() {
    let tick = eventbridge("Scheduled Event", "aws.events", &json!({}));
    assert_eq!(called(&tick).await, (vec!["report".to_owned()], false));
    let text = tick.to_string();
    for payload in [
        event("Scheduled Event", "aws.events"),
        eventbridge("other", "app", &event("Scheduled Event", "aws.events")),
        eventbridge("Scheduled Event", "app", &event("Scheduled Event", "aws.events")),
        sqs(&text),
        sns(&text),
        sqs(&notification(&text).to_string()),
    ] {
        assert_eq!(called(&payload).await, (vec![], true), "{payload}");
    }
}
