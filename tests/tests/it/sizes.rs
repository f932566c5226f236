//! Tests large events and uploads from end to end: what the gateway accepts, a real function gets.

use eg_sdk::CloudEvent;
use eg_sdk::config::{EventType, Function, Provider, Subscription};
use eg_tests::app::App;
use eg_tests::http;
use eg_tests::program::Program;
use serde_json::json;
use tokio::process::Command;

const SIZES: [usize; 2] = [3_000_000, 5_900_000];

fn event(ty: &str, id: &str, bytes: usize) -> String {
    let data = "x".repeat(bytes);
    json!({"specversion": "1.0", "id": id, "source": "/tests", "type": ty, "data": data}).to_string()
}

async fn post(url: &str, media_type: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
    let response = http().post(url).header("content-type", media_type).body(body).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_accepts_reaches_a_function_on_lambda() {
    let state = tempfile::tempdir().unwrap();
    let app = App::start(state.path(), &["tests"]).await;
    for bytes in SIZES {
        let answered = (200, bytes.to_string());
        let event = event("weigh", "1", bytes);
        assert_eq!(
            post(&format!("{}/weigh", app.events), "application/cloudevents+json", event).await,
            answered
        );
        let size = format!("{}/size", app.events);
        let json = format!("[\"{}\"]", "x".repeat(bytes - 4));
        assert_eq!(post(&size, "application/json", json).await, answered);
        let form = format!("a={}", "x".repeat(bytes - 2));
        assert_eq!(post(&size, "application/x-www-form-urlencoded", form).await, answered);
    }
    // Base64 makes 4 MB of it.
    let size = format!("{}/size", app.events);
    let upload = post(&size, "image/png", vec![255; 3_000_000]).await;
    assert_eq!(upload, (200, "3000000".to_owned()));

    // Base64 makes 6.4 MB of it. Lambda would refuse it, and so does the gateway.
    let limit = "function \"eg-tests-measures\" takes at most 6291456";
    let (status, error) = post(&size, "image/png", vec![255; 4_800_000]).await;
    assert!(
        status == 413 && error.contains(limit.escape_default().to_string().as_str()),
        "{status}: {error}"
    );
    let event = |id: &str, bytes: usize| CloudEvent::of_type("keep", "/tests", "x".repeat(bytes)).with_id(id);
    let gateway = app.gateway();
    let results = gateway.emit_batch([event("a", 1), event("b", 6_291_456), event("c", 2)]).await;
    let [Ok(_), Err(error), Ok(_)] = results.as_slice() else { panic!("{results:?}") };
    assert_eq!(error.status(), Some(413));
    assert!(error.to_string().contains("function \"eg-tests-keeps\" takes at most 6291456"), "{error}");
    for kept in ["keeps 1 of a", "keeps 2 of c"] {
        app.program.line(kept, |line| line.ends_with(kept).then_some(())).await;
    }
    assert_eq!(app.program.interrupt().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_accepts_reaches_a_function_over_http() {
    let state = tempfile::tempdir().unwrap();
    let app = App::start(state.path(), &["services/registration/users"]).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_misbehaving"));
    command.env("PORT", "0").env("EVENT_GATEWAY_URL", &app.events).env_remove("AWS_LAMBDA_RUNTIME_API");
    let server = Program::start("misbehaving", command);
    let url = server.line("its address", |line| Some(line.split_once("serves ")?.1.to_owned())).await;

    let gateway = app.gateway();
    for name in ["keeps", "measures"] {
        let function = Function::new(name, Provider::Http { url: format!("{url}/functions/{name}") });
        gateway.functions().create(&function).await.unwrap();
    }
    gateway.event_types().create(&EventType::new("keep")).await.unwrap();
    gateway.subscriptions().create(&Subscription::asynchronous("keep", "keeps")).await.unwrap();
    gateway.subscriptions().create(&Subscription::http("POST", "/size", "measures")).await.unwrap();

    for bytes in SIZES {
        let event = CloudEvent::of_type("keep", "/tests", "x".repeat(bytes)).with_id(bytes.to_string());
        gateway.emit(event).await.unwrap();
        let kept = format!("keeps {bytes} of {bytes}");
        server.line(&kept, |line| (line == kept).then_some(())).await;
        let answer = post(&format!("{}/size", app.events), "image/png", vec![255; bytes]).await;
        assert_eq!(answer, (200, bytes.to_string()));
    }
    assert_eq!(server.interrupt().await, 0);
    assert_eq!(app.program.interrupt().await, 0);
}
