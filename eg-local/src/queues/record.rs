//! Writes the payload of a batch and reads the function's answer. Source: Lambda's developer guide, "using Lambda
//! with Amazon SQS" and its partial batch responses.

use std::collections::BTreeMap;

use crate::emulator::REGION;
use eg_grammar::{is_fifo, limits};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::arn;
use super::digest::{Attributes, of_body};
use super::store::Message;

/// Lambda's payload limit in bytes, minus room for the brackets.
const LARGEST: usize = limits::PAYLOAD - 1024;

/// The sender id of messages.
const SENDER: &str = "AIDALOCAL";

/// Writes a batch as the payload of an invocation.
pub(super) fn payload(queue: &str, messages: &[Message]) -> Vec<u8> {
    let records: Vec<Value> = messages.iter().map(|message| record(queue, message)).collect();
    json!({ "Records": records }).to_string().into_bytes()
}

/// Returns how many of `messages`, starting with the first, fit into one payload.
pub(super) fn fitting(queue: &str, messages: &[Message]) -> usize {
    let mut size = 0;
    let fits = messages.iter().take_while(|message| {
        size += record(queue, message).to_string().len() + 1;
        size <= LARGEST
    });
    fits.count().max(1)
}

fn record(queue: &str, message: &Message) -> Value {
    let attributes: Attributes = serde_json::from_str(&message.attributes).unwrap_or_default();
    let message_attributes: BTreeMap<&String, Value> = attributes
        .iter()
        .map(|(name, attribute)| {
            let mut value =
                json!({"dataType": attribute.data_type, "stringListValues": [], "binaryListValues": []});
            if let Some(text) = &attribute.string_value {
                value["stringValue"] = json!(text);
            }
            if let Some(binary) = &attribute.binary_value {
                value["binaryValue"] = json!(binary);
            }
            (name, value)
        })
        .collect();
    json!({
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": system_attributes(queue, message),
        "messageAttributes": message_attributes,
        "md5OfBody": of_body(&message.body),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn(queue),
        "awsRegion": REGION,
    })
}

/// The attributes that the queue sets.
pub(super) fn system_attributes(queue: &str, message: &Message) -> Map<String, Value> {
    let mut attributes = Map::new();
    let mut set = |name: &str, value: String| attributes.insert(name.to_owned(), Value::String(value));
    set("ApproximateReceiveCount", message.receives.to_string());
    set("SentTimestamp", message.sent.to_string());
    set("SenderId", SENDER.to_owned());
    set("ApproximateFirstReceiveTimestamp", message.first_received.to_string());
    if is_fifo(queue) {
        set("SequenceNumber", sequence_number(message.sequence));
    }
    if let Some(group) = &message.group {
        set("MessageGroupId", group.clone());
    }
    if let Some(deduplication) = &message.deduplication {
        set("MessageDeduplicationId", deduplication.clone());
    }
    if let Some(queue) = &message.came_from {
        set("DeadLetterQueueSourceArn", arn(queue));
    }
    attributes
}

/// Formats a sequence number with SQS's twenty digits.
pub(super) fn sequence_number(sequence: i64) -> String {
    format!("{sequence:020}")
}

/// Why a message was not handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The reason, if the function gave one.
    pub(super) reason: Option<String>,
    /// Whether the function rejects the message, so that it must not come again.
    pub(super) is_rejected: bool,
}

