//! Tests the same binary without Lambda: as an HTTP server for `http` functions of the gateway.

use eg_tests::http;
use eg_tests::program::Program;
use reqwest::Response;
use serde_json::{Value, json};
use tokio::process::Command;

struct Server {
    program: Program,
    url: String,
}

impl Server {
    async fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_misbehaving"));
        command.env("PORT", "0").env_remove("AWS_LAMBDA_RUNTIME_API");
        let program = Program::start("misbehaving", command);
        let url = program.line("its address", |line| Some(line.split_once("serves ")?.1.to_owned())).await;
        Self { program, url }
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        http().post(format!("{}{path}", self.url)).json(body).send().await.unwrap()
    }
}

fn event(ty: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": "1", "source": "/tests", "type": ty, "data": data})
}

#[tokio::test]
async fn routes_are_served_under_their_own_paths() {
    let server = Server::start().await;
    let check = async |path: &str, body: Value, status: u16, text: &str| {
        let response = server.post(path, &body).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.text().await.unwrap(), text, "{path}");
    };
    check("/status", json!(200), 200, "fine").await;
    check("/status", json!(409), 409, r#"{"errors":["as you wish"]}"#).await;
    check("/elsewhere", json!(1), 404, "").await;
    check("/panic", json!(1), 500, r#"{"errors":["Internal Server Error"]}"#).await;
    server.program.line("the panic", |line| line.contains("there is something").then_some(())).await;
    assert_eq!(server.program.interrupt().await, 0);
}

#[tokio::test]
async fn functions_take_events_and_their_status_says_whether_to_try_again() {
    let server = Server::start().await;
    for (data, status, error_type) in [
        ("retry", 500, "Retry"),
        ("reject", 422, "Reject"),
        ("status", 500, "Retry"),
        ("panic", 500, "Panic"),
    ] {
        let response = server.post("/functions/fails", &event("do", &json!(data))).await;
        assert_eq!(response.status(), status, "{data}");
        assert_eq!(response.json::<Value>().await.unwrap()["errorType"], error_type, "{data}");
    }
    assert_eq!(server.post("/functions/fails", &event("do", &json!("well"))).await.status(), 200);
    assert_eq!(server.post("/functions/fails", &json!({"no": "event"})).await.status(), 422);
    assert_eq!(server.post("/functions/unknown", &event("do", &json!("well"))).await.status(), 404);
}

#[tokio::test]
async fn a_function_named_in_the_path_takes_any_event_if_it_is_for_a_queue() {
    let server = Server::start().await;
    assert_eq!(server.post("/functions/works", &event("any", &json!(1))).await.status(), 200);
    let failed = server.post("/functions/works", &event("any", &json!("text"))).await;
    assert_eq!(failed.status(), 422);
    assert_eq!(server.post("/functions/fails", &event("any", &json!(1))).await.status(), 422);
}

#[tokio::test]
async fn http_requests_through_the_gateway_get_the_reply_object() {
    let server = Server::start().await;
    let data = json!({"method": "POST", "path": "/status", "headers": {"Content-Type": "application/json"},
        "query": {}, "host": "x", "params": {}, "body": 201});
    let event = json!({"eventType": "http.request", "cloudEventsVersion": "0.1", "source": "/x", "eventID": "1",
        "data": data});
    let reply: Value = server.post("/functions/answers", &event).await.json().await.unwrap();
    assert_eq!((&reply["statusCode"], &reply["body"]), (&json!(200), &json!("fine")));
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let server = Server::start().await;
    let port = server.url.rsplit(':').next().unwrap().to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_misbehaving"));
    command.env("PORT", &port).env_remove("AWS_LAMBDA_RUNTIME_API");
    let second = Program::start("second", command);
    let cause = format!("cannot listen on 127.0.0.1:{port}");
    second.line(&cause, |line| (line.contains(&cause) && line.contains("set PORT")).then_some(())).await;
    assert_eq!(second.exit_code().await, 1);
}
