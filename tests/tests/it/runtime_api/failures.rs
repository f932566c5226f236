//! Tests the failures queue on the wire, with both clients of the Runtime API: what is sent to SQS, with which signature, and
//! what a refusal means.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use eg_tests::runtime_api::Manners;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::clients::CLIENTS;

const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/shop-failures";

type Calls = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// Listens in place of SQS, and gives every call the same answer.
async fn sqs(status: StatusCode, answer: &'static str) -> (String, Calls) {
    let calls = Calls::default();
    let noted = calls.clone();
    let take = post(async move |headers: HeaderMap, body: String| {
        noted.lock().unwrap().push((headers, serde_json::from_str(&body).unwrap()));
        (status, answer)
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", take)).await });
    (url, calls)
}

fn variables(url: &str) -> [(&'static str, &str); 6] {
    [
        ("EVENT_FAILURES_QUEUE", QUEUE),
        ("AWS_ENDPOINT_URL_SQS", url),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
    ]
}

fn on_bus(data: &str) -> Value {
    json!({"id": "1", "source": "s", "detail-type": "do", "detail": {"specversion": "1.0", "id": "1", "source": "s",
        "type": "do", "data": data}})
}

#[tokio::test]
async fn what_is_rejected_is_sent_to_the_failures_queue() {
    for client in CLIENTS {
        let (url, calls) = sqs(StatusCode::OK, r#"{"MessageId":"m1"}"#).await;
        let function = client.start("fails", Manners::default(), &variables(&url)).await;
        let posted = function.invoke(&on_bus("retry")).await;
        assert_eq!((posted.what.as_str(), calls.lock().unwrap().len()), ("error", 0), "{client:?}");

        let posted = function.invoke(&on_bus("reject")).await;
        let body: Value = serde_json::from_str(&posted.body).unwrap();
        assert_eq!(
            (posted.what.as_str(), body),
            ("response", json!({"rejected": "the address does not exist"})),
            "{client:?}"
        );
        let calls = calls.lock().unwrap();
        let [(headers, call)] = calls.as_slice() else { panic!("{calls:?}") };
        assert_eq!(headers["x-amz-target"], "AmazonSQS.SendMessage");
        assert_eq!(headers["content-type"], "application/x-amz-json-1.0");
        assert_eq!(headers["x-amz-security-token"], "token");
        let signature = headers["authorization"].to_str().unwrap();
        assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=key/"), "{signature}");
        assert!(signature.contains("/eu-central-1/sqs/aws4_request, "), "{signature}");
        assert_eq!(call["QueueUrl"], QUEUE);
        let message: Value = serde_json::from_str(call["MessageBody"].as_str().unwrap()).unwrap();
        assert_eq!(message["requestPayload"], on_bus("reject"));
        let reason = json!({"errorType": "Reject", "errorMessage": "the address does not exist"});
        assert_eq!(message["responsePayload"], reason);
        assert_eq!(message["requestContext"]["requestId"], posted.id);
    }
}

#[tokio::test]
async fn a_failures_queue_that_refuses_fails_the_invocation() {
    for client in CLIENTS {
        let denied = r#"{"__type":"com.amazonaws.sqs#AccessDenied","message":"not authorized to perform sqs:SendMessage"}"#;
        let (url, calls) = sqs(StatusCode::FORBIDDEN, denied).await;
        let function = client.start("fails", Manners::default(), &variables(&url)).await;
        let posted = function.invoke(&on_bus("reject")).await;
        let report: Value = serde_json::from_str(&posted.body).unwrap();
        assert_eq!((posted.what.as_str(), &report["errorType"]), ("error", &json!("Reject")), "{client:?}");
        let message = report["errorMessage"].as_str().unwrap();
        for part in [
            "the address does not exist; it will be retried",
            "`shop-failures`",
            "AccessDenied: not authorized",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(calls.lock().unwrap().len(), 1, "a refusal is final");
    }
}
