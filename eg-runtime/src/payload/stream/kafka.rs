//! Reads batches of Kafka topics, of Amazon MSK and of clusters elsewhere. Of a record that is an event itself, the function
//! gets that event.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_grammar::StreamKind;
use eg_sdk::{CloudEvent, Data};
use serde::Deserialize;

use super::{Position, StreamRecord};
use crate::payload::PayloadError;
use crate::payload::message::{self, Carrier, parse_time_millis};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    event_source_arn: Option<String>,
    bootstrap_servers: Option<String>,
    /// By partition: `<topic>-<number>`.
    records: BTreeMap<String, Vec<Raw>>,
}

#[derive(Deserialize)]
struct Raw {
    topic: String,
    offset: i64,
    timestamp: Option<i64>,
    key: Option<String>,
    value: Option<String>,
}

/// Returns all records: those of a partition in order, and the partitions one after the other.
pub(in crate::payload) fn read(json: &str) -> Result<Vec<StreamRecord>, PayloadError> {
    let invalid = |e: serde_json::Error| PayloadError::Family {
        family: "batch of Kafka records",
        reason: e.to_string(),
    };
    let batch: Batch = serde_json::from_str(json).map_err(invalid)?;
    let cluster =
        batch.event_source_arn.or(batch.bootstrap_servers.map(|servers| format!("kafka://{servers}")));
    let cluster = cluster.unwrap_or_else(|| "kafka:".to_owned());
    let records = batch
        .records
        .into_iter()
        .flat_map(|(partition, records)| records.into_iter().map(move |raw| (partition.clone(), raw)));
    Ok(records.map(|(partition, raw)| record(&cluster, partition, raw)).collect())
}

fn record(cluster: &str, partition: String, raw: Raw) -> StreamRecord {
    StreamRecord {
        id: Position::Offset { partition: partition.clone(), offset: raw.offset },
        kind: StreamKind::Kafka,
        stream: raw.topic.clone(),
        event: event(cluster, &partition, raw),
        shard: partition,
    }
}

fn event(cluster: &str, partition: &str, raw: Raw) -> Result<CloudEvent<Data>, PayloadError> {
    let decoded = |name: &str, text: Option<String>| {
        STANDARD.decode(text.unwrap_or_default()).map_err(|e| PayloadError::Family {
            family: "Kafka record",
            reason: format!("`{name}` is not base64: {e}"),
        })
    };
    let key = String::from_utf8(decoded("key", raw.key)?).ok();
    // A record without a value says that its key is deleted.
    let value = match raw.value {
        None => b"null".to_vec(),
        value => decoded("value", value)?,
    };
    let carrier = Carrier {
        ty: "com.amazonaws.kafka.Record",
        id: format!("{partition}-{}", raw.offset),
        source: cluster.split(',').next().unwrap_or_default().to_owned(),
        subject: key.filter(|key| !key.is_empty()),
        time: raw.timestamp.and_then(parse_time_millis),
    };
    message::read_bytes(value, carrier)
}
