//! Tests applications that cause loops of events: the functions count the hops, and the gateway breaks the loop.

use eg_sdk::CloudEvent;
use eg_sdk::config::{EventType, Function, Provider, Subscription};
use eg_tests::app::App;
use eg_tests::program::Program;
use eg_tests::{eventually, http};
use serde_json::{Value, json};
use tokio::process::Command;

/// Returns the dead letters of the application.
async fn dead_letters(config: &str) -> Vec<Value> {
    let url = format!("{config}/v1/spaces/default/dead-letters");
    let answer: Value = http().get(url).send().await.unwrap().json().await.unwrap();
    answer["deadLetters"].as_array().cloned().unwrap_or_default()
}

/// Returns the hop counts that the function has seen, in order.
fn echoes(program: &Program) -> Vec<u32> {
    let lines = program.lines();
    let mut hops: Vec<u32> =
        lines.iter().filter_map(|line| line.rsplit_once("echo ")?.1.trim().parse().ok()).collect();
    hops.sort_unstable();
    hops
}

/// Returns the number of events that the application has emitted.
async fn emitted(config: &str) -> usize {
    let url = format!("{config}/v1/spaces/default/events?type=echo&limit=100");
    let answer: Value = http().get(url).send().await.unwrap().json().await.unwrap();
    answer["events"].as_array().unwrap_or_else(|| panic!("no list of events: {answer}")).len()
}

async fn ends_with_a_reason(config: &str) {
    let letters = eventually("the loop to end", async || {
        let letters = dead_letters(config).await;
        (!letters.is_empty()).then_some(letters)
    })
    .await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["reason"], "a loop: 17 events led to this one, and 16 are allowed");
    assert_eq!(letters[0]["eventType"], "echo");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_answers_itself_on_lambda_is_stopped_at_the_limit() {
    let state = tempfile::tempdir().unwrap();
    let app = App::start(state.path(), &["tests"]).await;
    let answer = http().post(format!("{}/echo", app.events)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    ends_with_a_reason(&app.config).await;
    assert_eq!(emitted(&app.config).await, 18, "the first one, and what 0 to 16 of them led to");
    assert_eq!(app.program.interrupt().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_is_one_that_is_an_http_server() {
    let state = tempfile::tempdir().unwrap();
    let app = App::start(state.path(), &["services/registration/users"]).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_misbehaving"));
    command.env("PORT", "0").env("EVENT_GATEWAY_URL", &app.events).env_remove("AWS_LAMBDA_RUNTIME_API");
    let server = Program::start("misbehaving", command);
    let url = server.line("its address", |line| Some(line.split_once("serves ")?.1.to_owned())).await;

    let gateway = app.gateway();
    let function = Function::new("echoes", Provider::Http { url: format!("{url}/functions/echoes") });
    gateway.functions().create(&function).await.unwrap();
    gateway.event_types().create(&EventType::new("echo")).await.unwrap();
    gateway.subscriptions().create(&Subscription::asynchronous("echo", "echoes")).await.unwrap();

    let late = CloudEvent::of_type("echo", "/tests", json!({})).with_hops(3);
    gateway.emit(late).await.unwrap();
    ends_with_a_reason(&app.config).await;
    assert_eq!(echoes(&server), (3..=16).collect::<Vec<_>>());
    assert_eq!(server.interrupt().await, 0);
    assert_eq!(app.program.interrupt().await, 0);
}
