//! Tests functions with an independent implementation of Lambda's Runtime API: their answers, their failures, and the
//! errors that they report when they cannot start.

use std::time::Duration;

use eg_tests::app::{App, cargo_eg};
use eg_tests::program::{Program, built};
use eg_tests::{eventually, http};
use futures_util::future::join_all;
use lambda_simulator::{InvocationStatus, Simulator};
use serde_json::{Value, json};
use tokio::process::Command;

const MISBEHAVING: &str = env!("CARGO_BIN_EXE_misbehaving");

/// A process serving `handler` for one simulator.
pub(crate) struct Lambda {
    pub(crate) simulator: Simulator,
    pub(crate) program: Program,
}

impl Lambda {
    pub(crate) async fn start(binary: &str, handler: &str, variables: &[(&str, &str)]) -> Self {
        Self::with_timeout(Command::new(binary), handler, variables, Duration::from_secs(30)).await
    }

    /// Starts a command, which may have arguments.
    pub(crate) async fn with_timeout(
        mut command: Command,
        handler: &str,
        variables: &[(&str, &str)],
        timeout: Duration,
    ) -> Self {
        let simulator =
            Simulator::builder().function_name(handler).invocation_timeout(timeout).build().await.unwrap();
        command
            .env("AWS_LAMBDA_RUNTIME_API", simulator.addr().to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", handler)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("_HANDLER", handler)
            .envs(variables.iter().copied());
        Self { program: Program::start(handler, command), simulator }
    }

    /// `Ok(answer)`, or `Err((error type, message))`.
    pub(crate) async fn invoke(&self, payload: Value) -> Result<Value, (String, String)> {
        let id = self.simulator.enqueue_payload(payload).await;
        let state = self.simulator.wait_for_invocation_complete(&id, Duration::from_secs(20)).await.unwrap();
        match state.status {
            InvocationStatus::Success => Ok(state.response.unwrap().payload),
            _ => state.error.map(|error| Err((error.error_type, error.error_message))).unwrap(),
        }
    }
}

fn event(ty: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": "1", "source": "/tests", "type": ty,
           "datacontenttype": "application/json", "data": data})
}

/// Returns what the gateway sends for an HTTP request.
fn http_request(method: &str, path: &str, params: &Value, body: &Value) -> Value {
    json!({"eventType": "http.request", "cloudEventsVersion": "0.1", "eventID": "1", "contentType": "application/json",
           "source": "https://serverless.com/event-gateway/#transformationVersion=0.1",
           "data": {"headers": {"Content-Type": "application/json"}, "query": {}, "body": body,
                    "host": "localhost:4000", "path": path, "method": method, "params": params}})
}

/// Returns what API Gateway and function URLs send.
fn api_gateway(method: &str, path: &str, body: &str) -> Value {
    json!({"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
           "headers": {"content-type": "application/json", "host": "id.execute-api.eu-central-1.amazonaws.com"},
           "requestContext": {"stage": "$default", "http": {"method": method, "path": path}},
           "body": body, "isBase64Encoded": false})
}

