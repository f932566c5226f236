//! Calling functions: which provider, how, and what an answer means. When and how often is `engine`'s part, what follows
//! from an answer `attempt`'s.

pub(crate) mod attempt;
mod aws;
mod connect;
pub(crate) mod engine;
mod http;
mod invoker;
mod lambda;
mod resolve;
mod streams;
mod wakeups;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eg_sdk::TraceContext;
use eg_sdk::config::{Function, Provider};

use self::aws::Shared;
use self::http::HttpCaller;
use self::lambda::LambdaCaller;
use self::streams::StreamCaller;
use crate::decide::delivery::Failure;
use crate::decide::targets::Blocked;
use crate::options::Options;
#[cfg(feature = "otlp")]
pub(crate) use connect::{HyperClient, plain_client};
pub(crate) use invoker::Invoker;
pub(crate) use wakeups::Wakeups;

/// Calls functions of every provider that this gateway delivers to.
pub(crate) struct Callers {
    http: HttpCaller,
    lambda: LambdaCaller,
    streams: StreamCaller,
    http_timeout: Duration,
    lambda_timeout: Duration,
}

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// AWS did not let the gateway call the function.
    #[error("{code}: {message}")]
    AccessDenied { code: String, message: String },
    /// The call or the function failed.
    #[error("{}", .0.text())]
    Failed(Failure),
}

impl CallError {
    /// It may work later.
    fn retry(text: impl Into<String>) -> Self {
        Self::Failed(Failure::Retry(text.into()))
    }

    /// It never will.
    fn reject(text: impl Into<String>) -> Self {
        Self::Failed(Failure::Reject(text.into()))
    }
}

impl From<Blocked> for CallError {
    fn from(blocked: Blocked) -> Self {
        Self::reject(blocked.to_string())
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            // Someone may grant the permission or renew the keys.
            CallError::AccessDenied { .. } => Self::Retry(error.to_string()),
            CallError::Failed(failure) => failure,
        }
    }
}

impl Callers {
    pub(crate) fn new(options: &Options) -> Self {
        let allowed = Arc::new(options.private_targets.clone());
        let shared = Arc::new(Shared::new(&allowed));
        let lambda_endpoint = options.lambda_endpoint.clone().or_else(|| options.aws_endpoint.clone());
        Self {
            http: HttpCaller::new(&allowed, options.body_limit, options.strict_compat),
            lambda: LambdaCaller::new(&shared, lambda_endpoint),
            streams: StreamCaller::new(&shared, options.aws_endpoint.as_deref()),
            http_timeout: options.http_timeout,
            lambda_timeout: options.lambda_timeout,
        }
    }

    /// Calls `function` with the JSON of an event, once, and returns what it answered. `trace` is the span of this call.
    pub(crate) async fn call(
        &self,
        function: &Function,
        event: Bytes,
        trace: &TraceContext,
    ) -> Result<Bytes, CallError> {
        let own = function.timeout.map(|seconds| Duration::from_secs(seconds.into()));
        let (http, lambda) = (own.unwrap_or(self.http_timeout), own.unwrap_or(self.lambda_timeout));
        // Calls of AWS's clients are large futures. On the heap, they cost only those who make them: whoever might make
        // one would have to make room for it in every task.
        match &function.provider {
            Provider::Http { url } => within(http, self.http.call(url, event, trace)).await,
            Provider::AwsLambda { arn, aws } => {
                within(lambda, Box::pin(self.lambda.call(arn, aws, event, trace))).await
            }
            Provider::AwsKinesis { stream_name, aws } => {
                within(http, Box::pin(self.streams.kinesis(stream_name, aws, event))).await
            }
            Provider::AwsFirehose { delivery_stream_name, aws } => {
                within(http, Box::pin(self.streams.firehose(delivery_stream_name, aws, event))).await
            }
            Provider::AwsSqs { queue_url, aws } => {
                within(http, Box::pin(self.streams.sqs(queue_url, aws, &event))).await
            }
            _ => {
                let id = &function.function_id;
                Err(CallError::retry(format!(
                    "function \"{id}\" has a type this gateway does not deliver to"
                )))
            }
        }
    }
}

async fn within(
    limit: Duration,
    call: impl Future<Output = Result<Bytes, CallError>>,
) -> Result<Bytes, CallError> {
    tokio::time::timeout(limit, call)
        .await
        .unwrap_or_else(|_| Err(CallError::retry(format!("no answer within {} s", limit.as_secs_f32()))))
}

/// An error with what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
