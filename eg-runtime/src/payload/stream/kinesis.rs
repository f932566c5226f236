//! Reads batches of Kinesis streams. Of a record that is an event itself, the function gets that event.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_grammar::StreamKind;
use eg_sdk::{CloudEvent, Data};
use serde::Deserialize;

use super::{Position, StreamRecord, named_in};
use crate::payload::PayloadError;
use crate::payload::message::{self, Carrier, parse_time_seconds};

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(rename = "eventID")]
    event_id: String,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    kinesis: Content,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    sequence_number: String,
    partition_key: Option<String>,
    approximate_arrival_timestamp: Option<f64>,
    data: String,
}

/// Returns all records, in order. A record without a sequence number fails the batch, because it could not be reported.
pub(in crate::payload) fn read(json: &str) -> Result<Vec<StreamRecord>, PayloadError> {
    let invalid = |reason: String| PayloadError::Family { family: "batch of Kinesis records", reason };
    let batch: Batch = serde_json::from_str(json).map_err(|e| invalid(e.to_string()))?;
    if batch.records.iter().any(|record| record.kinesis.sequence_number.is_empty()) {
        return Err(invalid("a record's `sequenceNumber` is empty".to_owned()));
    }
    Ok(batch.records.into_iter().map(record).collect())
}

fn record(raw: Raw) -> StreamRecord {
    let shard = raw.event_id.split(':').next().unwrap_or_default().to_owned();
    StreamRecord {
        id: Position::Sequence(raw.kinesis.sequence_number.clone()),
        kind: StreamKind::Kinesis,
        stream: named_in(&raw.event_source_arn),
        shard,
        event: event(raw),
    }
}

fn event(raw: Raw) -> Result<CloudEvent<Data>, PayloadError> {
    let Content { partition_key, approximate_arrival_timestamp, data, .. } = raw.kinesis;
    let bytes = STANDARD.decode(data).map_err(|e| PayloadError::Family {
        family: "Kinesis record",
        reason: format!("`data` is not base64: {e}"),
    })?;
    let time = approximate_arrival_timestamp.and_then(parse_time_seconds);
    let carrier = Carrier {
        ty: "com.amazonaws.kinesis.Record",
        id: raw.event_id,
        source: raw.event_source_arn,
        subject: partition_key.filter(|key| !key.is_empty()),
        time,
    };
    message::read_bytes(bytes, carrier)
}
