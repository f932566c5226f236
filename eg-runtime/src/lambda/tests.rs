//! Tables of payloads with what functions reject: what is answered to Lambda, and what the failures queue keeps.

use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::response::IntoResponse as _;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::{Answer, Handler, Surroundings, answer};
use crate::context::Invocation;
use crate::dispatch::{Around, Service};
use crate::error::Error;
use crate::extract::ResponseFuture;
use crate::failures::Failures;
use crate::registry::{FunctionDef, Mode, Queue, Stream, Subscription, Trigger};
use crate::shared::{Shared, States};

/// Fails as its payload says.
static FUNCTION: FunctionDef = FunctionDef {
    package: "p",
    version: "0.1.0",
    name: "f",
    doc: "",
    file: "main.rs",
    line: 1,
    triggers: &[
        Trigger::Subscription(Subscription {
            event_type: "do",
            mode: Mode::Async,
            method: "POST",
            path: "/",
            route: None,
            cors: None,
            stream: false,
            authorizer: None,
            retry: None,
            filter: None,
            ordered: false,
        }),
        Trigger::Queue(Queue { name: "jobs", batch_size: None, window: None }),
        Trigger::Stream(Stream {
            kind: eg_grammar::StreamKind::Kinesis,
            name: "clicks",
            batch_size: None,
            window: None,
            retry: None,
        }),
        Trigger::Schedule("rate(1 day)"),
    ],
    timeout: None,
    memory: None,
    body_limit: None,
    emits: &[],
    needs: &[],
    call,
};

fn call(request: Request) -> ResponseFuture {
    Box::pin(async {
        let body =
            request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let body = String::from_utf8_lossy(&body);
        match () {
            () if body.contains("reject") => Error::reject("no such address").into_response(),
            () if body.contains("retry") => Error::retry("the mail server is down").into_response(),
            () => ().into_response(),
        }
    })
}

/// What the failures queue is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Nowhere,
    InQueue,
    InFullQueue,
}

/// Invokes the function. Returns the answer or the failure, and the messages that the failures queue got.
async fn invoke(payload: &str, kept: Kept, has_bus: bool) -> (Result<Value, String>, Vec<Value>) {
    let messages = Arc::new(Mutex::new(Vec::new()));
    let taken = messages.clone();
    let queue = Failures::of_test("failures", move |message| {
        if kept == Kept::InFullQueue {
            return Err("it is full".to_owned());
        }
        taken.lock().unwrap().push(serde_json::from_str(&message).unwrap());
        Ok(())
    });
    let shared =
        Shared { states: States::default(), source: "/s".to_owned(), payload_limit: 100, max_hops: 16 };
    let service = Service::new(&[&FUNCTION], shared, Around::default()).unwrap();
    let failures = (kept != Kept::Nowhere).then_some(queue);
    let handler = Handler { service, surroundings: Surroundings { failures, has_bus } };
    let invocation = Arc::new(Invocation { request_id: "r1".to_owned(), ..Invocation::default() });
    let answer = match answer(&handler, payload.as_bytes(), &invocation).await {
        Ok(Answer::Whole(json)) => Ok(serde_json::from_str(&json).unwrap()),
        Ok(Answer::Stream(_)) => panic!("a stream"),
        Err(failure) => Err(format!("{}: {}", failure.kind.error_type(), failure.message)),
    };
    let messages = messages.lock().unwrap().clone();
    (answer, messages)
}

fn on_bus(data: &str) -> Value {
    json!({"id": "1", "source": "s", "detail-type": "do", "detail": {"data": data}})
}

fn cloud_event(hops: u32, data: &str) -> Value {
    json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "do", "hops": hops, "data": data})
}

fn message(id: &str, group: Option<&str>, body: &Value) -> Value {
    let queue = if group.is_some() { "jobs.fifo" } else { "jobs" };
    json!({"messageId": id, "eventSource": "aws:sqs", "eventSourceARN": format!("arn:aws:sqs:r:1:{queue}"),
        "attributes": {"MessageGroupId": group}, "body": body.to_string()})
}

