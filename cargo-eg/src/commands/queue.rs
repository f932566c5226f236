//! `cargo eg emit --queue` and `cargo eg dead-letters --queue`: calls the queues of the local app, which serves part
//! of the SQS API.

use eg_local::queues::{arn, dead_letters_of};
use eg_sdk::history::parse_time;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::post::post;
use super::print;
use crate::cli;
use crate::console::text::{DIM, clock, columns, count, one_line, styled};
use crate::exit::{Exit, Failure};

/// The account of the local queues.
const ACCOUNT: &str = eg_local::emulator::ACCOUNT;

/// The maximum number of messages per call.
const PAGE: usize = 10;

/// How long messages stay invisible while they are listed, in seconds. Dead letters have no other readers.
const LISTING: u32 = 10;

/// One queue of the app at an address.
struct Queue<'a> {
    base: &'a str,
    name: String,
}

/// A message that was received.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    message_id: String,
    receipt_handle: String,
    body: String,
    attributes: Attributes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    sent_timestamp: String,
}

pub(super) async fn send(arguments: &cli::Emit, name: &str, message: &str) -> Result<(), Failure> {
    let url = arguments.lambda.url();
    let queue = Queue::at(&url, name.to_owned());
    let mut request = json!({ "MessageBody": message });
    if let Some(group) = &arguments.group {
        request["MessageGroupId"] = group.as_str().into();
    }
    let answer = queue.call("SendMessage", request).await?;
    let id = answer["MessageId"].as_str().unwrap_or_default();
    print(&if arguments.json {
        format!("{}\n", json!({"queue": name, "id": id}))
    } else {
        format!("Message sent: {name}\nid: {id}\n")
    })
}

/// Lists the dead letters of a queue, the oldest first.
pub(super) async fn list_dead_letters(
    url: &str,
    name: &str,
    limit: usize,
    json: bool,
) -> Result<(), Failure> {
    let queue = Queue::at(url, dead_letters_of(name));
    let total = queue.len().await?;
    let mut messages: Vec<Message> = Vec::new();
    while messages.len() < limit {
        let most = PAGE.min(limit - messages.len());
        let request = json!({ "MaxNumberOfMessages": most, "VisibilityTimeout": LISTING });
        let page = queue.call("ReceiveMessage", request).await?;
        let page: Vec<Message> = serde_json::from_value(page["Messages"].clone()).map_err(|error| {
            Failure::because(Exit::Refused, "the local queues' answer has no messages".to_owned(), error)
        })?;
        if page.is_empty() {
            break;
        }
        messages.extend(page);
    }
    for message in &messages {
        let request = json!({ "ReceiptHandle": message.receipt_handle, "VisibilityTimeout": 0 });
        // Fails if someone else has received the message since; it then becomes visible again by itself.
        let _ = queue.call("ChangeMessageVisibility", request).await;
    }
    if json {
        let line = |one: &Message| {
            let sent_at = sent_at(one).format(&Rfc3339).unwrap_or_default();
            format!("{}\n", json!({"id": one.message_id, "sentAt": sent_at, "body": one.body}))
        };
        return print(&messages.iter().map(line).collect::<String>());
    }
    match (messages.len(), total) {
        (0, 0) => eprintln!("no dead letters of queue {name}"),
        (shown, total) => {
            if shown < total {
                eprintln!("{shown} of {total} are shown");
            }
            eprintln!(
                "`cargo eg dead-letters retry --queue {name}` puts them back, `discard --queue {name}` removes them"
            );
        }
    }
    let row =
        |one: &Message| [one.message_id.clone(), styled(DIM, &clock(sent_at(one))), one_line(&one.body)];
    print(&columns(&messages.iter().map(row).collect::<Vec<_>>()))
}

/// Moves the dead letters of a queue back to the queue.
pub(super) async fn retry_dead_letters(url: &str, name: &str, json: bool) -> Result<(), Failure> {
    let queue = Queue::at(url, dead_letters_of(name));
    let total = queue.len().await?;
    queue.call("StartMessageMoveTask", json!({ "SourceArn": arn(&queue.name) })).await?;
    print(&if json {
        format!("{}\n", json!({"queue": name, "moved": total}))
    } else {
        format!("{} back in {name}\n", count(total, "message"))
    })
}

/// Removes the dead letters of a queue.
pub(super) async fn discard_dead_letters(url: &str, name: &str, json: bool) -> Result<(), Failure> {
    let queue = Queue::at(url, dead_letters_of(name));
    let total = queue.len().await?;
    queue.call("PurgeQueue", json!({})).await?;
    print(&if json {
        format!("{}\n", json!({"queue": name, "discarded": total}))
    } else {
        format!("{} discarded\n", count(total, "message"))
    })
}

/// Returns the time at which a message was sent.
fn sent_at(message: &Message) -> OffsetDateTime {
    parse_time(&message.attributes.sent_timestamp).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

impl<'a> Queue<'a> {
    fn at(url: &'a str, name: String) -> Self {
        Self { base: url, name }
    }

    /// Returns the number of messages in the queue.
    async fn len(&self) -> Result<usize, Failure> {
        let answer = self.call("GetQueueAttributes", json!({ "AttributeNames": ["All"] })).await?;
        let number = |name: &str| answer["Attributes"][name].as_str().and_then(|n| n.parse::<usize>().ok());
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        Ok(names.into_iter().filter_map(number).sum())
    }

    async fn call(&self, operation: &str, mut request: Value) -> Result<Value, Failure> {
        let Self { base, name } = self;
        request["QueueUrl"] = format!("{base}/{ACCOUNT}/{name}").into();
        let target = format!("AmazonSQS.{operation}");
        let headers = [("x-amz-target", &*target), ("content-type", "application/x-amz-json-1.0")];
        let response = post(&format!("{base}/"), &headers, request.to_string()).await.map_err(|error| {
            Failure::because(Exit::Unreachable, format!("no local queues answer at {base}"), error)
                .hint("`cargo eg run` starts the app and its queues; --lambda-url names another address")
        })?;
        let status = response.status();
        let answer: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if status.is_success() { Ok(answer) } else { Err(self.refused(status, &answer)) }
    }

    fn refused(&self, status: StatusCode, answer: &Value) -> Failure {
        let name = &self.name;
        let text = |key: &str| answer[key].as_str();
        let message = text("message").or(text("Message"));
        let message = message.map_or_else(|| format!("status {status}"), str::to_owned);
        if text("__type").is_some_and(|kind| kind.ends_with("QueueDoesNotExist")) {
            return Failure::new(Exit::NotFound, format!("no queue `{name}`: {message}"))
                .hint("a queue exists when a function has #[queue(\"NAME\")] and the app runs");
        }
        Failure::new(Exit::Refused, format!("queue `{name}` refuses: {message}"))
    }
}
