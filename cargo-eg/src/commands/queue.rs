//! `cargo eg emit --queue`: a message for a queue of the local app, through the part of SQS's API that it serves.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::print;
use crate::cli;
use crate::exit::{Exit, Failure};

/// The account that the local queues belong to.
const ACCOUNT: &str = cargo_eg::emulator::ACCOUNT;

pub(super) async fn send(arguments: &cli::Emit, name: &str, message: &str) -> Result<(), Failure> {
    let base = arguments.lambda_url.trim_end_matches('/');
    let mut body = json!({"QueueUrl": format!("{base}/{ACCOUNT}/{name}"), "MessageBody": message});
    if let Some(group) = &arguments.group {
        body["MessageGroupId"] = group.as_str().into();
    }
    let request = crate::connections::connections()
        .post(format!("{base}/"))
        .header("x-amz-target", "AmazonSQS.SendMessage")
        .header("content-type", "application/x-amz-json-1.0")
        .body(body.to_string());
    let unreachable = |error: reqwest::Error| {
        Failure::because(Exit::Unreachable, format!("no local queues answer at {base}"), error.without_url())
            .hint("`cargo eg run` starts the app and its queues; --lambda-url names another address")
    };
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let answer = response.bytes().await.map_err(unreachable)?;
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let text = |key: &str| answer.get(key).and_then(Value::as_str);
    if !status.is_success() {
        return Err(refused(
            name,
            status,
            text("message").or(text("Message")),
            text("__type").unwrap_or_default(),
        ));
    }
    let id = text("MessageId").unwrap_or_default();
    print(&if arguments.json {
        format!("{}\n", json!({"queue": name, "id": id}))
    } else {
        format!("Message sent: {name}\nid: {id}\n")
    })
}

fn refused(name: &str, status: StatusCode, message: Option<&str>, kind: &str) -> Failure {
    let message = message.map_or_else(|| format!("status {status}"), str::to_owned);
    if kind.ends_with("QueueDoesNotExist") {
        return Failure::new(Exit::NotFound, format!("no queue `{name}`: {message}"))
            .hint("a queue exists when a function has #[queue(\"NAME\")] and the app runs");
    }
    Failure::new(Exit::Refused, format!("queue `{name}` takes no message: {message}"))
}
