//! SQS's API: reads requests and writes responses. Leaves what a queue does to the store. Source: the API reference of
//! Amazon SQS.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use eg_grammar::{QueueName, is_fifo};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HOST};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::{JSON, Refusal};
use super::send::{Entry, prepare};
use super::store::{Message, Receive, Sent};
use super::{Queues, arn, digest, is_dead_letters, millis, now, record};
use crate::emulator::ACCOUNT;

/// The prefix of operation names in the header.
const TARGET: &str = "AmazonSQS.";

/// The maximum number of entries in a batch and of messages in a receive.
const MOST: usize = 10;

/// The largest batch in bytes, with room for what JSON adds.
const LARGEST_REQUEST: usize = 4 * 1024 * 1024;

/// The common part of requests about one queue. Each operation reads the rest itself.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfQueue {
    queue_url: Option<String>,
}

/// The API as a service for the local Lambda's port.
pub fn router(queues: Queues) -> Router {
    Router::new().route("/", post(call)).layer(DefaultBodyLimit::max(LARGEST_REQUEST)).with_state(queues)
}

async fn call(State(queues): State<Queues>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let target = header("x-amz-target");
    let operation = target.strip_prefix(TARGET).ok_or_else(|| Refusal::Operation(target.to_owned()))?;
    let url = |name: &str| format!("http://{}/{ACCOUNT}/{name}", header(HOST.as_str()));
    let answer = match operation {
        "ListQueues" => queues.list(&body, url).await?,
        "GetQueueUrl" => json!({ "QueueUrl": url(&queues.existing(named(&body)?).await?) }),
        "CreateQueue" => json!({ "QueueUrl": url(&queues.create(named(&body)?).await?) }),
        "StartMessageMoveTask" => queues.move_back(read(&body)?).await?,
        _ => {
            let OfQueue { queue_url } = read(&body)?;
            let queue_url = queue_url.ok_or(Refusal::Missing("QueueUrl"))?;
            let name = queue_url.rsplit('/').next().unwrap_or_default();
            let name = queues.existing(name.to_owned()).await?;
            match operation {
                "GetQueueAttributes" => queues.attributes(name).await?,
                "SendMessage" => queues.send(name, read(&body)?).await?,
                "SendMessageBatch" => queues.send_batch(name, read(&body)?).await?,
                "ReceiveMessage" => queues.receive(name, read(&body)?).await?,
                "DeleteMessage" => queues.delete(name, read(&body)?).await?,
                "DeleteMessageBatch" => queues.delete_batch(name, read(&body)?).await?,
                "ChangeMessageVisibility" => queues.change_visibility(name, read(&body)?).await?,
                "PurgeQueue" => {
                    queues.with(move |store| store.purge(&name)).await?;
                    json!({})
                }
                other => return Err(Refusal::Operation(other.to_owned())),
            }
        }
    };
    Ok(([(CONTENT_TYPE, JSON)], answer.to_string()).into_response())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::Unreadable(error.to_string()))
}

