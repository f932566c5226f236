//! Validates messages by SQS's rules, and decides what to store. Stores nothing.

use std::time::Duration;

use eg_grammar::is_fifo;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::attributes::{LONGEST_DELAY, Properties};
use super::digest::Attributes;
use super::error::Refusal;
use super::millis;
use super::store::NewMessage;

/// A message to send, alone or in a batch.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    /// In batches only.
    pub(super) id: Option<String>,
    pub(super) message_body: Option<String>,
    #[serde(default)]
    pub(super) message_attributes: Attributes,
    delay_seconds: Option<u64>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

impl Entry {
    /// Creates a message without attributes.
    pub(super) fn new(body: String, group: Option<String>) -> Self {
        Self { message_body: Some(body), message_group_id: group, ..Self::default() }
    }
}

/// Checks that `queue` takes a message with this body and this many bytes of attributes.
pub(super) fn check_body(queue: &Properties, body: &str, attributes: usize) -> Result<(), Refusal> {
    if body.is_empty() {
        return Err(Refusal::Invalid(
            "MessageBody is empty: a message has at least one character".to_owned(),
        ));
    }
    let (size, limit) = (body.len() + attributes, queue.largest());
    if size > limit { Err(Refusal::TooLarge { size, limit }) } else { Ok(()) }
}

/// Returns the stored form of a message that is sent to `queue` at the time `at`.
pub(super) fn prepare(queue: &Properties, entry: &Entry, at: i64) -> Result<NewMessage, Refusal> {
    let Some(body) = entry.message_body.clone() else { return Err(Refusal::Missing("MessageBody")) };
    let attributes = serde_json::to_string(&entry.message_attributes)
        .map_err(|error| Refusal::Unreadable(error.to_string()))?;
    check_body(queue, &body, if entry.message_attributes.is_empty() { 0 } else { attributes.len() })?;
    for (name, attribute) in &entry.message_attributes {
        if attribute.string_value.is_some() == attribute.binary_value.is_some() {
            return Err(Refusal::Invalid(format!(
                "message attribute {name} needs a StringValue or a BinaryValue"
            )));
        }
    }
    if entry.delay_seconds.is_some_and(|delay| delay > LONGEST_DELAY) {
        return Err(Refusal::Invalid(format!("DelaySeconds is a number from 0 to {LONGEST_DELAY}")));
    }
    let delay = entry.delay_seconds.map_or_else(|| queue.delay(), Duration::from_secs);
    let fifo = is_fifo(&queue.name);
    if fifo && entry.message_group_id.is_none() {
        return Err(Refusal::Missing("MessageGroupId, which every message of a FIFO queue has,"));
    }
    if fifo && entry.delay_seconds.is_some_and(|delay| delay > 0) {
        return Err(Refusal::Invalid(
            "messages of a FIFO queue have no DelaySeconds of their own".to_owned(),
        ));
    }
    if !fifo && entry.message_deduplication_id.is_some() {
        return Err(Refusal::Invalid("MessageDeduplicationId is for FIFO queues only".to_owned()));
    }
    if fifo && entry.message_deduplication_id.is_none() && !queue.deduplicates_by_content() {
        return Err(Refusal::Invalid(
            "the queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
             explicitly"
                .to_owned(),
        ));
    }
    let deduplication = fifo.then(|| {
        entry.message_deduplication_id.clone().unwrap_or_else(|| {
            Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
        })
    });
    Ok(NewMessage {
        body,
        attributes,
        group: entry.message_group_id.clone(),
        deduplication,
        visible: at.saturating_add(millis(delay)),
    })
}
