//! Tests functions against Lambda's Runtime API on the wire: how errors are reported, what a process needs from its
//! environment, how it uses its connection, and that it can run indefinitely.

mod clients;
mod failures;
mod log;
mod streams;

use eg_tests::eventually;
use eg_tests::program::Program;
use eg_tests::runtime_api::{Manners, Posted, RuntimeApi, trace_of};
use eg_tests::subscriber::Subscriber;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use tokio::process::Command;

/// A process that serves one function for a Runtime API.
struct Function {
    api: RuntimeApi,
    program: Program,
}

impl Function {
    async fn start(handler: &str, variables: &[(&str, &str)]) -> Self {
        Self::with_api(RuntimeApi::start("", Manners::default()).await, "", handler, variables)
    }

    fn with_api(api: RuntimeApi, base: &str, handler: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = command(&api, base, handler);
        for (name, value) in variables {
            // An empty value removes the variable.
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }
        Self { program: Program::start(handler, command), api }
    }

    async fn invoke(&self, payload: &Value) -> Posted {
        self.api.invoke(payload.to_string()).await
    }
}

/// Returns the command of a process that serves `handler` for a Runtime API below the path `base`.
fn command(api: &RuntimeApi, base: &str, handler: &str) -> Command {
    let endpoint = if base.is_empty() { api.address() } else { format!("http://{}{base}", api.address()) };
    let mut command = Command::new(env!("CARGO_BIN_EXE_misbehaving"));
    command
        .env("AWS_LAMBDA_RUNTIME_API", endpoint)
        .env("AWS_LAMBDA_FUNCTION_NAME", handler)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("_HANDLER", handler);
    command
}

fn event(ty: &str, id: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/tests", "type": ty, "data": data})
}

fn header<'a>(posted: &'a Posted, name: &str) -> &'a str {
    posted.headers[name].to_str().unwrap()
}