fn named(body: &[u8]) -> Result<String, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Named {
        queue_name: Option<String>,
    }
    let Named { queue_name } = read(body)?;
    queue_name.ok_or(Refusal::Missing("QueueName"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveRequest {
    max_number_of_messages: Option<usize>,
    visibility_timeout: Option<u64>,
    wait_time_seconds: Option<u64>,
}

/// Without a destination, messages go back to their source. Other destinations are not supported.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MoveRequest {
    source_arn: Option<String>,
    destination_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchRequest<E> {
    entries: Vec<E>,
}

/// An entry of a batch of receipts, or the one receipt of a single call.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receipt {
    id: Option<String>,
    receipt_handle: String,
    visibility_timeout: Option<u64>,
}

impl Queues {
    async fn existing(&self, name: String) -> Result<String, Refusal> {
        let asked = name.clone();
        if self.with(move |store| store.exists(&asked)).await? {
            return Ok(name);
        }
        let mut queues = self.with(super::Store::queues).await?;
        queues.retain(|name| !is_dead_letters(name));
        Err(Refusal::NoQueue { name, queues })
    }

    /// Creates a queue, with its dead-letter queue, if it is missing.
    pub(super) async fn create(&self, name: String) -> Result<String, Refusal> {
        name.parse::<QueueName>().map_err(|mistake| Refusal::Invalid(mistake.to_string()))?;
        self.declare(vec![name.clone()]).await?;
        Ok(name)
    }

    async fn list(&self, body: &[u8], url: impl Fn(&str) -> String) -> Result<Value, Refusal> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Request {
            #[serde(default)]
            queue_name_prefix: String,
        }
        let Request { queue_name_prefix: prefix } = read(body)?;
        let names = self.with(super::Store::queues).await?;
        let urls: Vec<String> =
            names.iter().filter(|name| name.starts_with(&prefix)).map(|name| url(name)).collect();
        Ok(json!({ "QueueUrls": urls }))
    }

    async fn attributes(&self, name: String) -> Result<Value, Refusal> {
        let (queue, at) = (name.clone(), now());
        let counts = self.with(move |store| store.counts(&queue, at)).await?;
        let mut attributes = json!({
            "QueueArn": arn(&name),
            "ApproximateNumberOfMessages": counts.visible.to_string(),
            "ApproximateNumberOfMessagesNotVisible": counts.in_flight.to_string(),
            "ApproximateNumberOfMessagesDelayed": counts.delayed.to_string(),
            "VisibilityTimeout": self.settings.visibility.as_secs().to_string(),
        });
        if is_fifo(&name) {
            attributes["FifoQueue"] = json!("true");
            attributes["ContentBasedDeduplication"] = json!("true");
        }
        if !is_dead_letters(&name) {
            let policy = json!({
                "deadLetterTargetArn": arn(&super::dead_letters_of(&name)),
                "maxReceiveCount": self.settings.max_receives,
            });
            attributes["RedrivePolicy"] = json!(policy.to_string());
        }
        Ok(json!({ "Attributes": attributes }))
    }

    async fn send(&self, name: String, entry: Entry) -> Result<Value, Refusal> {
        let sent = self.store_one(&name, &entry).await?;
        Ok(acknowledgement(&name, &entry, &sent))
    }

    /// Stores one message, if SQS would accept it.
    pub(super) async fn store_one(&self, name: &str, entry: &Entry) -> Result<Sent, Refusal> {
        let at = now();
        let message = prepare(name, entry, at)?;
        let queue = name.to_owned();
        let sent = self.with(move |store| store.send_one(&queue, &message, at)).await?;
        self.waiting.wake(name);
        Ok(sent)
    }

    /// As on SQS, an invalid entry fails alone.
    async fn send_batch(&self, name: String, request: BatchRequest<Entry>) -> Result<Value, Refusal> {
        let ids = request.entries.iter().map(|entry| entry.id.as_deref());
        check_ids(ids)?;
        let at = now();
        let (mut messages, mut good, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for entry in request.entries {
            match prepare(&name, &entry, at) {
                Ok(message) => {
                    messages.push(message);
                    good.push(entry);
                }
                Err(refusal) => failed.push(failure(entry.id.as_deref(), &refusal)),
            }
        }
        let queue = name.clone();
        let sent = self.with(move |store| store.send(&queue, &messages, at)).await?;
        self.waiting.wake(&name);
        let successful: Vec<Value> = good
            .iter()
            .zip(&sent)
            .map(|(entry, sent)| {
                let mut answer = acknowledgement(&name, entry, sent);
                answer["Id"] = json!(entry.id);
                answer
            })
            .collect();
        Ok(json!({ "Successful": successful, "Failed": failed }))
    }

    async fn receive(&self, name: String, request: ReceiveRequest) -> Result<Value, Refusal> {
        let most = request.max_number_of_messages.unwrap_or(1);
        if !(1..=MOST).contains(&most) {
            return Err(Refusal::Invalid(format!("MaxNumberOfMessages is a number from 1 to {MOST}")));
        }
        let visibility = request.visibility_timeout.map_or(self.settings.visibility, Duration::from_secs);
        let wait = Duration::from_secs(request.wait_time_seconds.unwrap_or_default().min(20));
        let end = tokio::time::sleep(wait);
        tokio::pin!(end);
        let mut changes = self.waiting.subscribe(&name);
        loop {
            let at = now();
            let limit = (!is_dead_letters(&name))
                .then(|| (self.settings.max_receives, super::dead_letters_of(&name)));
            let until = at.saturating_add(millis(visibility));
            let receive = Receive { queue: name.clone(), most, until, limit };
            let received = self.with(move |store| store.receive(&receive, at)).await?;
            if !received.messages.is_empty() || wait.is_zero() {
                let messages: Vec<Value> =
                    received.messages.iter().map(|message| as_received(&name, message)).collect();
                return Ok(json!({ "Messages": messages }));
            }
            tokio::select! {
                Ok(()) = changes.changed() => {}
                () = &mut end => return Ok(json!({ "Messages": [] })),
            }
        }
    }

    async fn delete(&self, name: String, receipt: Receipt) -> Result<Value, Refusal> {
        let queue = name.clone();
        self.with(move |store| store.delete(&queue, &[receipt.receipt_handle])).await?;
        // The next message of its group is available now.
        self.waiting.wake(&name);
        Ok(json!({}))
    }

    async fn delete_batch(&self, name: String, request: BatchRequest<Receipt>) -> Result<Value, Refusal> {
        check_ids(request.entries.iter().map(|entry| entry.id.as_deref()))?;
        let receipts: Vec<String> =
            request.entries.iter().map(|entry| entry.receipt_handle.clone()).collect();
        let queue = name.clone();
        self.with(move |store| store.delete(&queue, &receipts)).await?;
        self.waiting.wake(&name);
        let successful: Vec<Value> = request.entries.iter().map(|entry| json!({ "Id": entry.id })).collect();
        Ok(json!({ "Successful": successful, "Failed": [] }))
    }

    async fn move_back(&self, request: MoveRequest) -> Result<Value, Refusal> {
        if request.destination_arn.is_some() {
            let rule =
                "DestinationArn is not known to the local queues: dead letters go back where they came from";
            return Err(Refusal::Invalid(rule.to_owned()));
        }
        let source = request.source_arn.ok_or(Refusal::Missing("SourceArn"))?;
        let name = self.existing(source.rsplit(':').next().unwrap_or_default().to_owned()).await?;
        let at = now();
        for queue in self.with(move |store| store.move_back(&name, at)).await? {
            self.waiting.wake(&queue);
        }
        Ok(json!({ "TaskHandle": uuid::Uuid::new_v4().simple().to_string() }))
    }

    async fn change_visibility(&self, name: String, receipt: Receipt) -> Result<Value, Refusal> {
        const LONGEST: u64 = 12 * 60 * 60;
        let seconds = receipt.visibility_timeout.ok_or(Refusal::Missing("VisibilityTimeout"))?;
        if seconds > LONGEST {
            return Err(Refusal::Invalid(format!("VisibilityTimeout is a number from 0 to {LONGEST}")));
        }
        let visible = now().saturating_add(millis(Duration::from_secs(seconds)));
        let queue = name.clone();
        let done = self.with(move |store| store.release(&queue, &[receipt.receipt_handle], visible)).await?;
        self.waiting.wake(&name);
        if done == [true] { Ok(json!({})) } else { Err(Refusal::Receipt) }
    }
}

/// Checks that a batch has a valid size and unique ids.
fn check_ids<'a>(ids: impl ExactSizeIterator<Item = Option<&'a str>>) -> Result<(), Refusal> {
    if !(1..=MOST).contains(&ids.len()) {
        return Err(Refusal::Entries { count: ids.len(), limit: MOST });
    }
    let mut seen = std::collections::BTreeSet::new();
    for id in ids {
        let id = id.ok_or(Refusal::Missing("Id"))?;
        if !seen.insert(id) {
            return Err(Refusal::SameId(id.to_owned()));
        }
    }
    Ok(())
}

