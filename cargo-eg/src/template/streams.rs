//! Generates what functions need to read streams: parameters for the streams, which belong to others, and event source
//! mappings that report failures and give a record up in the end.

use eg_grammar::StreamKind;
use eg_sdk::manifest::{Function, RetryOptions, Trigger};

use super::builder::Builder;
use super::names::{arn, pascal, reference};
use super::{Tree, map};
use crate::needs;

/// Returns the parameter with the ARN of a stream. The topics of Kafka share that of the cluster.
pub(super) fn parameter(kind: StreamKind, name: &str) -> String {
    match kind {
        StreamKind::DynamoDb => format!("{}TableStreamArn", pascal(name)),
        StreamKind::Kinesis => format!("{}StreamArn", pascal(name)),
        StreamKind::Kafka => "KafkaClusterArn".to_owned(),
    }
}

/// The stream of a trigger.
#[derive(Clone, Copy)]
pub(super) struct Stream<'a> {
    pub(super) kind: StreamKind,
    pub(super) name: &'a str,
    pub(super) batch_size: Option<u32>,
    pub(super) window: Option<u32>,
    pub(super) retry: Option<&'a RetryOptions>,
}

impl<'a> Stream<'a> {
    pub(super) fn of(trigger: &'a Trigger) -> Option<Self> {
        let Trigger::Stream { stream, source, batch_size, window, retry, .. } = trigger else { return None };
        Some(Self {
            kind: *source,
            name: stream,
            batch_size: *batch_size,
            window: *window,
            retry: retry.as_ref(),
        })
    }

    fn described(self) -> String {
        match self.kind {
            StreamKind::DynamoDb => {
                format!("The ARN of the stream of table {}, with new and old images", self.name)
            }
            StreamKind::Kinesis => format!("The ARN of the Kinesis stream {}", self.name),
            StreamKind::Kafka => "The ARN of the MSK cluster with the topics".to_owned(),
        }
    }

    /// Returns the event source mapping of a function with this logical id. What cannot be handled goes to the queue `failures`.
    pub(super) fn mapping(self, id: &str, function: &str, failures: &str, notes: &mut Vec<String>) -> Tree {
        let (attempts, age) = needs::tries_of_stream(self.retry);
        if let (Some(wanted), Some(allowed)) = (self.retry.and_then(|retry| retry.max_age), age)
            && wanted != allowed
        {
            notes.push(format!(
                "{function}: Lambda keeps a record of a stream for {allowed} seconds, not for {wanted}"
            ));
        }
        let topics = (self.kind == StreamKind::Kafka).then(|| vec![self.name]);
        let properties = map! {
            "FunctionName" => reference(id),
            "EventSourceArn" => reference(&parameter(self.kind, self.name)),
            "StartingPosition" => "TRIM_HORIZON",
            "FunctionResponseTypes" => vec!["ReportBatchItemFailures"],
            "BisectBatchOnFunctionError" => true,
            "MaximumRetryAttempts" => attempts - 1,
            "DestinationConfig" => map! { "OnFailure" => map! { "Destination" => arn(failures) } },
        }
        .with("MaximumRecordAgeInSeconds", age)
        .with("Topics", topics)
        .with("BatchSize", self.batch_size)
        .with("MaximumBatchingWindowInSeconds", self.window);
        // Lambda reports failures of Kafka's records only with pollers of its own.
        let provisioned = (self.kind == StreamKind::Kafka)
            .then(|| map! { "MinimumPollers" => 1_u32, "MaximumPollers" => 1_u32 });
        properties.with("ProvisionedPollerConfig", provisioned)
    }
}

/// Returns the parameters for the streams of all functions.
pub(super) fn parameters<'a>(
    functions: impl Iterator<Item = &'a Function>,
    builder: &mut Builder,
) -> Vec<(String, Tree)> {
    let mut known: Vec<(String, Stream<'_>)> = Vec::new();
    for stream in functions.flat_map(|function| &function.triggers).filter_map(Stream::of) {
        let is_same = |(_, other): &(String, Stream<'_>)| {
            other.kind == stream.kind && (other.name == stream.name || stream.kind == StreamKind::Kafka)
        };
        if !known.iter().any(is_same) {
            known.push((parameter(stream.kind, stream.name), stream));
        }
    }
    known.sort_by(|(one, _), (other, _)| one.cmp(other));
    let parameter = |(name, stream): (String, Stream<'_>)| {
        builder.take(&name, &format!("{} {}", stream.kind, stream.name));
        (name, map! { "Type" => "String", "Description" => stream.described() })
    };
    known.into_iter().map(parameter).collect()
}
