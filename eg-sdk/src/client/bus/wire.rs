//! `PutEvents` in AWS JSON 1.1. Source: the API reference of EventBridge.

use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Serialize};

use crate::client::aws::Operation;
use crate::eventbridge::Entry;

/// The operation.
pub(super) const PUT_EVENTS: Operation = Operation {
    service: "events",
    method: Method::POST,
    headers: &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AWSEvents.PutEvents")],
};

/// Writes the body of a call.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutEvents<'a> {
    entries: Vec<PutEntry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<i64>,
    source: &'a str,
    detail_type: &'a str,
    detail: &'a str,
    event_bus_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_header: Option<&'a str>,
}

impl<'a> PutEvents<'a> {
    pub(super) fn new(bus: &'a str, entries: impl Iterator<Item = &'a Entry>) -> Self {
        let entry = |entry: &'a Entry| PutEntry {
            time: entry.time,
            source: &entry.source,
            detail_type: &entry.detail_type,
            detail: &entry.detail,
            event_bus_name: bus,
            trace_header: entry.trace_header.as_deref(),
        };
        Self { entries: entries.map(entry).collect() }
    }

    pub(super) fn to_json(&self) -> Bytes {
        serde_json::to_vec(self).expect("strings and integers can be written as JSON").into()
    }
}

/// The outcome of one entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    Failed { code: String, message: String },
}

/// Reads the outcomes of `entries` entries, in order. Returns the reason if the answer violates the API.
pub(super) fn outcomes(answer: &[u8], entries: usize) -> Result<Vec<Outcome>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        entries: Vec<Result_>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Result_ {
        error_code: Option<String>,
        error_message: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(answer).map_err(|e| e.to_string())?;
    if answer.entries.len() != entries {
        return Err(format!("it has {} results for {entries} events", answer.entries.len()));
    }
    let outcome = |result: Result_| match result.error_code {
        None => Outcome::Accepted,
        Some(code) => Outcome::Failed { code, message: result.error_message.unwrap_or_default() },
    };
    Ok(answer.entries.into_iter().map(outcome).collect())
}
