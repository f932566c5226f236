//! Reads batches of streams: DynamoDB Streams, Kinesis and Kafka. Each record becomes an event, with the facts for keeping
//! its order and for reporting it. Sources: AWS's descriptions of these streams as Lambda triggers.

mod attributes;
mod dynamodb;
mod kafka;
mod kinesis;

use std::fmt;

pub(super) use self::dynamodb::read as read_dynamodb;
pub(super) use self::kafka::read as read_kafka;
pub(super) use self::kinesis::read as read_kinesis;
use eg_grammar::StreamKind;
use eg_sdk::{CloudEvent, Data};
use serde::Serialize;

use super::PayloadError;

/// A record of a stream.
#[derive(Debug)]
pub(crate) struct StreamRecord {
    pub(crate) id: Position,
    pub(crate) kind: StreamKind,
    /// The name of the table, stream or topic.
    pub(crate) stream: String,
    /// The shard or partition. Its records are in order.
    pub(crate) shard: String,
    /// The event in the record. An error affects only this record and those behind it.
    pub(crate) event: Result<CloudEvent<Data>, PayloadError>,
}

/// How a report of failures names a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Position {
    /// The sequence number in a shard.
    Sequence(String),
    /// The offset in a partition, which is named as in the batch.
    Offset { partition: String, offset: i64 },
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sequence(number) => f.write_str(number),
            Self::Offset { partition, offset } => write!(f, "{partition}-{offset}"),
        }
    }
}

/// Returns the part of an ARN that names the stream: what follows the first `/`, up to the next.
fn named_in(arn: &str) -> String {
    arn.split('/').nth(1).unwrap_or_default().to_owned()
}
