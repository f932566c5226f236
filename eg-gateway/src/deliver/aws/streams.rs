//! Sends events to the providers that only take them in: Kinesis, Firehose and SQS. The answer is the id of the new
//! record.

use std::sync::Arc;

use aws_sdk_firehose::types::Record;
use aws_sdk_kinesis::primitives::Blob;
use bytes::Bytes;
use eg_sdk::config::Aws;
use url::Url;

use super::clients::{Clients, Shared, refused};
use crate::clock;
use crate::deliver::CallError;

/// Error codes for records that are too large or not allowed. A retry cannot succeed.
const PERMANENT: [&str; 5] = [
    "InvalidArgumentException",
    "ValidationException",
    "InvalidMessageContents",
    "InvalidParameterValue",
    "AWS.SimpleQueueService.InvalidMessageContents",
];

/// Writes to streams and queues.
pub(super) struct StreamCaller {
    kinesis: Clients<aws_sdk_kinesis::Client>,
    firehose: Clients<aws_sdk_firehose::Client>,
    sqs: Clients<aws_sdk_sqs::Client>,
}

impl StreamCaller {
    pub(super) fn new(shared: &Arc<Shared>, endpoint: Option<&str>) -> Self {
        let endpoint = || endpoint.map(str::to_owned);
        Self {
            kinesis: Clients::new(shared, endpoint()),
            firehose: Clients::new(shared, endpoint()),
            sqs: Clients::new(shared, endpoint()),
        }
    }

    pub(super) async fn kinesis(&self, stream: &str, aws: &Aws, event: Bytes) -> Result<Bytes, CallError> {
        let client = self.kinesis.get(aws, aws_sdk_kinesis::Client::new).await;
        // A random key spreads events over the shards, as in the original.
        let key = clock::event_id().to_string();
        let put = client.put_record().stream_name(stream).partition_key(key).data(Blob::new(event));
        let output = put.send().await.map_err(|e| refused(&e, &PERMANENT))?;
        Ok(output.sequence_number.into())
    }

    pub(super) async fn firehose(&self, stream: &str, aws: &Aws, event: Bytes) -> Result<Bytes, CallError> {
        let client = self.firehose.get(aws, aws_sdk_firehose::Client::new).await;
        let record = Record::builder().data(Blob::new(event)).build();
        let record = record.map_err(|e| CallError::retry(e.to_string()))?;
        let put = client.put_record().delivery_stream_name(stream).record(record);
        let output = put.send().await.map_err(|e| refused(&e, &PERMANENT))?;
        Ok(output.record_id.into())
    }

    pub(super) async fn sqs(&self, queue: &str, aws: &Aws, event: &[u8]) -> Result<Bytes, CallError> {
        let client = match elsewhere(queue, &aws.region) {
            Some(url) => self.sqs.get_at(aws, url, aws_sdk_sqs::Client::new).await?,
            None => self.sqs.get(aws, aws_sdk_sqs::Client::new).await,
        };
        let send = client.send_message().queue_url(queue).message_body(String::from_utf8_lossy(event));
        let output = send.send().await.map_err(|e| refused(&e, &PERMANENT))?;
        Ok(output.message_id.unwrap_or_default().into())
    }
}

/// Returns the URL of a queue that is not at the region's SQS endpoint; it may be outside of AWS.
fn elsewhere(queue: &str, region: &str) -> Option<Url> {
    let url = Url::parse(queue).ok()?;
    let regional =
        ["amazonaws.com", "amazonaws.com.cn"].map(|domain| format!("https://sqs.{region}.{domain}"));
    let origin = url.origin();
    (origin.is_tuple() && !regional.contains(&origin.ascii_serialization())).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues() {
        for (queue, expected) in [
            ("https://sqs.eu-west-1.amazonaws.com/123/q", false),
            ("https://sqs.us-east-1.amazonaws.com/123/q", true),
            ("https://sqs.eu-west-1.amazonaws.com.example.com/123/q", true),
            ("https://ec2-1-2-3-4.eu-west-1.compute.amazonaws.com/q", true),
            ("http://127.0.0.1:9324/123/q", true),
            ("q", false),
        ] {
            assert_eq!(elsewhere(queue, "eu-west-1").is_some(), expected, "{queue}");
        }
    }
}
