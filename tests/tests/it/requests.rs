//! Tests what a client and a function see of each other, through the gateway: on the local Lambda, and over HTTP.

use eg_sdk::config::{EventType, Function, Provider, Subscription};
use eg_tests::app::App;
use eg_tests::program::Program;
use eg_tests::{eventually, http};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::process::Command;

async fn post(url: String, media_type: &str, body: impl Into<reqwest::Body>) -> Response {
    http().post(url).header("content-type", media_type).body(body).send().await.unwrap()
}

fn all<'r>(response: &'r Response, name: &str) -> Vec<&'r str> {
    response.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_and_functions_exchange_arrives_as_it_was_sent() {
    let state = tempfile::tempdir().unwrap();
    let app = App::start(state.path(), &["tests"]).await;
    let url = |path: &str| format!("{}{path}", app.events);

    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let mirrored = post(url("/mirror"), "image/png", bytes.clone()).await;
    assert_eq!(mirrored.status(), 200);
    assert_eq!(all(&mirrored, "content-type"), ["image/png"]);
    assert_eq!(all(&mirrored, "set-cookie"), ["a=1", "b=2; HttpOnly"]);
    // To HTTP, this is the same as two lines. Only cookies cannot be joined.
    assert_eq!(all(&mirrored, "x-many"), ["1, 2"]);
    assert!(mirrored.bytes().await.unwrap() == bytes);

    for (method, path, status, allow, message) in [
        (
            Method::POST,
            "/miror",
            404,
            &[][..],
            "no function answers `POST /miror`; did you mean `POST /mirror`?",
        ),
        (
            Method::GET,
            "/mirror",
            405,
            &["POST"],
            "no function answers `GET /mirror`; this path accepts `POST`",
        ),
        (
            Method::PUT,
            "/stream/panic",
            405,
            &["GET, HEAD"],
            "no function answers `PUT /stream/panic`; this path accepts `GET` and `HEAD`",
        ),
    ] {
        let refused = http().request(method, url(path)).send().await.unwrap();
        assert_eq!((refused.status().as_u16(), all(&refused, "allow").as_slice()), (status, allow), "{path}");
        let error: Value = refused.json().await.unwrap();
        assert_eq!(error["errors"][0]["message"], message);
    }

    let accepted = post(url("/later"), "application/octet-stream", vec![0, 159, 146]).await;
    assert_eq!((accepted.status().as_u16(), accepted.text().await.unwrap()), (202, String::new()));
    app.program.line("the request", |line| line.ends_with("later 3 bytes").then_some(())).await;
    assert_eq!(app.program.interrupt().await, 0);
}

/// The same binary without Lambda: its errors are answers to clients, and failures of events.
#[tokio::test(flavor = "multi_thread")]
async fn errors_of_a_function_over_http_reach_clients_and_fail_events() {
    let state = tempfile::tempdir().unwrap();
    let app = App::start(state.path(), &["examples/hello-http"]).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_misbehaving"));
    command.env("PORT", "0").env("EVENT_GATEWAY_URL", &app.events).env_remove("AWS_LAMBDA_RUNTIME_API");
    let server = Program::start("misbehaving", command);
    let address = server.line("its address", |line| Some(line.split_once("serves ")?.1.to_owned())).await;

    let gateway = app.gateway();
    for name in ["answers", "fails"] {
        let function = Function::new(name, Provider::Http { url: format!("{address}/functions/{name}") });
        gateway.functions().create(&function).await.unwrap();
    }
    gateway.event_types().create(&EventType::new("do")).await.unwrap();
    for subscription in
        [Subscription::http("POST", "/status", "answers"), Subscription::asynchronous("do", "fails")]
    {
        gateway.subscriptions().create(&subscription).await.unwrap();
    }

    for (wanted, status, body) in [
        (json!(409), 409, r#"{"errors":["as you wish"]}"#),
        (json!(503), 503, r#"{"errors":["as you wish"]}"#),
        (json!(7), 500, r#"{"errors":["Internal Server Error"]}"#),
        (json!(200), 200, "fine"),
    ] {
        let answer = post(format!("{}/status", app.events), "application/json", wanted.to_string()).await;
        assert_eq!(
            (answer.status().as_u16(), answer.text().await.unwrap().as_str()),
            (status, body),
            "{wanted}"
        );
    }
    server.line("the reason", |line| line.contains("invalid status code").then_some(())).await;

    let event = json!({"specversion": "1.0", "id": "1", "source": "/tests", "type": "do", "data": "reject"});
    let emitted = post(app.events.clone(), "application/cloudevents+json", event.to_string()).await;
    assert_eq!(emitted.status(), 202);
    let letters = format!("{}/v1/spaces/default/dead-letters", app.config);
    let letter = eventually("a dead letter", async || {
        let list: Value = http().get(&letters).send().await.unwrap().json().await.unwrap();
        list["deadLetters"].get(0).cloned()
    })
    .await;
    let attempts = letter["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{letter}");
    assert!(attempts[0]["error"].as_str().unwrap().contains("the address does not exist"), "{letter}");
    assert_eq!(server.interrupt().await, 0);
    assert_eq!(app.program.interrupt().await, 0);
}
