//! Reads records of SQS queues with the facts for handling a batch: id, queue and message group. Source: AWS's
//! description of SQS as a Lambda trigger.

use std::collections::BTreeMap;

use eg_grammar::is_fifo;
use eg_sdk::{CloudEvent, Data};
use serde::Deserialize;

use super::PayloadError;
use super::message::{self, Carrier, parse_time_millis};

/// A message of a batch.
#[derive(Debug)]
pub(crate) struct Record {
    /// The message id; never empty.
    pub(crate) id: String,
    /// The name of the queue.
    pub(crate) queue: String,
    /// The message group, on FIFO queues only, because groups of other queues imply no order.
    pub(crate) group: Option<String>,
    /// The event in the message. An error affects only this record.
    pub(crate) event: Result<CloudEvent<Data>, PayloadError>,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    message_id: String,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    body: Option<String>,
    attributes: Option<BTreeMap<String, Option<String>>>,
}

/// Returns all records, in order. A record without an id fails the batch, because it could not be reported.
pub(super) fn read(json: &str) -> Result<Vec<Record>, PayloadError> {
    let invalid = |reason: String| PayloadError::Family { family: "batch of SQS records", reason };
    let batch: Batch = serde_json::from_str(json).map_err(|e| invalid(e.to_string()))?;
    if batch.records.iter().any(|record| record.message_id.is_empty()) {
        return Err(invalid("a record's `messageId` is empty".to_owned()));
    }
    Ok(batch.records.into_iter().map(Record::from).collect())
}

impl From<Raw> for Record {
    fn from(raw: Raw) -> Self {
        let attribute = |name: &str| raw.attributes.as_ref()?.get(name)?.clone();
        let queue = raw.event_source_arn.rsplit(':').next().unwrap_or_default().to_owned();
        let group = attribute("MessageGroupId").filter(|_| is_fifo(&queue));
        let sent = attribute("SentTimestamp").and_then(|millis| millis.parse().ok());
        let carrier = Carrier {
            ty: "com.amazonaws.sqs.Message",
            id: raw.message_id.clone(),
            source: raw.event_source_arn,
            subject: None,
            time: sent.and_then(parse_time_millis),
        };
        let event = message::read(raw.body.unwrap_or_default(), carrier);
        Self { id: raw.message_id, queue, group, event }
    }
}