fn acknowledgement(queue: &str, entry: &Entry, sent: &Sent) -> Value {
    let mut answer = json!({
        "MessageId": sent.id,
        "MD5OfMessageBody": digest::of_body(entry.message_body.as_deref().unwrap_or_default()),
    });
    if let Some(sum) = digest::of_attributes(&entry.message_attributes) {
        answer["MD5OfMessageAttributes"] = json!(sum);
    }
    if is_fifo(queue) {
        answer["SequenceNumber"] = json!(record::sequence_number(sent.sequence));
    }
    answer
}

fn failure(id: Option<&str>, refusal: &Refusal) -> Value {
    json!({
        "Id": id,
        "Code": refusal.code(),
        "Message": refusal.to_string(),
        "SenderFault": refusal.is_senders_fault(),
    })
}

fn as_received(queue: &str, message: &Message) -> Value {
    let attributes: digest::Attributes = serde_json::from_str(&message.attributes).unwrap_or_default();
    let mut answer = json!({
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "MD5OfBody": digest::of_body(&message.body),
        "Attributes": record::system_attributes(queue, message),
    });
    if let Some(sum) = digest::of_attributes(&attributes) {
        answer["MessageAttributes"] = json!(attributes);
        answer["MD5OfMessageAttributes"] = json!(sum);
    }
    answer
}