#[tokio::test]
async fn errors_have_one_shape_and_their_kind_stands_in_a_header() {
    let function = Function::start("fails", &[]).await;
    for (payload, header_value, expected) in [
        (
            event("do", "1", &json!("retry")),
            "Function.Retry",
            json!({"errorType": "Retry", "errorMessage": "the mail server is down"}),
        ),
        (
            event("do", "1", &json!("reject")),
            "Function.Reject",
            json!({"errorType": "Reject", "errorMessage": "the address does not exist"}),
        ),
        (
            json!("text"),
            "Function.Reject",
            json!({"errorType": "Reject", "errorMessage": "the payload is not a JSON object: invalid type: string \
                \"text\", expected an event, which is a JSON object at line 1 column 6"}),
        ),
    ] {
        let posted = function.invoke(&payload).await;
        assert_eq!((posted.what.as_str(), header(&posted, "content-type")), ("error", "application/json"));
        assert_eq!(header(&posted, "lambda-runtime-function-error-type"), header_value);
        assert_eq!(serde_json::from_str::<Value>(&posted.body).unwrap(), expected);
    }
    let panic = function.invoke(&event("do", "1", &json!("panic"))).await;
    assert_eq!(header(&panic, "lambda-runtime-function-error-type"), "Function.Panic");
    let report: Value = serde_json::from_str(&panic.body).unwrap();
    let place = report["stackTrace"][0].as_str().unwrap();
    assert!(place.contains("misbehaving.rs:"), "{report}");
    assert_eq!(report["errorMessage"], format!("panicked at {place}: as you wish"));
    let answer = function.invoke(&event("do", "1", &json!("well"))).await;
    assert_eq!(
        (answer.what.as_str(), header(&answer, "lambda-runtime-invocation-id")),
        ("response", "attempt-4")
    );
    assert_eq!(answer.body, r#"{"statusCode":200,"headers":{},"body":"","isBase64Encoded":false}"#);
}

#[tokio::test]
async fn what_the_environment_lacks_is_an_init_error_that_names_it() {
    for (name, value, cause) in [
        ("AWS_LAMBDA_FUNCTION_NAME", "", "the environment variable AWS_LAMBDA_FUNCTION_NAME is not set"),
        (
            "AWS_LAMBDA_FUNCTION_VERSION",
            "",
            "the environment variable AWS_LAMBDA_FUNCTION_VERSION is not set",
        ),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE is not set"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "-1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE is `-1`, not a number"),
        ("AWS_LAMBDA_MAX_CONCURRENCY", "0", "AWS_LAMBDA_MAX_CONCURRENCY is `0`, not a number of invocations"),
        ("_HANDLER", "", "_HANDLER is not set; name one of `answers`"),
        ("_HANDLER", "nobody", "_HANDLER is `nobody`, but this binary has `answers`"),
        ("EVENT_GATEWAY_URL", "nowhere", "`nowhere` is not the URL of an event gateway"),
        (
            "EVENT_FAILURES_QUEUE",
            "nowhere",
            "EVENT_FAILURES_QUEUE is set to `nowhere`, but it is not the URL of a queue",
        ),
    ] {
        let function = Function::start("*", &[(name, value)]).await;
        let posted = eventually("the init error", async || function.api.init_error()).await;
        assert_eq!(header(&posted, "lambda-runtime-function-error-type"), "Runtime.InitError");
        let report: Value = serde_json::from_str(&posted.body).unwrap();
        assert_eq!(report["errorType"], "Runtime.InitError");
        let message = report["errorMessage"].as_str().unwrap();
        assert!(message.contains(cause), "{name}={value}: {message}");
        assert_eq!(function.program.exit_code().await, 1, "{name}={value}");
        assert_eq!(function.api.calls(), Vec::<String>::new(), "no work was asked for");
    }
}

#[tokio::test]
async fn connections_that_are_closed_in_between_are_made_anew() {
    let api = RuntimeApi::start("", Manners { hangs_up: true, ..Manners::default() }).await;
    let function = Function::with_api(api, "", "asked", &[]);
    for _ in 0..20 {
        let answer = function.invoke(&event("ask", "1", &json!("ready"))).await;
        assert!(answer.body.contains("ready? yes"), "{}", answer.body);
    }
}

/// The first attempt to hand in an outcome never gets an answer. That ended the process.
#[tokio::test]
async fn an_outcome_whose_answer_is_lost_is_handed_in_again() {
    let api = RuntimeApi::start("", Manners { loses_answers: true, ..Manners::default() }).await;
    let function = Function::with_api(api, "", "fails", &[]);
    for _ in 0..5 {
        assert_eq!(function.invoke(&event("do", "1", &json!("well"))).await.what, "response");
        assert_eq!(function.invoke(&event("do", "1", &json!("reject"))).await.what, "error");
    }
    let lines = function.program.lines();
    assert!(lines.iter().all(|line| !line.contains("Lambda Runtime API")), "nothing was lost: {lines:?}");
}

/// A single 502 ended the process; with several workers, one after the other.
#[tokio::test]
async fn workers_survive_a_runtime_api_that_fails_for_a_while() {
    for (workers, refusals) in [(1, 4), (4, 16)] {
        let api = RuntimeApi::start("", Manners { refuses_work: refusals, ..Manners::default() }).await;
        let variables = [("AWS_LAMBDA_MAX_CONCURRENCY", workers.to_string())];
        let function = Function::with_api(api, "", "asked", &[(variables[0].0, &variables[0].1)]);
        let all = async || (function.api.calls().len() == workers).then_some(());
        eventually("all workers to ask for work", all).await;
        for _ in 0..2 * workers {
            assert_eq!(function.invoke(&event("ask", "1", &json!("ready"))).await.what, "response");
        }
    }
}

#[tokio::test]
async fn a_runtime_api_that_is_gone_ends_the_process() {
    for workers in ["1", "4"] {
        let api = RuntimeApi::start("", Manners { refuses_work: usize::MAX, ..Manners::default() }).await;
        let function = Function::with_api(api, "", "asked", &[("AWS_LAMBDA_MAX_CONCURRENCY", workers)]);
        let last = |line: &str| (line == "the Lambda Runtime API answered 502 Bad Gateway").then_some(());
        function.program.line("why it ends", last).await;
        assert_eq!(function.program.exit_code().await, 1);
    }
}

/// The runtime catches panics. It cannot catch all panics of a value that panics whenever it is dropped.
#[tokio::test]
async fn a_worker_that_panics_is_replaced() {
    let function = Function::start("*", &[("AWS_LAMBDA_MAX_CONCURRENCY", "2"), NO_BACKTRACE]).await;
    let burst = event("burst", "1", &Value::Null);
    // More often than there are workers.
    for times in 1..=4 {
        let replaced = eventually("the worker to be replaced", async || {
            let lines = function.program.lines();
            let replaced = lines
                .iter()
                .filter(|line| line.starts_with("a worker panicked, and another one replaces it"));
            (replaced.count() == times).then_some(())
        });
        tokio::select! {
            posted = function.invoke(&burst) => panic!("the worker has ended, and has posted {posted:?}"),
            () = replaced => {}
        }
    }
    let both = async || (function.api.calls().len() == 2 + 4).then_some(());
    eventually("both workers to ask for work", both).await;
    let ask = event("ask", "1", &json!("ready"));
    for posted in <[Posted; 2]>::from(tokio::join!(function.invoke(&ask), function.invoke(&ask))) {
        assert_eq!(posted.what, "response");
    }
}

/// `RUST_BACKTRACE` asks for the lines of the standard library.
const NO_BACKTRACE: (&str, &str) = ("RUST_BACKTRACE", "");

/// Lambda knew no more than the exit code.
#[tokio::test]
async fn an_error_of_main_before_the_app_runs_is_an_init_error() {
    let function = Function::start("*", &[("MISBEHAVE", "exit")]).await;
    let posted = eventually("the init error", async || function.api.init_error()).await;
    assert_eq!(header(&posted, "lambda-runtime-function-error-type"), "Runtime.InitError");
    let report: Value = serde_json::from_str(&posted.body).unwrap();
    assert_eq!(report, json!({"errorType": "Runtime.InitError", "errorMessage": "no database"}));
    function.program.line("the error", |line| line.contains("no database").then_some(())).await;
    assert_eq!(function.program.exit_code().await, 1);
}

#[tokio::test]
async fn the_runtime_api_may_stand_below_a_path() {
    let base = "/.rt/function";
    let function = Function::with_api(RuntimeApi::start(base, Manners::default()).await, base, "asked", &[]);
    assert_eq!(function.invoke(&event("ask", "1", &json!("ready"))).await.what, "response");
}

#[tokio::test]
async fn a_snapshot_is_taken_before_work_is_asked_for() {
    let variables = [("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")];
    let function = Function::start("asked", &variables).await;
    assert_eq!(function.invoke(&event("ask", "1", &json!("ready"))).await.what, "response");
    assert_eq!(function.api.calls()[..2], ["restore", "next"]);
}

#[tokio::test]
async fn what_was_emitted_is_with_the_gateway_before_the_answer_is_with_lambda() {
    let gateway = Subscriber::start().await;
    let function = Function::start("passes_on", &[("EVENT_GATEWAY_URL", gateway.url())]).await;
    for n in 1..=50 {
        let answer = function.invoke(&event("pass.on", &n.to_string(), &Value::Null)).await;
        // The environment may be frozen from here on.
        function.program.freeze();
        assert_eq!((answer.what.as_str(), gateway.taken().len()), ("response", n));
        function.program.thaw();
    }
    function.program.terminate();
    assert_eq!(function.program.exit_code().await, 0);
    assert_eq!(gateway.taken().len(), 50);
}

/// Set `EG_TESTS_INVOCATIONS=100000` for the long run.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_process_goes_on_for_ever_without_growing_or_mixing_anything_up() {
    let invocations: usize =
        std::env::var("EG_TESTS_INVOCATIONS").map_or(4_000, |number| number.parse().unwrap());
    for workers in [1, 8] {
        let variables = [("AWS_LAMBDA_MAX_CONCURRENCY", workers.to_string())];
        let function = Function::start("sleeps", &[(variables[0].0, &variables[0].1)]).await;
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let run = async |from: usize, to: usize| {
            let function = &function;
            stream::iter(from..to)
                .map(async |n| {
                    let mut payload = event("sleep", &n.to_string(), &json!(0));
                    payload["traceparent"] = json!(format!("00-{trace}-{:016x}-01", n + 1));
                    let posted = function.invoke(&payload).await;
                    let answer: Value = serde_json::from_str(&posted.body).unwrap();
                    let x_ray = trace_of(posted.id.parse().unwrap());
                    assert_eq!(answer["body"], format!("{n} {x_ray} {trace}"), "{posted:?}");
                })
                .buffer_unordered(workers)
                .collect::<()>()
                .await;
        };
        run(0, invocations / 4).await;
        let before = function.program.resident_bytes();
        run(invocations / 4, invocations).await;
        let grown = function.program.resident_bytes().saturating_sub(before);
        assert!(grown < 1_000_000, "{workers} workers: {grown} bytes more than at the beginning");
    }
}