fn record(at: u32, data: &str) -> Value {
    let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, json!(data).to_string());
    json!({"eventSource": "aws:kinesis", "eventID": format!("shard-0:{at}"),
        "eventSourceARN": "arn:aws:kinesis:r:1:stream/clicks",
        "kinesis": {"sequenceNumber": at.to_string(), "partitionKey": "k", "data": data}})
}

#[tokio::test]
async fn what_is_rejected_is_kept_and_not_retried() {
    let (a, reject, retry) = (on_bus("well"), on_bus("reject"), on_bus("retry"));
    let done = json!({"statusCode": 200, "headers": {}, "body": "", "isBase64Encoded": false});
    let rejected = |reason: &str| Ok(json!({ "rejected": reason }));
    let failed = |items: &[&str]| {
        let items: Vec<_> = items.iter().map(|id| json!({"itemIdentifier": id})).collect();
        json!({ "batchItemFailures": items })
    };
    let mut scheduled = on_bus("reject");
    scheduled["detail-type"] = json!("Scheduled Event");
    scheduled["source"] = json!("aws.events");
    let unreadable = json!({"source": "s", "detail-type": "do", "detail": {}});
    let [m1, m2, m3] =
        [("1", "well"), ("2", "reject"), ("3", "retry")].map(|(id, body)| message(id, None, &json!(body)));
    let [f1, f2] = [("1", "reject"), ("2", "well")].map(|(id, body)| message(id, Some("g"), &json!(body)));
    let [r1, r2, r3] = [record(1, "reject"), record(2, "well"), record(3, "retry")];
    let records = |records: &[&Value]| json!({ "Records": records });
    let again = message("9", None, &json!("reject")).to_string().replace(":jobs\"", ":failures\"");
    let again: Value = serde_json::from_str(&again).unwrap();
    for (what, payload, answer, kept) in [
        ("an event", a.clone(), Ok(done.clone()), vec![]),
        ("a rejected event", reject.clone(), rejected("no such address"), vec![reject.clone()]),
        ("a failed event", retry.clone(), Err("Retry: the mail server is down"), vec![]),
        ("a schedule", scheduled.clone(), rejected("no such address"), vec![scheduled.clone()]),
        ("an array", json!([a, reject]), rejected("no such address"), vec![json!([reject])]),
        ("a mixed array", json!([reject, retry]), Err("Retry: the mail server is down"), vec![]),
        ("messages", records(&[&m1, &m2, &m3]), Ok(failed(&["3"])), vec![records(&[&m2])]),
        ("a group", records(&[&f1, &f2]), Ok(failed(&[])), vec![records(&[&f1])]),
        ("its own message", records(&[&again]), Ok(failed(&["9"])), vec![]),
        ("a shard", records(&[&r1, &r2, &r3]), Ok(failed(&["3"])), vec![records(&[&r1])]),
        ("the gateway's event", cloud_event(17, "reject"), Err("Reject: no such address"), vec![]),
    ] {
        let (found, messages) = invoke(&payload.to_string(), Kept::InQueue, false).await;
        let found = found.map(|mut answer| {
            // The rest of a batch's answer is for local queues.
            if answer["batchItemFailures"].is_array() {
                answer.as_object_mut().unwrap().retain(|name, _| name == "batchItemFailures");
            }
            answer
        });
        assert_eq!(found, answer.map_err(str::to_owned), "{what}");
        let payloads: Vec<_> = messages.iter().map(|message| message["requestPayload"].clone()).collect();
        assert_eq!(payloads, kept, "{what}");
    }
    // No function gets any of a batch that cannot be read, so all of it is kept.
    let batch = json!([a, {"specversion": "1.0"}]);
    let (answer, messages) = invoke(&batch.to_string(), Kept::InQueue, false).await;
    assert!(answer.unwrap()["rejected"].as_str().unwrap().contains("element 2"));
    assert_eq!(messages[0]["requestPayload"], batch);
    let (answer, messages) = invoke(&unreadable.to_string(), Kept::InQueue, false).await;
    let reason = answer.unwrap()["rejected"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("the payload is not a valid EventBridge event: "), "{reason}");
    assert_eq!(messages[0]["requestPayload"], unreadable);
}