#[tokio::test]
async fn users_are_registered_and_read_whoever_carries_the_request() {
    let users = built("users").display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().display().to_string();
    let reader = Lambda::start(&users, "users.get_user", &[("EG_DATA_DIR", &directory)]).await;
    let missing = |answer: Value| (answer["statusCode"].clone(), answer["body"].clone());
    let expected = (json!(404), json!(r#"{"errors":["Could not retrieve user with ID a/b"]}"#));

    let request = http_request("GET", "/users/a/b", &json!({"id": "a%2Fb"}), &json!(""));
    assert_eq!(missing(reader.invoke(request).await.unwrap()), expected);
    let request = api_gateway("GET", "/users/a%2Fb", "");
    assert_eq!(missing(reader.invoke(request).await.unwrap()), expected);

    let writer = Lambda::start(&users, "*", &[("EG_DATA_DIR", &directory)]).await;
    let incomplete = http_request("POST", "/users", &json!({}), &json!({"id": "10"}));
    let answer = writer.invoke(incomplete).await.unwrap();
    assert_eq!(answer["statusCode"], 400);
    assert_eq!(answer["body"], r#"{"errors":["Invalid request. Missing required field."]}"#);
    assert_eq!(answer["headers"]["content-type"], "application/json");
}

/// Returns the answer of the local Lambda's Invoke API, in the same form as [`Lambda::invoke`].
async fn invoke_locally(url: &str, function: &str, payload: &Value) -> Result<Value, (String, String)> {
    let url = format!("{url}/2015-03-31/functions/{function}/invocations");
    let response = http().post(url).json(payload).send().await.unwrap();
    let failed = response.headers().contains_key("x-amz-function-error");
    let answer: Value = response.json().await.unwrap();
    let text = |key: &str| answer[key].as_str().unwrap().to_owned();
    if failed { Err((text("errorType"), text("errorMessage"))) } else { Ok(answer) }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_lambda_and_an_independent_one_get_the_same_answers() {
    let state = tempfile::tempdir().unwrap();
    let local = App::start(state.path(), &["tests"]).await;
    for (function, payload) in [
        ("answers", http_request("POST", "/status", &json!({}), &json!(200))),
        ("answers", http_request("POST", "/status", &json!({}), &json!(404))),
        ("answers", api_gateway("POST", "/status", "503")),
        ("panics", api_gateway("POST", "/panic", "")),
        ("fails", event("do", &json!("well"))),
        ("fails", event("do", &json!("reject"))),
        ("asked", event("ask", &json!("ready"))),
        ("asked", json!({"unknown": true})),
    ] {
        let independent = Lambda::start(MISBEHAVING, function, &[]).await;
        let expected = independent.invoke(payload.clone()).await;
        let answer = invoke_locally(&local.lambda, &format!("eg-tests-{function}"), &payload).await;
        assert_eq!(answer, expected, "{payload}");
    }
    assert_eq!(local.program.interrupt().await, 0);
}

/// Reads the manifest of a stripped binary without running it.
#[tokio::test]
async fn a_binary_tells_the_schemas_of_its_events() {
    let folder = tempfile::tempdir().unwrap();
    let stripped = folder.path().join("typed-events");
    let binary = built("typed-events");
    let strip = Command::new("strip").arg("-o").arg(&stripped).arg(binary).status().await;
    assert!(strip.expect("strip belongs to the C toolchain that rustc links with").success());
    let output = cargo_eg().args(["manifest", "--json"]).arg(&stripped).output().await.unwrap();
    let manifest: Value = serde_json::from_slice(&output.stdout).unwrap();
    let id =
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "integer", "minimum": 0});
    let placed = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["id", "euros"],
        "properties": {
            "id": {"type": "integer", "minimum": 0},
            "euros": {"type": "integer", "minimum": 0, "maximum": u32::MAX},
        },
    });
    let (place, review) = (json!(["typed-events-place"]), json!(["typed-events-review"]));
    // As the JSON of a request, and as an event.
    let both = json!(["typed-events-place", "typed-events-review"]);
    assert_eq!(
        manifest["events"],
        json!([
            {"type": "order.approved", "schema": id, "emittedBy": review},
            {"type": "order.flagged", "schema": id, "emittedBy": review},
            {"type": "order.placed", "schema": placed, "emittedBy": place, "receivedBy": both},
        ])
    );
}

