//! Answers in parts: from runtimes that stream, to callers that do and to callers that do not.

use crate::support::{Local, header, http, lambda, spec};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvokeWithResponseStreamResponseEvent::{InvokeComplete, PayloadChunk};
use aws_sdk_lambda::types::{
    InvokeWithResponseStreamCompleteEvent, LogType, ResponseStreamingInvocationType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A streamed answer, as AWS's client sees it.
async fn streamed(
    local: &Local,
    name: &str,
    payload: Value,
) -> (String, InvokeWithResponseStreamCompleteEvent) {
    let answer = lambda(local)
        .invoke_with_response_stream()
        .function_name(name)
        .payload(Blob::new(payload.to_string()))
        .log_type(LogType::Tail)
        .send();
    let mut events = answer.await.unwrap().event_stream;
    let mut whole = Vec::new();
    loop {
        match events.recv().await.unwrap().unwrap() {
            PayloadChunk(part) => whole.extend(part.payload.unwrap().into_inner()),
            InvokeComplete(end) => return (String::from_utf8(whole).unwrap(), end),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn parts_arrive_before_the_answer_is_complete() {
    let local = Local::start(spec("stream")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("go");
    let answer = lambda(&local)
        .invoke_with_response_stream()
        .function_name("fixture-stream")
        .payload(Blob::new(json!({"file": file}).to_string()))
        .send();
    let mut events = answer.await.unwrap().event_stream;
    let mut whole = String::new();
    // The second part comes only after we have seen the first.
    while !whole.ends_with("first ") {
        let Some(PayloadChunk(part)) = events.recv().await.unwrap() else { panic!("{whole}") };
        whole += std::str::from_utf8(part.payload.unwrap().as_ref()).unwrap();
    }
    std::fs::write(&file, "").unwrap();
    let mut end = None;
    while let Some(event) = events.recv().await.unwrap() {
        match event {
            PayloadChunk(part) => whole += std::str::from_utf8(part.payload.unwrap().as_ref()).unwrap(),
            InvokeComplete(complete) => end = Some(complete),
            other => panic!("{other:?}"),
        }
    }
    assert!(whole.ends_with("first second"), "{whole}");
    assert_eq!(end.unwrap().error_code, None);

    // Who calls as always gets it all at once.
    let whole = local.invoke("fixture-stream", json!({"file": file})).await;
    assert_eq!(header(&whole, "x-amz-function-error"), None);
    assert!(whole.text().await.unwrap().ends_with("first second"));
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn a_function_that_does_not_stream_is_streamed_whole() {
    let local = Local::start(spec("echo")).await;
    let (answer, end) = streamed(&local, "fixture-echo", json!({"n": "x".repeat(200_000)})).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["echo"]["n"].as_str().unwrap().len(), 200_000);
    assert_eq!((end.error_code, end.error_details), (None, None));
    let log = STANDARD.decode(end.log_result.unwrap()).unwrap();
    assert!(log.starts_with(b"START RequestId: "));

    let (answer, end) = streamed(&local, "fixture-echo", json!({"do": "fail", "why": "no such user"})).await;
    assert_eq!(answer, "");
    assert!(end.error_details.unwrap().contains("no such user"));
    assert!(end.error_code.is_some());

    let dry = lambda(&local)
        .invoke_with_response_stream()
        .function_name("fixture-echo")
        .invocation_type(ResponseStreamingInvocationType::DryRun);
    assert_eq!(dry.send().await.unwrap().status_code(), 204);
    let unknown = lambda(&local).invoke_with_response_stream().function_name("nobody").send();
    assert!(unknown.await.unwrap_err().into_service_error().is_resource_not_found_exception());
    let url =
        format!("{}/2021-11-15/functions/fixture-echo/response-streaming-invocations", local.emulator.url());
    let event = http().post(url).header("x-amz-invocation-type", "Event").send().await.unwrap();
    assert_eq!(header(&event, "x-amzn-errortype").as_deref(), Some("InvalidParameterValueException"));
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn a_failure_half_way_is_told_in_the_trailers() {
    let local = Local::start(spec("stream_by_hand")).await;
    let error = r#"{"errorType":"Reject","errorMessage":"the third row is broken"}"#;
    let failing = format!(
        "5\r\nrow 1\r\n0\r\nlambda-runtime-function-error-type: Reject\r\n\
         lambda-runtime-function-error-body: {}\r\n\r\n",
        STANDARD.encode(error)
    );
    let failing = json!({ "chunks": failing });
    let (answer, end) = streamed(&local, "fixture-stream_by_hand", failing.clone()).await;
    assert_eq!(answer, "row 1");
    assert_eq!(end.error_code.as_deref(), Some("Reject"));
    assert_eq!(end.error_details.as_deref(), Some(error));
    // Who takes the answer whole gets the error instead.
    let (kind, payload) = local.outcome("fixture-stream_by_hand", failing).await;
    assert_eq!(kind.as_deref(), Some("Unhandled"));
    assert_eq!(payload["errorMessage"], "the third row is broken");

    let whole = json!({"chunks": "4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n"});
    assert_eq!(local.outcome("fixture-stream_by_hand", whole).await, (None, json!({"a": 1})));
    assert!(local.log("fixture-stream_by_hand").contains("the Runtime API says 202"));
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_failure() {
    let local = Local::start(spec("stream_by_hand")).await;
    // A chunk that is shorter than it says, and then the end of the connection's other side.
    let broken = json!({"chunks": "zzz\r\nrow 1\r\n"});
    let (kind, payload) = local.outcome("fixture-stream_by_hand", broken).await;
    assert_eq!(kind.as_deref(), Some("Unhandled"));
    assert_eq!(payload["errorType"], "Runtime.TruncatedResponse", "{payload}");

    let (answer, end) =
        streamed(&local, "fixture-stream_by_hand", json!({"chunks": "3\r\nrow\r\n0\r\n\r\n", "exit": true}))
            .await;
    assert_eq!((answer.as_str(), end.error_code), ("row", None), "what was complete counts");
    local.emulator.shut_down().await;
}