#[tokio::test]
async fn a_kept_rejection_is_a_record_like_those_of_lambda() {
    let (_, messages) = invoke(&on_bus("reject").to_string(), Kept::InQueue, false).await;
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    let mut message = message.clone();
    let timestamp = message.as_object_mut().unwrap().remove("timestamp").unwrap();
    assert!(timestamp.as_str().is_some_and(|time| time.ends_with('Z')), "{timestamp}");
    let expected = json!({"version": "1.0",
        "requestContext": {"requestId": "r1", "functionArn": "", "condition": "Rejected"},
        "requestPayload": on_bus("reject"),
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "responsePayload": {"errorType": "Reject", "errorMessage": "no such address"}});
    assert_eq!(message, expected);

    // Handed in again, it is the same event again, and not a record of a record.
    let (answer, messages) = invoke(&expected.to_string(), Kept::InQueue, false).await;
    assert_eq!(answer, Ok(json!({"rejected": "no such address"})));
    assert_eq!(messages[0]["requestPayload"], on_bus("reject"));
}

/// Lambda repeats the call, and keeps the event itself in the end.
#[tokio::test]
async fn a_rejection_that_cannot_be_kept_fails_the_invocation() {
    let failed = json!({"batchItemFailures": [{"itemIdentifier": "1"}], "errors": {"1": "no such address"},
        "rejected": ["1"]});
    let batch = json!({"Records": [message("1", None, &json!("reject"))]}).to_string();
    let full = "no such address; it will be retried, because the failures queue cannot keep it: it is full";
    let mut failed_full = failed.clone();
    failed_full["errors"]["1"] = json!(full);
    for (kept, event, messages) in [
        (Kept::Nowhere, "Reject: no such address".to_owned(), failed),
        (Kept::InFullQueue, format!("Reject: {full}"), failed_full),
    ] {
        assert_eq!(invoke(&on_bus("reject").to_string(), kept, false).await, (Err(event), vec![]));
        assert_eq!(invoke(&batch, kept, false).await, (Ok(messages), vec![]));
    }
}

/// Behind the gateway, the gateway counts. A bus counts nothing, so the function does.
#[tokio::test]
async fn loops_end_where_there_is_no_gateway() {
    let inside = |hops: u32| {
        json!({"id": "1", "source": "/s", "detail-type": "do", "detail": cloud_event(hops, "well")})
            .to_string()
    };
    let loop_ = "event `do` (id 1) is part of a loop: 17 events led to this one, and 16 are allowed";
    assert!(invoke(&inside(16), Kept::InQueue, false).await.0.is_ok());
    let (answer, messages) = invoke(&inside(17), Kept::InQueue, false).await;
    assert_eq!(answer, Ok(json!({ "rejected": loop_ })));
    assert_eq!(messages[0]["responsePayload"]["errorMessage"], loop_);

    let own = |hops| cloud_event(hops, "well").to_string();
    assert!(invoke(&own(17), Kept::InQueue, false).await.0.is_ok(), "it may come from the gateway");
    assert_eq!(invoke(&own(17), Kept::InQueue, true).await.0, Err(format!("Reject: {loop_}")));
    assert!(invoke(&own(16), Kept::InQueue, true).await.0.is_ok());

    let errors = |answer: Result<Value, String>| answer.unwrap()["errors"].clone();
    let batch = json!({"Records": [message("1", None, &cloud_event(17, "well"))]}).to_string();
    assert_eq!(errors(invoke(&batch, Kept::Nowhere, false).await.0), json!({ "1": loop_ }));
    let (answer, messages) = invoke(&batch, Kept::InQueue, false).await;
    assert_eq!((errors(answer), messages.len()), (Value::Null, 1));
}
