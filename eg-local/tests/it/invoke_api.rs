//! The Invoke API as callers see it: plain HTTP, and the AWS SDK.

use std::time::Duration;

use crate::support::{Local, eventually, header, http, lambda, spec};
use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_local::emulator::{BindError, DeployError, Emulator, EmulatorOptions};
use serde_json::{Value, json};

#[tokio::test]
async fn the_aws_sdk_invokes_functions() {
    let local = Local::start(spec("echo")).await;
    let client = lambda(&local);
    let invoke = |name: &str, payload: Value| {
        client.invoke().function_name(name).payload(Blob::new(payload.to_string()))
    };

    let answer = invoke("fixture-echo", json!({"n": 1})).log_type(LogType::Tail).send().await.unwrap();
    assert_eq!((answer.status_code(), answer.function_error()), (200, None));
    assert_eq!(answer.executed_version(), Some("$LATEST"));
    let payload: Value = serde_json::from_slice(answer.payload().unwrap().as_ref()).unwrap();
    assert_eq!(payload["echo"], json!({"n": 1}));
    let log = String::from_utf8(STANDARD.decode(answer.log_result().unwrap()).unwrap()).unwrap();
    assert!(log.starts_with("START RequestId: ") && log.contains("\nREPORT RequestId: "), "{log}");

    let arn = "arn:aws:lambda:us-east-1:000000000000:function:fixture-echo";
    let failed = invoke(arn, json!({"do": "fail", "why": "no"})).send().await.unwrap();
    assert_eq!((failed.status_code(), failed.function_error()), (200, Some("Unhandled")));

    let dry = invoke("fixture-echo", json!({})).invocation_type(InvocationType::DryRun).send().await;
    assert_eq!(dry.unwrap().status_code(), 204);

    let unknown = invoke("nobody", json!({})).send().await.unwrap_err().into_service_error();
    assert!(unknown.is_resource_not_found_exception(), "{unknown:?}");
    assert_eq!(
        unknown.message(),
        Some("Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody")
    );
    let other_version = invoke("fixture-echo", json!({})).qualifier("prod").send().await.unwrap_err();
    assert!(other_version.into_service_error().is_resource_not_found_exception());

    let broken = client.invoke().function_name("fixture-echo").payload(Blob::new("{\"a\":"));
    let broken = broken.send().await.unwrap_err().into_service_error();
    assert!(broken.is_invalid_request_content_exception(), "{broken:?}");

    let large = vec![b' '; 6 * 1024 * 1024 + 1];
    let large = client.invoke().function_name("fixture-echo").payload(Blob::new(large));
    let large = large.send().await.unwrap_err().into_service_error();
    assert!(large.is_request_too_large_exception(), "{large:?}");
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn an_event_is_accepted_before_it_is_worked_on() {
    let local = Local::start(spec("echo")).await;
    let answer = lambda(&local)
        .invoke()
        .function_name("fixture-echo")
        .invocation_type(InvocationType::Event)
        .payload(Blob::new(r#"{"do":"print","out":"worked on","err":""}"#))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status_code(), 202);
    eventually("the event has been worked on", || local.log("fixture-echo").contains("\nREPORT ")).await;
    assert!(local.log("fixture-echo").contains("worked on"));
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn an_event_that_fails_is_tried_again_and_then_given_up() {
    let mut retried = spec("echo");
    retried.event_retries = vec![Duration::from_millis(1), Duration::from_millis(2)];
    let local = Local::start(retried).await;
    let folder = tempfile::tempdir().unwrap();
    let post = async |payload: Value| {
        let url = local.invocations("fixture-echo");
        let request = http().post(url).header("x-amz-invocation-type", "Event").body(payload.to_string());
        header(&request.send().await.unwrap(), "x-amzn-requestid").unwrap()
    };
    let reports = || local.log("fixture-echo").lines().filter(|line| line.starts_with("REPORT ")).count();

    let file = folder.path().join("calls");
    let id = post(json!({"do": "flaky", "file": file})).await;
    eventually("the third attempt has succeeded", || reports() == 3).await;
    let log = local.log("fixture-echo");
    assert_eq!(log.matches(&format!("START RequestId: {id}")).count(), 3, "{log}");

    let id = post(json!({"do": "fail", "why": "never"})).await;
    let given_up = format!("RequestId: {id} Error: the event was given up");
    eventually("it has been given up", || local.log("fixture-echo").contains(&given_up)).await;
    assert_eq!(reports(), 6);
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn more_callers_than_the_reserved_concurrency_are_refused() {
    let mut reserved = spec("echo");
    reserved.reserved_concurrency = Some(1);
    let local = Local::start(reserved).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("go");
    // One after the other there is room, however quickly they follow.
    for _ in 0..20 {
        local.echo("fixture-echo").await;
    }
    let waiting = {
        let payload = json!({"do": "wait", "file": file}).to_string();
        tokio::spawn(http().post(local.invocations("fixture-echo")).body(payload).send())
    };
    eventually("it has begun", || file.with_extension("begun").exists()).await;

    let refused = local.invoke("fixture-echo", json!({})).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "x-amzn-errortype").as_deref(), Some("TooManyRequestsException"));
    let body: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    let expected = json!({
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User", "message": "Rate Exceeded."
    });
    assert_eq!(body, expected);
    // Not retried by the client: its answer is what the test is about.
    let refused = lambda(&local).invoke().function_name("fixture-echo").send();
    let refused = refused.await.unwrap_err().into_service_error();
    assert!(refused.is_too_many_requests_exception(), "{refused:?}");
    // An event waits for its turn.
    let event = http().post(local.invocations("fixture-echo")).header("x-amz-invocation-type", "Event");
    assert_eq!(event.send().await.unwrap().status(), 202);

    std::fs::write(&file, "").unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    let ends = || local.log("fixture-echo").lines().filter(|line| line.starts_with("REPORT ")).count();
    eventually("the event has had its turn", || ends() == 22).await;
    local.emulator.shut_down().await;

    let mut none = spec("echo");
    none.reserved_concurrency = Some(0);
    let local = Local::start(none).await;
    local.emulator.warm("fixture-echo").await.unwrap();
    assert_eq!(local.invoke("fixture-echo", json!({})).await.status(), 429);
    let event = http().post(local.invocations("fixture-echo")).header("x-amz-invocation-type", "Event");
    assert_eq!(event.send().await.unwrap().status(), 202);
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn the_client_context_reaches_the_function() {
    let local = Local::start(spec("echo")).await;
    let send = async |context: &str| {
        let request = http().post(local.invocations("fixture-echo")).header("x-amz-client-context", context);
        request.send().await.unwrap()
    };
    let context = "{\n \"custom\": {\"a\": \"b\", \"ü\": \"𝄞\"}\n}";
    let answer = send(&STANDARD.encode(context)).await;
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(answer["client"]["custom"], json!({"a": "b", "ü": "𝄞"}), "{answer}");
    for bad in ["***".to_owned(), STANDARD.encode("{")] {
        let answer = send(&bad).await;
        assert_eq!(answer.status(), 400);
        let kind = header(&answer, "x-amzn-errortype");
        assert_eq!(kind.as_deref(), Some("InvalidRequestContentException"));
    }
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn errors_have_the_status_type_and_body_that_sdks_compare() {
    let local = Local::start(spec("echo")).await;
    let client = http();
    let check = async |name: &str, request: Request, expected: (u16, &str)| {
        let url = local.invocations(name);
        let request = request.0.iter().fold(client.post(url).body(request.1), |r, (k, v)| r.header(*k, *v));
        let response = request.send().await.unwrap();
        let found = (response.status().as_u16(), header(&response, "x-amzn-errortype").unwrap());
        assert_eq!((found.0, found.1.as_str()), expected, "{name}");
        let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(body["Type"], "User", "{body}");
    };
    let plain = |body: &str| Request(vec![], body.to_owned());
    check("nobody", plain(""), (404, "ResourceNotFoundException")).await;
    check("fixture-echo:blue", plain(""), (404, "ResourceNotFoundException")).await;
    check("a:b:c:d", plain(""), (400, "InvalidParameterValueException")).await;
    check("fixture-echo", plain("{"), (400, "InvalidRequestContentException")).await;
    check("fixture-echo", plain("\u{0}"), (400, "InvalidRequestContentException")).await;
    let with = |name, value, body: &str| Request(vec![(name, value)], body.to_owned());
    let odd = with("x-amz-invocation-type", "Maybe", "");
    check("fixture-echo", odd, (400, "InvalidParameterValueException")).await;
    let odd = with("x-amz-log-type", "All", "");
    check("fixture-echo", odd, (400, "InvalidParameterValueException")).await;
    let large = with("x-amz-invocation-type", "Event", &" ".repeat(1024 * 1024 + 1));
    check("fixture-echo", large, (413, "RequestTooLargeException")).await;

    let elsewhere = client.get(local.emulator.url()).send().await.unwrap();
    assert_eq!(elsewhere.status(), 404);
    assert_eq!(header(&elsewhere, "x-amzn-errortype").as_deref(), Some("UnknownOperationException"));
    local.emulator.shut_down().await;
}

struct Request(Vec<(&'static str, &'static str)>, String);

#[tokio::test]
async fn names_may_be_encoded_arns_and_an_empty_body_is_an_empty_object() {
    let local = Local::start(spec("echo")).await;
    for name in [
        "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Afixture-echo",
        "arn:aws:lambda:eu-west-1:123456789012:function:fixture-echo:$LATEST",
        "000000000000:function:fixture-echo",
    ] {
        let response = http()
            .post(local.invocations(name))
            .header("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200, "{name}");
        let id = header(&response, "x-amzn-requestid").unwrap();
        let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(body["echo"], json!({}));
        assert_eq!(body["requestId"], id);
        assert_eq!(body["trace"], "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
    }
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn a_taken_port_and_a_second_function_with_an_id_are_named() {
    let local = Local::start(spec("echo")).await;
    let again = local.emulator.deploy(spec("echo")).unwrap_err();
    assert!(matches!(again, DeployError::Exists { .. }), "{again:?}");
    assert_eq!(again.to_string(), "there are two functions with the id fixture-echo");

    let mut options = EmulatorOptions::new(local.folder.path());
    options.addr = local.emulator.url().strip_prefix("http://").unwrap().parse().unwrap();
    let taken = Emulator::bind(options.clone()).await.unwrap_err();
    assert!(matches!(taken, BindError::PortInUse { addr } if addr == options.addr), "{taken:?}");
    local.emulator.shut_down().await;
}
