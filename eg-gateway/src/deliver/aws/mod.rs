//! Calls functions in AWS through AWS's own clients: Lambda, Kinesis, Firehose and SQS. `deliver` decides which
//! functions are called and how long a call may take.

mod clients;
mod lambda;
mod streams;

use std::sync::Arc;

use bytes::Bytes;
use eg_sdk::TraceContext;
use eg_sdk::config::Aws;

use self::clients::Shared;
use self::lambda::LambdaCaller;
use self::streams::StreamCaller;
use super::CallError;
use super::streams::Answered;
use crate::budget::Reservation;
use crate::decide::targets::PrivateTargets;
use crate::options::Options;
use crate::recent::Notes;

/// Calls functions in AWS services.
pub(super) struct AwsCaller {
    lambda: LambdaCaller,
    streams: StreamCaller,
}

impl AwsCaller {
    pub(super) fn new(options: &Options, allowed: &Arc<PrivateTargets>) -> Self {
        let shared = Arc::new(Shared::new(allowed));
        let lambda_endpoint = options.lambda_endpoint.clone().or_else(|| options.aws_endpoint.clone());
        Self {
            lambda: LambdaCaller::new(&shared, lambda_endpoint, options.reply_limit),
            streams: StreamCaller::new(&shared, options.aws_endpoint.as_deref()),
        }
    }

    /// Invokes the Lambda function `arn` and returns its answer. `trace` is the span of this call.
    pub(super) async fn lambda(
        &self,
        arn: &str,
        aws: &Aws,
        event: Bytes,
        trace: &TraceContext,
        notes: &Notes,
    ) -> Result<Bytes, CallError> {
        self.lambda.call(arn, aws, event, trace, notes).await
    }

    /// Invokes the Lambda function `arn`, and returns its answer, or the beginning of a streamed one. `into` is where its
    /// memory is reserved and what else is known of it goes.
    pub(super) async fn converse(
        &self,
        arn: &str,
        aws: &Aws,
        event: Bytes,
        trace: &TraceContext,
        into: (&Reservation, &Notes),
    ) -> Result<Answered, CallError> {
        self.lambda.converse(arn, aws, event, trace, into).await
    }

    /// Puts the event into a Kinesis stream and returns the record's sequence number.
    pub(super) async fn kinesis(&self, stream: &str, aws: &Aws, event: Bytes) -> Result<Bytes, CallError> {
        self.streams.kinesis(stream, aws, event).await
    }

    /// Puts the event into a Firehose delivery stream and returns the record's id.
    pub(super) async fn firehose(&self, stream: &str, aws: &Aws, event: Bytes) -> Result<Bytes, CallError> {
        self.streams.firehose(stream, aws, event).await
    }

    /// Sends the event to a queue and returns the message's id.
    pub(super) async fn sqs(&self, queue_url: &str, aws: &Aws, event: &[u8]) -> Result<Bytes, CallError> {
        self.streams.sqs(queue_url, aws, event).await
    }
}
