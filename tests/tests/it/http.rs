//! Tests the same binary without Lambda: as an HTTP server for `http` functions of the gateway.

use std::io::{Read as _, Write as _};

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
        command.env("PORT", "0").env_remove("AWS_LAMBDA_RUNTIME_API").env_remove("RUST_BACKTRACE");
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
    check(
        "/elsewhere",
        json!(1),
        404,
        r#"{"errors":[{"code":"unknown_path","message":"no function answers `POST /elsewhere`"}]}"#,
    )
    .await;
    check("/panic", json!(1), 500, r#"{"errors":["Internal Server Error"]}"#).await;
    let panic = "panic `panics`: panicked at ";
    server.program.line("the panic", |line| line.starts_with(panic).then_some(())).await;
    let lines = server.program.lines();
    assert_eq!(
        lines.iter().filter(|line| line.contains("there is something")).count(),
        1,
        "one line: {lines:?}"
    );
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

/// A limit of axum's, 2 MB, stood in every function.
#[tokio::test]
async fn requests_and_events_up_to_the_limit_are_taken() {
    let server = Server::start().await;
    let url = |path: &str| format!("{}{path}", server.url);
    for bytes in [3_000_000, 5_900_000, 6_291_456] {
        let upload = http().post(url("/size")).body(vec![b'x'; bytes]).send().await.unwrap();
        assert_eq!((upload.status().as_u16(), upload.text().await.unwrap()), (200, bytes.to_string()));
        let event = event("weigh", &json!("x".repeat(bytes)));
        let reply: Value = server.post("/functions/weighs", &event).await.json().await.unwrap();
        assert_eq!(reply["body"], bytes.to_string());
    }
    let upload = http().post(url("/size")).body(vec![b'x'; 6_291_457]).send().await.unwrap();
    assert_eq!(upload.status(), 413);
    assert!(upload.text().await.unwrap().contains("larger than 6291456 bytes"));
    let refused = server.post("/functions/weighs", &event("weigh", &json!("x".repeat(10_000_000)))).await;
    assert_eq!(refused.status(), 413);
    let report: Value = refused.json().await.unwrap();
    assert!(report["errorMessage"].as_str().unwrap().contains("the event is larger than"), "{report}");
}

/// A client that sends before it reads would be reset.
#[tokio::test]
async fn a_client_that_sends_too_much_gets_its_answer() {
    let server = Server::start().await;
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let send = move || {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        let body = vec![b'x'; 64 << 20];
        let head = format!(
            "POST /size HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        client.write_all(head.as_bytes()).unwrap();
        client.write_all(&body).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = tokio::task::spawn_blocking(send).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_204_has_no_length() {
    let server = Server::start().await;
    let answer = http().delete(format!("{}/size", server.url)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("content-length")), (204, None));
}
