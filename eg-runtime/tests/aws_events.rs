//! The events that AWS sends to a function: those of WebSocket APIs and of topics, and batches that cannot be read.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use eg_runtime::testing::TestApp;
use eg_runtime::{App, CloudEvent, Data, Error, Json, subscribe};
use serde_json::{Value, json};

/// Says what it sees of an event.
#[subscribe("do", "websocket.connect", "websocket.message", "websocket.disconnect", mode = "sync")]
#[subscribe("com.amazonaws.sns.Notification", mode = "sync")]
async fn seen(event: CloudEvent<Data>) -> Result<Json<Value>, Error> {
    let data = String::from_utf8_lossy(event.data.as_bytes()).into_owned();
    let media_type = event.datacontenttype().map(str::to_owned);
    Ok(Json(
        json!({"type": event.ty(), "id": event.id(), "source": event.source(), "subject": event.subject(),
        "data": data, "mediaType": media_type}),
    ))
}

fn app() -> TestApp {
    TestApp::new(App::new()).unwrap()
}

/// What the function sees of the event in a payload.
async fn event(payload: Value) -> Value {
    let answer = app().invoke(&payload.to_string()).await.unwrap();
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn websocket_connections_are_events() {
    let context = |ty: &str| {
        json!({"connectionId": "c1=", "eventType": ty, "routeKey": "$default", "requestId": "r1", "domainName": "x.example.com",
            "stage": "prod", "requestTimeEpoch": 1_700_000_000_000_i64, "disconnectStatusCode": 1001,
            "disconnectReason": "going away"})
    };
    let message =
        json!({"requestContext": context("MESSAGE"), "body": "{\"n\":1}", "isBase64Encoded": false});
    assert_eq!(
        event(message).await,
        json!({"type": "websocket.message", "id": "r1", "source": "//x.example.com/prod", "subject": "c1=",
        "data": "{\"n\":1}", "mediaType": "application/json"})
    );
    let text = event(json!({"requestContext": context("MESSAGE"), "body": "hello"})).await;
    assert_eq!((&text["data"], &text["mediaType"]), (&json!("hello"), &json!("text/plain; charset=utf-8")));
    let connect = event(json!({"requestContext": context("CONNECT"), "headers": {"authorization": "x"},
        "queryStringParameters": {"room": "7"}}))
    .await;
    assert_eq!(connect["data"], r#"{"headers":{"authorization":"x"},"query":{"room":"7"}}"#);
    let gone = event(json!({"requestContext": context("DISCONNECT")})).await;
    assert_eq!(gone["data"], r#"{"reason":"going away","statusCode":1001}"#);
}

#[tokio::test]
async fn notifications_of_topics() {
    let notification = |message: &str| {
        json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": "arn:x",
            "Sns": {"Type": "Notification", "MessageId": "m1", "TopicArn": "arn:aws:sns:eu-central-1:1:topic",
                "Subject": "s", "Message": message, "Timestamp": "2026-01-02T03:04:05.678Z"}}]})
    };
    assert_eq!(
        event(notification("{\"n\": 1}")).await,
        json!({"type": "com.amazonaws.sns.Notification", "id": "m1",
        "source": "arn:aws:sns:eu-central-1:1:topic", "subject": "s", "data": "{\"n\": 1}",
        "mediaType": "application/json"})
    );
    let inside = json!({"specversion": "1.0", "id": "7", "source": "/x", "type": "do", "data": 5});
    let seen = event(notification(&inside.to_string())).await;
    assert_eq!((&seen["type"], &seen["id"], &seen["data"]), (&json!("do"), &json!("7"), &json!("5")));
    let unknown = json!({"specversion": "1.0", "id": "7", "source": "/x", "type": "unknown", "data": 5});
    let mut two = notification(&unknown.to_string());
    two["Records"] = json!([two["Records"][0], notification("x")["Records"][0]]);
    let error = app().invoke(&two.to_string()).await.unwrap_err();
    assert!(error.error_message.contains("`unknown`"), "all come again when one fails: {error}");
}

#[tokio::test]
async fn batches_that_cannot_be_read_say_why() {
    for (records, reason) in [
        (json!([]), "it is empty"),
        (json!([{"eventSource": "aws:kinesis"}]), "batch of Kinesis records: missing field `eventID`"),
        (json!([{"eventSource": "aws:s3"}]), "records from `aws:s3`"),
        (json!([{}]), "records from `(none)`"),
        (
            json!([{"eventSource": "aws:sqs"}, {"eventSource": "aws:s3"}]),
            "some records come from `aws:sqs`, some",
        ),
        (json!("text"), "invalid type"),
        (
            json!([{"eventSource": "aws:sqs", "messageId": "", "eventSourceARN": "x:q"}]),
            "`messageId` is empty",
        ),
        (json!([{"eventSource": "aws:sqs", "eventSourceARN": "x:q"}]), "missing field `messageId`"),
    ] {
        let error = app().invoke(&json!({"Records": records}).to_string()).await.unwrap_err();
        assert_eq!(error.error_type, "Reject");
        assert!(error.error_message.contains(reason), "{records}: {error}");
    }
}
