//! What a function's process prints: one line for each failure, in the format and from the level that Lambda asks for,
//! and no secrets.

use std::process::Stdio;

use eg_tests::eventually;
use eg_tests::runtime_api::{Manners, RuntimeApi};
use serde_json::{Value, json};

use super::{Function, NO_BACKTRACE, command, event};

/// What the function prints itself.
fn is_own(line: &str) -> bool {
    line.ends_with(" of fails")
}

#[tokio::test]
async fn every_failure_is_one_line() {
    let function = Function::start("fails", &[NO_BACKTRACE]).await;
    for payload in [
        event("do", "1", &json!("retry")),
        event("do", "1", &json!("reject")),
        event("do", "1", &json!("panic")),
        event("do", "1", &json!(7)),
        event("other", "1", &json!(7)),
        json!({"unknown\u{1b}[31m": 7}),
    ] {
        assert_eq!(function.invoke(&payload).await.what, "error");
    }
    function.program.line("the last failure", |line| line.contains("unknown payload").then_some(())).await;
    let lines: Vec<_> = function.program.lines().into_iter().filter(|line| !is_own(line)).collect();
    let (panic, others): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.starts_with("panic"));
    assert!(
        panic.len() == 1
            && panic[0].starts_with("panic `fails`: panicked at ")
            && panic[0].contains("misbehaving.rs:")
            && panic[0].ends_with(": as you wish"),
        "{panic:?}"
    );
    let expected = [
        "retry `fails`: the mail server is down",
        "reject `fails`: the address does not exist",
        "reject `fails`: payload of event `do` (id 1): invalid type: integer `7`, expected a string",
        "reject: no function here subscribes to event type `other`: `fails` takes do",
        r"reject: unknown payload with the keys `unknown\u{1b}[31m`; known are",
    ];
    assert_eq!(others.len(), expected.len(), "{others:?}");
    for (line, expected) in others.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}");
    }
}

#[tokio::test]
async fn lines_are_json_from_the_level_that_lambda_is_set_to() {
    let json = ("AWS_LAMBDA_LOG_FORMAT", "JSON");
    let function = Function::start("fails", &[json]).await;
    for data in ["retry", "panic"] {
        assert_eq!(function.invoke(&event("do", "1", &json!(data))).await.what, "error");
    }
    assert_eq!(function.invoke(&json!({})).await.what, "error");
    function.program.line("the last failure", |line| line.contains("unknown payload").then_some(())).await;
    let lines = function.program.lines();
    let lines: Vec<Value> = lines
        .iter()
        .filter(|line| !is_own(line))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
        .collect();
    let kinds: Vec<_> = lines
        .iter()
        .map(|line| {
            [&line["level"], &line["errorType"], &line["function"], &line["requestId"]].map(Value::as_str)
        })
        .collect();
    assert_eq!(
        kinds,
        [
            [Some("ERROR"), Some("Retry"), Some("fails"), Some("0")],
            [Some("ERROR"), Some("Panic"), Some("fails"), Some("1")],
            [Some("ERROR"), Some("Reject"), None, Some("2")],
        ]
    );

    let silent = Function::start("fails", &[json, ("AWS_LAMBDA_LOG_LEVEL", "FATAL"), NO_BACKTRACE]).await;
    for data in ["retry", "panic", "last"] {
        silent.invoke(&event("do", "1", &json!(data))).await;
    }
    silent.program.line("its own lines", |line| line.starts_with("last").then_some(())).await;
    let lines = silent.program.lines();
    assert!(lines.iter().all(|line| is_own(line)), "{lines:?}");

    let stuck = Function::start("nobody", &[json]).await;
    let fatal = |line: &str| serde_json::from_str::<Value>(line).ok();
    let line = stuck.program.line("why it cannot start", fatal).await;
    assert_eq!(line["level"], "FATAL");
    assert!(line["message"].as_str().unwrap().contains("_HANDLER is `nobody`"), "{line}");
    assert_eq!(stuck.program.lines().len(), 1, "no line in another format");
    assert_eq!(stuck.program.exit_code().await, 1);
}

/// A line that could not be printed ended the process.
#[tokio::test]
async fn a_log_that_nobody_reads_does_no_harm() {
    let api = RuntimeApi::start("", Manners::default()).await;
    let mut command = command(&api, "", "fails");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    drop(child.stderr.take());
    for (data, what) in [("retry", "error"), ("panic", "error"), ("well", "response")] {
        assert_eq!(api.invoke(event("do", "1", &json!(data)).to_string()).await.what, what);
    }
    assert_eq!(child.try_wait().unwrap(), None);
}

#[tokio::test]
async fn secrets_of_the_environment_are_not_in_what_is_printed() {
    let secret = "do-not-tell";
    let variables = [("EVENT_GATEWAY_ACCESS_KEY", secret), ("AWS_SECRET_ACCESS_KEY", secret)];
    let function =
        Function::start("*", &[variables[0], variables[1], ("EVENT_GATEWAY_URL", "nowhere")]).await;
    let posted = eventually("the init error", async || function.api.init_error()).await;
    assert!(!posted.body.contains(secret), "{}", posted.body);
    let lines = function.program.lines();
    assert!(lines.iter().all(|line| !line.contains(secret)), "{lines:?}");
}