/// Returns the ids of the failed messages, with the reasons that the answer has in its member `errors`; its member `rejected`
/// names those that must not come again. As on Lambda, an answer with an unknown or empty id fails the whole batch, and an
/// answer that is not a batch response means success.
pub(super) fn failures(answer: &[u8], messages: &[Message]) -> Result<BTreeMap<String, Failure>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Response {
        batch_item_failures: Option<Vec<Item>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Item {
        item_identifier: Option<String>,
    }
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    if !answer["batchItemFailures"].is_array() {
        return Ok(BTreeMap::new());
    }
    let rejected = answer["rejected"].as_array().map_or(&[][..], Vec::as_slice);
    let failure = |id: &str| Failure {
        reason: answer["errors"][id].as_str().map(str::to_owned),
        is_rejected: rejected.iter().any(|rejected| rejected == id),
    };
    let response = Response::deserialize(&answer)
        .map_err(|error| format!("its `batchItemFailures` cannot be read: {error}"))?;
    let mut failed = BTreeMap::new();
    for item in response.batch_item_failures.unwrap_or_default() {
        match item.item_identifier {
            Some(id) if messages.iter().any(|message| message.id == id) => {
                let failure = failure(&id);
                failed.insert(id, failure);
            }
            Some(id) => {
                return Err(format!("its `batchItemFailures` name {id:?}, which is not in the batch"));
            }
            None => return Err("its `batchItemFailures` have an entry without `itemIdentifier`".to_owned()),
        }
    }
    Ok(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, body: &str) -> Message {
        Message {
            sequence: 7,
            id: id.to_owned(),
            body: body.to_owned(),
            attributes: "{}".to_owned(),
            group: None,
            deduplication: None,
            sent: 1_000,
            first_received: 2_000,
            receives: 1,
            receipt: "receipt".to_owned(),
            came_from: None,
        }
    }

    #[test]
    fn a_record_is_lambdas() {
        let payload: Value = serde_json::from_slice(&payload("orders", &[message("m1", "hello")])).unwrap();
        assert_eq!(
            payload,
            json!({"Records": [{
                "messageId": "m1", "receiptHandle": "receipt", "body": "hello",
                "attributes": {
                    "ApproximateReceiveCount": "1", "SentTimestamp": "1000", "SenderId": SENDER,
                    "ApproximateFirstReceiveTimestamp": "2000",
                },
                "messageAttributes": {}, "md5OfBody": "5d41402abc4b2a76b9719d911017c592",
                "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:orders",
                "awsRegion": "us-east-1",
            }]})
        );
    }

    #[test]
    fn a_batch_is_no_larger_than_lambda_takes() {
        let large = "\"".repeat(1024 * 1024);
        let messages: Vec<Message> = (0..5).map(|n| message(&n.to_string(), &large)).collect();
        assert_eq!(fitting("orders", &messages), 2, "each takes two megabytes once it is JSON");
        assert_eq!(fitting("orders", &[message("huge", &"\"".repeat(4 * 1024 * 1024))]), 1);
    }

    #[test]
    fn what_an_answer_says_about_its_batch() {
        let batch = [message("a", ""), message("b", "")];
        let check = |answer: &str, expected: Result<&[&str], &str>| {
            let found = failures(answer.as_bytes(), &batch);
            match expected {
                Ok(ids) => {
                    assert!(found.as_ref().is_ok_and(|found| found.keys().eq(ids)), "{answer}: {found:?}");
                }
                Err(part) => {
                    assert!(found.as_ref().is_err_and(|error| error.contains(part)), "{answer}: {found:?}");
                }
            }
        };
        check("null", Ok(&[]));
        check("no JSON", Ok(&[]));
        check(r#""done""#, Ok(&[]));
        check(r#"{"batchItemFailures":[]}"#, Ok(&[]));
        check(r#"{"batchItemFailures":null}"#, Ok(&[]));
        check(r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#, Ok(&["b"]));
        check(r#"{"batchItemFailures":[{"itemIdentifier":"c"}]}"#, Err("\"c\", which is not in the batch"));
        check(r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#, Err("without `itemIdentifier`"));
        check(r#"{"batchItemFailures":[{}]}"#, Err("without `itemIdentifier`"));
        check(r#"{"batchItemFailures":["b"]}"#, Err("cannot be read"));
        let explained = r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"}],
            "errors":{"b":"no stock","c":"?"},"rejected":["b","c"]}"#;
        let found = failures(explained.as_bytes(), &batch).unwrap();
        let failure =
            |reason: Option<&str>, is_rejected| Failure { reason: reason.map(str::to_owned), is_rejected };
        assert_eq!(
            found,
            BTreeMap::from([
                ("a".to_owned(), failure(None, false)),
                ("b".to_owned(), failure(Some("no stock"), true))
            ])
        );
    }
}
