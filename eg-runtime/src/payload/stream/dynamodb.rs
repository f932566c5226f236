//! Reads batches of DynamoDB Streams. The payload of each event is a change: `{"kind", "keys", "old", "new"}` in plain JSON.

use eg_grammar::StreamKind;
use eg_sdk::{CloudEvent, Data, SpecVersion};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::attributes::Attributes;
use super::{Position, StreamRecord, named_in};
use crate::payload::PayloadError;
use crate::payload::message::parse_time_seconds;

const FAMILY: &str = "batch of DynamoDB Streams";

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<Raw<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw<'a> {
    #[serde(rename = "eventID")]
    event_id: String,
    event_name: String,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    #[serde(borrow)]
    dynamodb: Sequenced<'a>,
}

/// The part that a report needs. The rest is read later, so that a mistake in it affects one record only.
#[derive(Deserialize)]
struct Sequenced<'a> {
    #[serde(rename = "SequenceNumber")]
    sequence_number: String,
    #[serde(rename = "ApproximateCreationDateTime")]
    created: Option<f64>,
    #[serde(borrow, rename = "Keys")]
    keys: Option<&'a RawValue>,
    #[serde(borrow, rename = "OldImage")]
    old: Option<&'a RawValue>,
    #[serde(borrow, rename = "NewImage")]
    new: Option<&'a RawValue>,
}

/// The payload of the event.
#[derive(Serialize)]
struct Change {
    kind: &'static str,
    keys: Attributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<Attributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<Attributes>,
}

/// Returns all records, in order. A batch comes from one shard. A record without a sequence number fails the batch, because
/// it could not be reported.
pub(in crate::payload) fn read(json: &str) -> Result<Vec<StreamRecord>, PayloadError> {
    let invalid = |reason: String| PayloadError::Family { family: FAMILY, reason };
    let batch: Batch<'_> = serde_json::from_str(json).map_err(|e| invalid(e.to_string()))?;
    if batch.records.iter().any(|record| record.dynamodb.sequence_number.is_empty()) {
        return Err(invalid("a record's `SequenceNumber` is empty".to_owned()));
    }
    Ok(batch.records.into_iter().map(record).collect())
}

fn record(raw: Raw<'_>) -> StreamRecord {
    StreamRecord {
        id: Position::Sequence(raw.dynamodb.sequence_number.clone()),
        kind: StreamKind::DynamoDb,
        stream: named_in(&raw.event_source_arn),
        shard: String::new(),
        event: event(raw),
    }
}

fn event(raw: Raw<'_>) -> Result<CloudEvent<Data>, PayloadError> {
    let invalid = |reason: String| PayloadError::Family { family: "record of DynamoDB Streams", reason };
    let read = |image: &RawValue| serde_json::from_str(image.get()).map_err(|e| invalid(e.to_string()));
    let kind = match raw.event_name.as_str() {
        "INSERT" => "insert",
        "MODIFY" => "modify",
        "REMOVE" => "remove",
        other => return Err(invalid(format!("`eventName` is `{other}`"))),
    };
    let keys: Attributes = raw.dynamodb.keys.map(read).transpose()?.unwrap_or_default();
    let key = serde_json::to_string(&keys).map_err(|e| invalid(e.to_string()))?;
    let change = Change {
        kind,
        keys,
        old: raw.dynamodb.old.map(read).transpose()?,
        new: raw.dynamodb.new.map(read).transpose()?,
    };
    let change = serde_json::value::to_raw_value(&change).map_err(|e| invalid(e.to_string()))?;
    let time = raw.dynamodb.created.and_then(parse_time_seconds);
    let event =
        CloudEvent::of_type("com.amazonaws.dynamodb.Change", raw.event_source_arn, Data::Json(change));
    Ok(event
        .with_specversion(SpecVersion::V1_0)
        .with_id(raw.event_id)
        .with_subject(key)
        .with_time(time)
        .with_datacontenttype::<&str>(Some("application/json")))
}
