//! Functions with `#[invoke]`: they get every payload as it is, and what they return is the answer.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use eg_runtime::testing::TestApp;
use eg_runtime::{
    App, Bytes, CloudEvent, Context, Emit, Error, Event, Json, State, StatusCode, invoke, subscribe,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone)]
struct Factor(u32);

#[derive(Serialize, Deserialize, Event)]
#[event("number.multiplied")]
struct Multiplied {
    result: u32,
}

#[invoke]
async fn echo(payload: Value) -> Value {
    payload
}

#[invoke]
async fn wrapped(Json(payload): Json<Value>) -> Result<Json<Value>, Error> {
    Ok(Json(payload))
}

#[invoke]
async fn verbatim(payload: Bytes) -> Bytes {
    payload
}

#[invoke]
async fn multiply(State(factor): State<Factor>, emit: Emit<Multiplied>, number: u32) -> Result<u32, Error> {
    let result = number * factor.0;
    emit.send(Multiplied { result }).await?;
    Ok(result)
}

#[invoke]
async fn add(numbers: Vec<u32>) -> u32 {
    numbers.iter().sum()
}

#[invoke]
async fn name(context: Context) -> String {
    context.function_name().to_owned()
}

#[invoke]
async fn nothing() {}

#[invoke]
async fn event_id(event: CloudEvent<Multiplied>) -> String {
    event.id().to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Fault {
    Retry,
    Reject,
    Typed,
    Io,
    Status,
    Panic,
}

#[invoke]
async fn fail(fault: Fault) -> Result<(), Error> {
    Err(match fault {
        Fault::Retry => Error::retry("no connection"),
        Fault::Reject => Error::reject("no such item"),
        Fault::Typed => Error::reject("3 are left").with_type("OutOfStock"),
        Fault::Io => std::io::Error::from(std::io::ErrorKind::NotFound).into(),
        Fault::Status => Error::status(StatusCode::NOT_FOUND, "gone"),
        Fault::Panic => panic!("as you wish"),
    })
}

#[subscribe("order.paid")]
async fn paid(_order: Json<Value>) {}

fn app() -> TestApp {
    TestApp::new(App::new().state(Factor(3))).unwrap()
}

/// The payloads of the families that other functions get as requests, events and messages.
fn payloads() -> Vec<Value> {
    vec![
        json!({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "eventSourceARN": "a:q", "body": "{}"}]}),
        json!({"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "a+b"}}}]}),
        json!({"Records": []}),
        json!({"cloudEventsVersion": "0.1", "eventType": "http.request", "eventID": "1", "source": "/",
            "contentType": "application/json", "data": {"method": "GET", "path": "/", "headers": {}, "body": ""}}),
        json!({"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.paid", "data": {}}),
        json!({"version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {},
            "resources": ["arn:aws:events:us-east-1:000000000000:rule/echo"], "time": "2026-01-01T00:00:00Z"}),
        json!({"type": "TOKEN", "methodArn": "arn", "authorizationToken": "secret"}),
        json!({"httpMethod": "GET", "path": "/", "requestContext": {"stage": "prod"}}),
        json!({"specversion": "not even an event"}),
        json!({}),
        json!([1, {"a": null}]),
        json!("text"),
        json!(1.5),
        json!(null),
    ]
}

#[tokio::test]
async fn a_payload_of_any_family_comes_as_it_is() {
    let app = app();
    for payload in payloads() {
        assert_eq!(app.call("echo", &payload).await.unwrap(), payload);
        assert_eq!(app.call("wrapped", &payload).await.unwrap(), payload);
        assert_eq!(app.call("verbatim", &payload).await.unwrap(), payload);
    }
}

#[tokio::test]
async fn arguments_and_results_are_those_of_serde() {
    let app = app();
    assert_eq!(app.call("multiply", &7).await.unwrap(), 21);
    assert_eq!(app.emitted::<Multiplied>().unwrap()[0].data.result, 21);
    assert_eq!(app.call("add", &[1, 2, 3]).await.unwrap(), 6);
    assert_eq!(app.call("name", &json!({})).await.unwrap(), "name");
    assert_eq!(app.call("nothing", &"ignored").await.unwrap(), Value::Null);
    let event = json!({"specversion": "1.0", "id": "e1", "source": "/", "type": "number.multiplied", "data": {"result": 1}});
    assert_eq!(app.call("event_id", &event).await.unwrap(), "e1");
}

#[tokio::test]
async fn an_error_has_its_type() {
    let app = app();
    for (fault, error_type, message) in [
        ("retry", "Retry", "no connection"),
        ("reject", "Reject", "no such item"),
        ("typed", "OutOfStock", "3 are left"),
        ("io", "Retry", "entity not found"),
        ("status", "Reject", "gone"),
        ("panic", "Panic", "as you wish"),
    ] {
        let error = app.call("fail", fault).await.unwrap_err();
        assert_eq!(error.error_type, error_type);
        assert!(error.error_message.ends_with(message), "{error}");
    }
}

#[tokio::test]
async fn a_payload_that_does_not_fit_is_rejected_with_the_place() {
    let app = app();
    let error = app.call("add", &json!([1, "2"])).await.unwrap_err();
    assert_eq!(error.error_type, "Reject");
    let place = "the payload is not what the function takes: [1]: invalid type: string \"2\", expected u32";
    assert!(error.error_message.starts_with(place), "{error}");
}

/// A process that serves several functions cannot know for which of them a payload is.
#[tokio::test]
async fn several_functions_get_their_own_payloads_only() {
    let app = app();
    let paid = json!({"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.paid", "data": {}});
    assert!(app.invoke(&paid.to_string()).await.is_ok());
    for payload in
        ["{\"hello\":1}", "[1]", "{\"type\":\"TOKEN\",\"methodArn\":\"arn\",\"authorizationToken\":\"x\"}"]
    {
        let error = app.invoke(payload).await.unwrap_err();
        assert_eq!(error.error_type, "Reject");
        assert!(error.error_message.contains("`echo`"), "{error}");
        assert!(
            error.error_message.ends_with(" take any payload, but only if `_HANDLER` names it"),
            "{error}"
        );
    }
    let error = app.call("ehco", &json!({})).await.unwrap_err();
    assert!(
        error.error_message.starts_with("no function is named `ehco`; there are `add`, `echo`, "),
        "{error}"
    );
}
