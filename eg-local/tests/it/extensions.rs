//! Extensions and the end of processes: who is told what, and how long they get.

use std::path::Path;

use crate::support::{Local, eventually, example, is_frozen, is_running, pid, spec};
use eg_local::emulator::{FunctionSpec, InitFailure};
use serde_json::{Value, json};

/// A function with the external extension, which writes `diary`.
fn extended(diary: &Path) -> FunctionSpec {
    let mut spec = spec("echo").variable("EXTENSION_DIARY", diary);
    spec.extensions = vec![example("extension")];
    spec
}

fn entries(diary: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(diary).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| line.into())).collect()
}

#[tokio::test]
async fn an_extension_within_the_process_is_told_of_invocations_and_brings_sigterm() {
    let local = Local::start(spec("with_extension")).await;
    let answer = local.echo("fixture-with_extension").await;
    let id = answer["requestId"].as_str().unwrap();
    eventually("the extension has been told", || {
        local.log("fixture-with_extension").contains("the extension has been told {")
    })
    .await;
    let log = local.folder.path().join("fixture-with_extension.log");
    local.emulator.shut_down().await;
    let log = std::fs::read_to_string(log).unwrap();
    let told = log.lines().find_map(|line| line.strip_prefix("the extension has been told ")).unwrap();
    let told: Value = serde_json::from_str(told).unwrap();
    assert_eq!((&told["eventType"], &told["requestId"]), (&json!("INVOKE"), &json!(id)));
    assert_eq!(told["invokedFunctionArn"], answer["arn"]);
    assert_eq!(told["tracing"], json!({"type": "X-Amzn-Trace-Id", "value": answer["trace"]}));
    assert!(told["deadlineMs"].is_u64());
    assert!(log.ends_with("asked to end\n"), "{log}");
}

#[tokio::test]
async fn an_external_extension_lives_as_long_as_its_function() {
    let folder = tempfile::tempdir().unwrap();
    let diary = folder.path().join("diary");
    let local = Local::start(extended(&diary)).await;
    let first = local.echo("fixture-echo").await;
    let second = local.echo("fixture-echo").await;
    assert_eq!(first["pid"], second["pid"]);
    local.emulator.shut_down().await;
    let entries = entries(&diary);
    assert_eq!(entries.len(), 5, "{entries:?}");
    let registered = json!({
        "functionName": "fixture-echo", "functionVersion": "$LATEST", "handler": "echo", "accountId": "000000000000"
    });
    assert_eq!(entries[0], registered);
    assert_eq!(entries[1]["requestId"], first["requestId"]);
    assert_eq!(entries[2]["requestId"], second["requestId"]);
    assert_eq!(
        (&entries[3]["eventType"], &entries[3]["shutdownReason"]),
        (&json!("SHUTDOWN"), &json!("SPINDOWN"))
    );
    assert_eq!(entries[4], "goodbye");
}

#[tokio::test]
async fn an_extension_at_work_when_the_emulator_stops_has_not_failed() {
    let folder = tempfile::tempdir().unwrap();
    let diary = folder.path().join("diary");
    let local = Local::start(extended(&diary).variable("EXTENSION_WORK_MS", "300")).await;
    local.echo("fixture-echo").await;
    local.emulator.shut_down().await;
    let entries = entries(&diary);
    assert_eq!(entries.len(), 4, "{entries:?}");
    assert_eq!((&entries[2]["shutdownReason"], &entries[3]), (&json!("SPINDOWN"), &json!("goodbye")));
}

#[tokio::test]
async fn extensions_learn_why_their_environment_ends() {
    let folder = tempfile::tempdir().unwrap();
    let diary = folder.path().join("diary");
    let mut spec = extended(&diary);
    spec.timeout = std::time::Duration::from_millis(300);
    let local = Local::start(spec).await;
    for (event, reason) in [("hang", "TIMEOUT"), ("exit", "FAILURE")] {
        local.outcome("fixture-echo", json!({ "do": event })).await;
        eventually("the extension has said goodbye", || entries(&diary).last() == Some(&json!("goodbye")))
            .await;
        let entries = entries(&diary);
        assert_eq!(entries[entries.len() - 2]["shutdownReason"], reason, "{entries:?}");
        std::fs::remove_file(&diary).unwrap();
    }
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn an_extension_that_ends_takes_its_environment_along() {
    let folder = tempfile::tempdir().unwrap();
    let diary = folder.path().join("diary");
    let local = Local::start(extended(&diary).variable("EXTENSION_FAILS", "crash")).await;
    // It crashes at the first event that it is told of; this invocation may be over by then.
    let (error, first) = local.outcome("fixture-echo", json!({"do": "hang"})).await;
    assert_eq!(error.as_deref(), Some("Unhandled"));
    assert_eq!(first["errorType"], "Extension.Crash");
    local.emulator.shut_down().await;

    let local = Local::start(extended(&diary).variable("EXTENSION_FAILS", "init")).await;
    let failure = local.emulator.warm("fixture-echo").await.unwrap_err();
    assert!(matches!(failure, InitFailure::Extension { .. }), "{failure:?}");
    let (error, payload) = local.outcome("fixture-echo", json!({})).await;
    assert_eq!(error.as_deref(), Some("Unhandled"));
    assert!(payload["errorType"].as_str().unwrap().starts_with("Extension."), "{payload}");
    local.emulator.shut_down().await;

    let mut missing = spec("echo");
    missing.extensions = vec!["/nonexistent/extension".into()];
    let local = Local::start(missing).await;
    let failure = local.emulator.warm("fixture-echo").await.unwrap_err();
    assert_eq!(failure.to_string(), "cannot start /nonexistent/extension");
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn calls_out_of_order_are_refused_in_lambdas_words() {
    let local = Local::start(spec("refused_calls")).await;
    let failure = local.emulator.warm("fixture-refused_calls").await.unwrap_err();
    let InitFailure::Exited { last_words, .. } = failure else { panic!("{failure:?}") };
    let expected = [
        "403 Extension.InvalidExtensionName",
        "403 InvalidRequestFormat",
        "403 Extension.InvalidEventType",
        "403 Extension.InvalidEventType",
        "200 taken",
        "403 Extension.InvalidExtensionState",
        "403 Extension.MissingExtensionIdentifier",
        "403 Extension.InvalidExtensionIdentifier",
        "403 Extension.UnknownExtensionIdentifier",
        "403 Extension.MissingHeader",
        "400 InvalidRequestID",
        "404 UnknownOperation",
    ];
    assert_eq!(last_words, expected);
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn a_frozen_function_stands_still_between_invocations() {
    let folder = tempfile::tempdir().unwrap();
    let diary = folder.path().join("diary");
    let mut frozen = extended(&diary);
    frozen.freeze = true;
    let local = Local::start(frozen).await;
    local.emulator.warm("fixture-echo").await.unwrap();
    let first = pid(&local.echo("fixture-echo").await);
    for _ in 0..3 {
        eventually("the process is frozen", || is_frozen(first)).await;
        assert_eq!(pid(&local.echo("fixture-echo").await), first);
    }
    // At once, without a pause in which it could be frozen. The second may go to the same process, or to another.
    tokio::join!(local.echo("fixture-echo"), local.echo("fixture-echo"));
    local.emulator.shut_down().await;
    assert!(!is_running(first));
    assert!(entries(&diary).contains(&json!("goodbye")), "it is thawed to be asked to end");
}
