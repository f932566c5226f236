//! Tests both clients of the Runtime API, this project's and AWS's, with the same table of faults: what is the same, and what
//! is not. The documentation of eg-runtime has the differences in one table.

use std::time::Duration;

use eg_tests::eventually;
use eg_tests::runtime_api::{Manners, Posted, RuntimeApi};
use serde_json::{Value, json};

use super::{Function, event, header};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Own,
    Aws,
}

use Client::{Aws, Own};

pub(super) const CLIENTS: [Client; 2] = [Own, Aws];

impl Client {
    fn variable(self) -> (&'static str, &'static str) {
        ("LAMBDA_CLIENT", if self == Aws { "aws" } else { "own" })
    }

    /// Starts a process with this client.
    pub(super) async fn start(self, handler: &str, manners: Manners, variables: &[(&str, &str)]) -> Function {
        let variables = [variables, &[self.variable(), ("RUST_BACKTRACE", "")]].concat();
        Function::with_api(RuntimeApi::start("", manners).await, "", handler, &variables)
    }
}

fn report(posted: &Posted) -> Value {
    serde_json::from_str(&posted.body).unwrap()
}

#[tokio::test]
async fn failures_are_reported_with_their_types() {
    for client in CLIENTS {
        let time = Some(Duration::from_millis(1_500));
        let function = client.start("*", Manners { time, ..Manners::default() }, &[]).await;
        let endless = json!({"version": "2.0", "rawPath": "/stream/endless", "headers": {},
            "requestContext": {"http": {"method": "GET"}}});
        for (payload, error_type, message) in [
            (event("do", "1", &json!("retry")), "Retry", "the mail server is down"),
            (event("do", "1", &json!("reject")), "Reject", "the address does not exist"),
            (event("do", "1", &json!("panic")), "Panic", "as you wish"),
            (json!({"unknown": true}), "Reject", "unknown payload with the keys `unknown`"),
            (endless, "Timeout", "its time is up"),
        ] {
            let posted = function.invoke(&payload).await;
            let report = report(&posted);
            assert_eq!(
                (posted.what.as_str(), &report["errorType"]),
                ("error", &json!(error_type)),
                "{client:?}"
            );
            assert!(report["errorMessage"].as_str().unwrap().contains(message), "{client:?}: {report}");
            let expected =
                if client == Own { format!("Function.{error_type}") } else { "unhandled".to_owned() };
            assert_eq!(
                header(&posted, "lambda-runtime-function-error-type").to_ascii_lowercase(),
                expected.to_ascii_lowercase()
            );
            let place =
                report["stackTrace"][0].as_str().is_some_and(|place| place.contains("misbehaving.rs:"));
            assert_eq!(place, client == Own && error_type == "Panic", "{client:?}: {report}");
        }
        let answer = function.invoke(&event("do", "1", &json!("well"))).await;
        assert_eq!(answer.body, r#"{"statusCode":200,"headers":{},"body":"","isBase64Encoded":false}"#);
        assert_eq!(header(&answer, "lambda-runtime-invocation-id"), "attempt-5");
        function.program.terminate();
        assert_eq!(function.program.exit_code().await, 0, "{client:?}");
    }
}

#[tokio::test]
async fn a_payload_that_is_not_json() {
    for client in CLIENTS {
        let function = client.start("fails", Manners::default(), &[]).await;
        let posted = function.api.invoke("no JSON").await;
        let refused = report(&posted)["errorType"] == "Reject";
        assert_eq!((posted.what.as_str(), refused), ("error", client == Own), "{client:?}: {}", posted.body);
        assert_eq!(function.invoke(&event("do", "1", &json!("well"))).await.what, "response", "{client:?}");
    }
}

/// AWS's client leaves the invocation without an outcome.
#[tokio::test]
async fn a_process_that_is_asked_to_end_while_it_works() {
    for client in CLIENTS {
        let function = client.start("sleeps", Manners::default(), &[]).await;
        let sleep = event("sleep", "1", &json!(1_000));
        let asked_to_end = async {
            function.program.line("it works", |line| line.starts_with("sleeps").then_some(())).await;
            function.program.terminate();
        };
        if client == Own {
            let (posted, ()) = tokio::join!(function.invoke(&sleep), asked_to_end);
            assert_eq!(posted.what, "response");
        } else {
            tokio::select! {
                posted = function.invoke(&sleep) => panic!("it has posted {posted:?}"),
                () = asked_to_end => {}
            }
        }
        assert_eq!(function.program.exit_code().await, 0, "{client:?}");
    }
}

#[tokio::test]
async fn a_process_that_cannot_start_says_why() {
    for client in CLIENTS {
        let variables = [("AWS_LAMBDA_FUNCTION_NAME", "")];
        let function = client.start("*", Manners::default(), &variables).await;
        let posted = eventually("the init error", async || function.api.init_error()).await;
        let message = report(&posted)["errorMessage"].as_str().unwrap().to_owned();
        assert!(message.contains("AWS_LAMBDA_FUNCTION_NAME is not set"), "{client:?}: {message}");
        assert_eq!(function.program.exit_code().await, 1);
    }
}

/// AWS's client gives up what ours survives.
#[tokio::test]
async fn a_runtime_api_that_fails_for_a_moment() {
    for client in CLIENTS {
        let function = client.start("fails", Manners { refuses_work: 3, ..Manners::default() }, &[]).await;
        if client == Own {
            assert_eq!(function.invoke(&event("do", "1", &json!("well"))).await.what, "response");
        } else {
            assert_ne!(function.program.exit_code().await, 0, "it ends with the first failure");
        }

        let manners = Manners { loses_answers: true, ..Manners::default() };
        let function = client.start("fails", manners, &[]).await;
        assert_eq!(function.invoke(&event("do", "1", &json!("well"))).await.what, "response");
        if client == Own {
            assert_eq!(function.invoke(&event("do", "1", &json!("well"))).await.what, "response");
        } else {
            assert_ne!(function.program.exit_code().await, 0, "it ends with the lost answer");
        }
    }
}

#[tokio::test]
async fn several_invocations_at_once() {
    for client in CLIENTS {
        let variables = [("AWS_LAMBDA_MAX_CONCURRENCY", "4")];
        let function = client.start("asked", Manners::default(), &variables).await;
        let all = async || (function.api.calls().len() == 4).then_some(());
        eventually("all workers to ask for work", all).await;
        for _ in 0..8 {
            assert_eq!(function.invoke(&event("ask", "1", &json!("ready"))).await.what, "response");
        }
    }
}

#[tokio::test]
async fn hooks_run_around_snapshots_and_after_answers() {
    for client in CLIENTS {
        let snap_start = ("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start");
        let function = client.start("asked", Manners::default(), &[snap_start, ("MISBEHAVE", "hooks")]).await;
        assert_eq!(function.invoke(&event("ask", "1", &json!("ready"))).await.what, "response");
        function.program.line("the last hook", |line| (line == "hook after answer").then_some(())).await;
        assert_eq!(function.api.calls()[..2], ["restore", "next"], "{client:?}");
        let lines = function.program.lines();
        let hooks: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("hook ")).collect();
        assert_eq!(hooks, ["before snapshot", "before that", "after restore", "after answer"], "{client:?}");

        for (fails, what, error_type) in [
            ("before snapshot", "init/error", "Runtime.InitError"),
            ("after restore", "restore/error", "Runtime.AfterRestoreError"),
        ] {
            let function =
                client.start("asked", Manners::default(), &[snap_start, ("MISBEHAVE", fails)]).await;
            let posted = eventually("the error", async || function.api.init_error()).await;
            assert_eq!(posted.what, what, "{client:?}");
            assert_eq!(header(&posted, "lambda-runtime-function-error-type"), error_type, "{client:?}");
            assert!(posted.body.contains("no hook today"), "{client:?}: {}", posted.body);
            assert_eq!(function.program.exit_code().await, 1, "{client:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_fails_says_so_in_its_trailers() {
    for client in CLIENTS {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go"), "").unwrap();
        let function = client.start("parts", Manners::default(), &[]).await;
        let posted = function.invoke(&super::streams::function_url("fails", folder.path())).await;
        assert_eq!(header(&posted, "lambda-runtime-function-response-mode"), "streaming", "{client:?}");
        let message = "the stream of the answer broke off: the disk is full";
        let (begun, rest) = posted.body.split_at(posted.body.find("first ").unwrap() + "first ".len());
        assert!(begun.contains("\0\0\0\0\0\0\0\0first "), "{begun:?}");
        if client == Own {
            assert_eq!(
                (rest, &posted.trailers["lambda-runtime-function-error-type"]),
                ("", &"Function.Retry".parse().unwrap())
            );
        } else {
            // AWS's client writes the trailers into the body.
            assert!(rest.starts_with("Lambda-Runtime-Function-Error-Type: Runtime.StreamError"), "{rest}");
            assert!(posted.trailers.is_empty());
        }
        function.program.line("the reason", |line| line.contains(message).then_some(())).await;
    }
}
