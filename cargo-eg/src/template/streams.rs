//! Generates what functions need to read streams: parameters for the streams, which belong to others, and event source
//! mappings that report failures and give a record up in the end.

use std::collections::BTreeMap;

use eg_grammar::StreamKind;
use eg_sdk::manifest::{Function, RetryOptions, Trigger};

use super::builder::Builder;
use super::names::{arn, pascal, reference};
use super::{Tree, map};

/// How often a batch is attempted if the function does not say. Lambda's own default, until its records expire, would block a
/// shard for a day.
const ATTEMPTS: u32 = 5;
/// What Lambda allows for the age of a record, in seconds.
const AGES: (u32, u32) = (60, 604_800);

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
        let (attempts, age) = self.tries(function, notes);
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

    /// Returns the number of attempts and the age of a record, as far as Lambda allows them.
    fn tries(self, function: &str, notes: &mut Vec<String>) -> (u32, Option<u32>) {
        let attempts = self.retry.and_then(|retry| retry.attempts).unwrap_or(ATTEMPTS);
        let age = self.retry.and_then(|retry| retry.max_age).map(|age| {
            let allowed = age.clamp(AGES.0, AGES.1);
            if allowed != age {
                notes.push(format!(
                    "{function}: Lambda keeps a record of a stream for {allowed} seconds, not for {age}"
                ));
            }
            allowed
        });
        (attempts, age)
    }
}

/// Returns the parameters for the streams of all functions.
pub(super) fn parameters<'a>(
    functions: impl Iterator<Item = &'a Function>,
    builder: &mut Builder,
) -> Vec<(String, Tree)> {
    let mut known: BTreeMap<String, Stream<'_>> = BTreeMap::new();
    for stream in functions.flat_map(|function| &function.triggers).filter_map(Stream::of) {
        known.entry(parameter(stream.kind, stream.name)).or_insert(stream);
    }
    let parameter = |(name, stream): (String, Stream<'_>)| {
        let what = format!("{} {}", stream.kind, stream.name);
        builder.take(&name, &what);
        (name, map! { "Type" => "String", "Description" => stream.described() })
    };
    known.into_iter().map(parameter).collect()
}