#[tokio::test]
async fn failures_say_whether_to_try_again() {
    let lambda = Lambda::start(MISBEHAVING, "fails", &[]).await;
    for (payload, error_type, message) in [
        ("retry", "Retry", "the mail server is down"),
        ("reject", "Reject", "the address does not exist"),
        ("status", "Retry", "someone else is at it"),
    ] {
        let failure = lambda.invoke(event("do", &json!(payload))).await.unwrap_err();
        assert_eq!(failure, (error_type.to_owned(), message.to_owned()));
    }
    for logged in ["reject `fails`: the address does not exist", "retry `fails`: someone else is at it"] {
        lambda.program.line(logged, |line| (line == logged).then_some(())).await;
    }
    let (error_type, message) = lambda.invoke(event("do", &json!("panic"))).await.unwrap_err();
    assert_eq!(error_type, "Panic");
    assert!(message.contains("misbehaving.rs") && message.ends_with(": as you wish"), "{message}");

    assert_eq!(
        lambda.invoke(event("do", &json!("nothing"))).await.unwrap()["statusCode"],
        200,
        "after a panic"
    );
    lambda.program.line("the event's data", |line| line.contains("nothing of fails").then_some(())).await;
}

#[tokio::test]
async fn events_come_in_every_envelope() {
    let lambda = Lambda::start(MISBEHAVING, "eg-tests.fails", &[]).await;
    let eventbridge = json!({"version": "0", "id": "7", "detail-type": "do", "source": "app", "account": "1",
        "time": "2026-01-01T00:00:00Z", "region": "eu-central-1", "resources": [], "detail": "reject"});
    let nested = json!({"version": "0", "id": "7", "detail-type": "do", "source": "/tests", "account": "1",
        "time": "2026-01-01T00:00:00Z", "region": "eu-central-1", "resources": [],
        "detail": event("do", &json!("reject"))});
    let version_0_1 = json!({"eventType": "do", "cloudEventsVersion": "0.1", "source": "/x", "eventID": "7",
        "data": "reject"});
    for payload in [eventbridge, nested, version_0_1] {
        let (error_type, _) = lambda.invoke(payload).await.unwrap_err();
        assert_eq!(error_type, "Reject");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_rejected_with_a_reason() {
    let lambda = Lambda::start(MISBEHAVING, "fails", &[]).await;
    for (payload, reason) in [
        (json!({}), "(none)"),
        (json!({"records": [], "x": 1}), "`records`, `x`"),
        (json!([1]), "element 1: invalid type: integer `1`, expected an event"),
        (json!("text"), "not a JSON object"),
        (json!({"specversion": "1.0", "id": "1"}), "`source`"),
        (json!({"specversion": "2.0"}), "`2.0`"),
        (
            event("other.type", &json!(1)),
            "no function here subscribes to event type `other.type`: `fails` takes do",
        ),
        (
            event("do", &json!({"not": "text"})),
            "payload of event `do` (id 1): invalid type: map, expected a string",
        ),
        (json!({"detail-type": "do", "detail": {}}), "EventBridge event"),
    ] {
        let (error_type, message) = lambda.invoke(payload.clone()).await.unwrap_err();
        assert_eq!(error_type, "Reject", "{payload}");
        assert!(message.contains(reason), "{payload}: {message}");
    }
}

#[tokio::test]
async fn an_emitter_who_waits_gets_the_answer_and_its_status() {
    let lambda = Lambda::start(MISBEHAVING, "asked", &[]).await;
    let answer = lambda.invoke(event("ask", &json!("ready"))).await.unwrap();
    assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(200), &json!("\"ready? yes\"")));
    let answer = lambda.invoke(event("ask", &json!("teapot"))).await.unwrap();
    assert_eq!(
        (&answer["statusCode"], &answer["body"]),
        (&json!(418), &json!(r#"{"errors":["short and stout"]}"#))
    );
}

#[tokio::test]
async fn http_functions_answer_their_failures_but_report_panics() {
    let lambda = Lambda::start(MISBEHAVING, "*", &[]).await;
    let status = lambda.invoke(api_gateway("POST", "/status", "503")).await.unwrap();
    assert_eq!(
        (&status["statusCode"], &status["body"]),
        (&json!(503), &json!(r#"{"errors":["as you wish"]}"#))
    );
    let internal = lambda.invoke(api_gateway("POST", "/status", "7")).await.unwrap();
    assert_eq!(internal["body"], r#"{"errors":["Internal Server Error"]}"#, "details are for the log");
    lambda.program.line("the details", |line| line.contains("invalid status code").then_some(())).await;
    assert_eq!(lambda.invoke(api_gateway("POST", "/elsewhere", "")).await.unwrap()["statusCode"], 404);
    assert_eq!(lambda.invoke(api_gateway("GET", "/status", "")).await.unwrap()["statusCode"], 405);

    let (error_type, message) = lambda.invoke(api_gateway("POST", "/panic", "")).await.unwrap_err();
    assert_eq!(error_type, "Panic");
    assert!(message.contains(": there is something"), "{message}");
    assert_eq!(lambda.invoke(api_gateway("POST", "/status", "200")).await.unwrap()["body"], "fine");
}

#[tokio::test]
async fn a_start_that_fails_names_the_cause_to_lambda_and_on_stderr() {
    let check = async |binary: &str, handler: &str, variables: &[(&str, &str)], cause: &str| {
        let lambda = Lambda::start(binary, handler, variables).await;
        lambda.program.line(cause, |line| line.contains(cause).then_some(())).await;
        let reported = eventually("the init error", || lambda.simulator.get_init_error()).await;
        assert!(reported.contains(cause), "{reported}");
        assert_eq!(lambda.program.exit_code().await, 1);
    };
    check(MISBEHAVING, "fails2", &[], "_HANDLER is `fails2`, but this binary has `answers`, `asked`").await;
    check(
        MISBEHAVING,
        "*",
        &[("MISBEHAVE", "missing state")],
        "`answers` needs `State<misbehaving::Needed>`",
    )
    .await;
    check(MISBEHAVING, "*", &[("EVENT_GATEWAY_URL", "localhost")], "not the URL of an event gateway").await;
    let empty = env!("CARGO_BIN_EXE_without_functions");
    check(empty, "*", &[], "this binary has no functions").await;
    check(MISBEHAVING, "*", &[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much")], "not a number of megabytes")
        .await;
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn sleep(id: &str, millis: u64) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/tests", "type": "sleep", "data": millis,
           "traceparent": format!("00-{TRACE}-b7ad6b7169203331-01")})
}

#[tokio::test]
async fn a_function_that_takes_too_long_is_cancelled_before_lambda_ends_it() {
    let timeout = Duration::from_secs(2);
    let lambda = Lambda::with_timeout(Command::new(MISBEHAVING), "sleeps", &[], timeout).await;
    let (error_type, message) = lambda.invoke(sleep("1", 600_000)).await.unwrap_err();
    assert_eq!(error_type, "Timeout");
    assert!(message.contains("`sleeps` was cancelled"), "{message}");
    let answer = lambda.invoke(sleep("2", 0)).await.unwrap();
    assert!(answer["body"].as_str().unwrap().starts_with("2 "), "{answer}");
}

#[tokio::test]
async fn bodies_that_panic_or_never_end_are_failures_of_their_own_invocation_only() {
    let timeout = Duration::from_secs(2);
    let lambda = Lambda::with_timeout(Command::new(MISBEHAVING), "streams", &[], timeout).await;
    let (error_type, message) = lambda.invoke(api_gateway("GET", "/stream/endless", "")).await.unwrap_err();
    assert_eq!(error_type, "Timeout");
    assert!(message.contains("the body of the response was cut off"), "{message}");
    let (error_type, message) = lambda.invoke(api_gateway("GET", "/stream/panic", "")).await.unwrap_err();
    assert_eq!(error_type, "Panic");
    assert!(message.contains("misbehaving.rs") && message.ends_with(": in the middle"), "{message}");
    let answer = lambda.invoke(api_gateway("GET", "/elsewhere", "")).await.unwrap();
    assert_eq!(answer["statusCode"], 404);
}

#[tokio::test]
async fn messages_for_which_there_is_no_time_come_again() {
    let lambda = Lambda::with_timeout(Command::new(MISBEHAVING), "works", &[], Duration::from_secs(2)).await;
    let message = |id: &str, millis: &str| {
        json!({"messageId": id, "body": millis, "eventSource": "aws:sqs", "attributes": {},
               "eventSourceARN": "arn:aws:sqs:eu-central-1:1:stack-jobs-4711"})
    };
    let messages = [message("quick", "1"), message("endless", "600000"), message("late", "1")];
    let reply = lambda.invoke(json!({"Records": messages})).await.unwrap();
    assert_eq!(
        reply,
        json!({
            "batchItemFailures": [{"itemIdentifier": "endless"}, {"itemIdentifier": "late"}],
            "errors": {
                "endless": reply["errors"]["endless"],
                "late": "not handled: the time of the invocation was up",
            },
        })
    );
}

#[tokio::test]
async fn one_process_serves_many_invocations_at_once_without_mixing_them_up() {
    let variables = [("AWS_LAMBDA_MAX_CONCURRENCY", "8")];
    let lambda = Lambda::start(MISBEHAVING, "sleeps", &variables).await;
    let invocations = (0..64_u64).map(async |n| {
        // The first ones take the longest, so that the order of answers differs from that of invocations.
        let answer = lambda.invoke(sleep(&n.to_string(), 5 * (8 - n % 8))).await.unwrap();
        let body = answer["body"].as_str().unwrap().to_owned();
        let parts: Vec<_> = body.split(' ').map(str::to_owned).collect();
        assert_eq!((parts[0].as_str(), parts[2].as_str()), (n.to_string().as_str(), TRACE), "{body}");
        parts[1].clone()
    });
    let mut x_ray = join_all(invocations).await;
    assert!(x_ray.iter().all(|trace| trace.starts_with("Root=1-")), "{x_ray:?}");
    x_ray.sort();
    x_ray.dedup();
    assert_eq!(x_ray.len(), 64, "each invocation has seen its own");
}

#[tokio::test]
async fn what_is_under_way_is_answered_before_the_process_ends() {
    let lambda = Lambda::start(MISBEHAVING, "sleeps", &[]).await;
    let invocation = lambda.invoke(sleep("1", 1_000));
    let end = async {
        lambda.program.line("that it sleeps", |line| line.contains("sleeps 1000 ms").then_some(())).await;
        lambda.program.terminate();
    };
    let (answer, ()) = tokio::join!(invocation, end);
    assert!(answer.unwrap()["body"].as_str().unwrap().starts_with("1 "));
    assert_eq!(lambda.program.exit_code().await, 0);

    let idle = Lambda::start(MISBEHAVING, "sleeps", &[]).await;
    idle.invoke(sleep("1", 0)).await.unwrap();
    idle.program.terminate();
    assert_eq!(idle.program.exit_code().await, 0);
}

/// Lambda announces the end of a process only where an extension is registered, so a hook for it registers one.
#[tokio::test]
async fn a_hook_at_the_end_of_the_process_has_it_announced() {
    for (misbehave, hooks) in [("", &[][..]), ("hooks", &["on shutdown first", "on shutdown"])] {
        let variables = [("MISBEHAVE", misbehave)];
        let Lambda { simulator, program } = Lambda::start(MISBEHAVING, "fails", &variables).await;
        simulator.wait_for(async || simulator.is_initialized().await, Duration::from_secs(20)).await.unwrap();
        let extensions = simulator.get_registered_extensions().await;
        let names: Vec<_> = extensions.iter().map(|extension| extension.name.as_str()).collect();
        let expected: &[&str] = if hooks.is_empty() { &[] } else { &["eg-runtime-shutdown"] };
        assert_eq!(names, expected);
        assert!(extensions.iter().all(|extension| extension.events.is_empty()), "it gets no events");
        program.terminate();
        let last = || {
            (program.lines().iter().filter(|line| line.starts_with("hook on")).count() == hooks.len())
                .then_some(())
        };
        eventually("the hooks at the end", async || last()).await;
        let lines = program.lines();
        let ran: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("hook ")).collect();
        assert_eq!(ran, hooks, "those that were added last go first");
        assert_eq!(program.exit_code().await, 0);
    }
}
