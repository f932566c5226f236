//! SQS's API: reads requests and writes responses. Leaves what a queue does to the store. Source: the API reference of
//! Amazon SQS.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use eg_grammar::is_fifo;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HOST};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::attributes::{LONGEST_VISIBILITY, LONGEST_WAIT, Properties, Redrive};
use super::configure::AttributesRequest;
use super::error::{JSON, Refusal};
use super::send::{Entry, prepare};
use super::store::{Message, Receive, Received, Sent, StoreError};
use super::{Queues, digest, is_dead_letters, letters, millis, now, record};
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
    let router = Router::new().route("/", post(call)).merge(letters::router());
    router.layer(DefaultBodyLimit::max(LARGEST_REQUEST)).with_state(queues)
}

async fn call(State(queues): State<Queues>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let target = header("x-amz-target");
    let operation = target.strip_prefix(TARGET).ok_or_else(|| Refusal::Operation(target.to_owned()))?;
    let url = |name: &str| format!("http://{}/{ACCOUNT}/{name}", header(HOST.as_str()));
    let answer = match operation {
        "ListQueues" => queues.list(&body, url).await?,
        "GetQueueUrl" => json!({ "QueueUrl": url(&queues.existing(named(&body)?).await?.name) }),
        "CreateQueue" => {
            let AttributesRequest { attributes } = read(&body)?;
            json!({ "QueueUrl": url(&queues.create_with(named(&body)?, attributes).await?) })
        }
        "StartMessageMoveTask" => queues.move_back(read(&body)?).await?,
        _ => {
            let OfQueue { queue_url } = read(&body)?;
            let queue_url = queue_url.ok_or(Refusal::Missing("QueueUrl"))?;
            let name = queue_url.rsplit('/').next().unwrap_or_default();
            let queue = queues.existing(name.to_owned()).await?;
            match operation {
                "GetQueueAttributes" => queues.attributes(queue, read(&body)?).await?,
                "SetQueueAttributes" => queues.set_attributes(queue, read(&body)?).await?,
                "SendMessage" => queues.send(&queue, read(&body)?).await?,
                "SendMessageBatch" => queues.send_batch(queue, read(&body)?).await?,
                "ReceiveMessage" => queues.receive(queue, read(&body)?).await?,
                "DeleteMessage" => queues.delete(queue.name, read(&body)?).await?,
                "DeleteMessageBatch" => queues.delete_batch(queue.name, read(&body)?).await?,
                "ChangeMessageVisibility" => queues.change_visibility(queue.name, read(&body)?).await?,
                "PurgeQueue" => {
                    queues.with(move |store| store.purge(&queue.name)).await?;
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
    /// Returns a queue that exists.
    pub(super) async fn existing(&self, name: String) -> Result<Properties, Refusal> {
        let asked = name.clone();
        if self.with(move |store| store.exists(&asked)).await? {
            return Ok(self.properties(name).await?);
        }
        let mut queues = self.with(super::Store::queues).await?;
        queues.retain(|name| !is_dead_letters(name));
        Err(Refusal::NoQueue { name, queues })
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

    async fn send(&self, queue: &Properties, entry: Entry) -> Result<Value, Refusal> {
        let sent = self.store_one(queue, &entry).await?;
        Ok(acknowledgement(&queue.name, &entry, &sent))
    }

    /// Stores one message, if SQS would accept it.
    pub(super) async fn store_one(&self, queue: &Properties, entry: &Entry) -> Result<Sent, Refusal> {
        let at = now();
        let message = prepare(queue, entry, at)?;
        let name = queue.name.clone();
        let sent = self.with(move |store| store.send_one(&name, &message, at)).await?;
        self.waiting.wake(&queue.name);
        Ok(sent)
    }

    /// As on SQS, an invalid entry fails alone.
    async fn send_batch(&self, queue: Properties, request: BatchRequest<Entry>) -> Result<Value, Refusal> {
        let ids = request.entries.iter().map(|entry| entry.id.as_deref());
        check_ids(ids)?;
        let at = now();
        let (mut messages, mut good, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for entry in request.entries {
            match prepare(&queue, &entry, at) {
                Ok(message) => {
                    messages.push(message);
                    good.push(entry);
                }
                Err(refusal) => failed.push(failure(entry.id.as_deref(), &refusal)),
            }
        }
        let name = queue.name;
        let to = name.clone();
        let sent = self.with(move |store| store.send(&to, &messages, at)).await?;
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

    async fn receive(&self, queue: Properties, request: ReceiveRequest) -> Result<Value, Refusal> {
        let within = |name: &str, value: u64, (from, to): (u64, u64)| {
            let invalid = || Refusal::Invalid(format!("{name} is a number from {from} to {to}"));
            (from..=to).contains(&value).then_some(value).ok_or_else(invalid)
        };
        let most = request.max_number_of_messages.unwrap_or(1);
        within("MaxNumberOfMessages", most as u64, (1, MOST as u64))?;
        let visibility = match request.visibility_timeout {
            Some(given) => Duration::from_secs(within("VisibilityTimeout", given, (0, LONGEST_VISIBILITY))?),
            None => queue.visibility(),
        };
        let wait = match request.wait_time_seconds {
            Some(given) => Duration::from_secs(within("WaitTimeSeconds", given, (0, LONGEST_WAIT))?),
            None => queue.wait(),
        };
        let end = tokio::time::sleep(wait);
        tokio::pin!(end);
        let mut changes = self.waiting.subscribe(&queue.name);
        loop {
            let at = now();
            let until = at.saturating_add(millis(visibility));
            let (received, next_visible) = self.take(&queue, most, until, at).await?;
            if !received.messages.is_empty() || wait.is_zero() {
                let messages: Vec<Value> =
                    received.messages.iter().map(|message| as_received(&queue.name, message)).collect();
                return Ok(json!({ "Messages": messages }));
            }
            // A message may also become visible without a change: its delay or its visibility timeout ends.
            let next =
                next_visible.map(|next| Duration::from_millis(next.saturating_sub(at).max(1).unsigned_abs()));
            tokio::select! {
                Ok(()) = changes.changed() => {}
                () = tokio::time::sleep(next.unwrap_or(Duration::MAX)), if next.is_some() => {}
                () = &mut end => return Ok(json!({ "Messages": [] })),
            }
        }
    }

    /// Receives up to `most` messages, which are invisible to others until the time `until`. Returns them with the time
    /// at which the next message becomes visible. Messages that were received too often move to their dead-letter queue.
    pub(super) async fn take(
        &self,
        queue: &Properties,
        most: usize,
        until: i64,
        at: i64,
    ) -> Result<(Received, Option<i64>), StoreError> {
        let (queue, redrive) = (queue.clone(), queue.redrive());
        let receive = Receive { queue: queue.name.clone(), most, until, redrive: redrive.clone() };
        let taken = self
            .with(move |store| {
                store.forget(&queue, at)?;
                let received = store.receive(&receive, at)?;
                Ok((received, store.next_visible(&queue.name, at)?))
            })
            .await?;
        if let (false, Some(Redrive { target, .. })) = (taken.0.dead.is_empty(), redrive) {
            self.waiting.wake(&target);
        }
        Ok(taken)
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
        let Properties { name, .. } =
            self.existing(source.rsplit(':').next().unwrap_or_default().to_owned()).await?;
        let at = now();
        for queue in self.with(move |store| store.move_back(&name, at)).await? {
            self.waiting.wake(&queue);
        }
        Ok(json!({ "TaskHandle": uuid::Uuid::new_v4().simple().to_string() }))
    }

    async fn change_visibility(&self, name: String, receipt: Receipt) -> Result<Value, Refusal> {
        let seconds = receipt.visibility_timeout.ok_or(Refusal::Missing("VisibilityTimeout"))?;
        if seconds > LONGEST_VISIBILITY {
            let rule = format!("VisibilityTimeout is a number from 0 to {LONGEST_VISIBILITY}");
            return Err(Refusal::Invalid(rule));
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
