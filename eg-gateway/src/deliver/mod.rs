//! Calling functions: which provider, how, and what an answer means. When and how often is `engine`'s part, what follows
//! from an answer `attempt`'s.

pub(crate) mod attempt;
#[cfg(feature = "aws")]
mod aws;
mod connect;
mod delivering;
mod disable;
pub(crate) mod engine;
mod http;
mod invoker;
mod local_lambda;
mod record;
mod resolve;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eg_sdk::TraceContext;
use eg_sdk::config::{Function, Provider};

#[cfg(feature = "aws")]
use self::aws::AwsCaller;
use self::http::HttpCaller;
use self::local_lambda::LocalLambda;
use crate::decide::delivery::Failure;
use crate::decide::rules::NEEDS_AWS;
use crate::decide::targets::Blocked;
use crate::options::Options;
pub(crate) use delivering::Delivering;
pub(crate) use invoker::Invoker;

/// Calls functions.
pub(crate) trait Caller: Send + Sync + 'static {
    /// Calls `function` with the JSON of an event, once, and returns what it answered. `trace` is the span of this call.
    fn call(
        &self,
        function: &Function,
        event: Bytes,
        trace: &TraceContext,
    ) -> impl Future<Output = Result<Bytes, CallError>> + Send;
}

/// Codes by which AWS refuses the caller, not the call.
const DENIED: [&str; 7] = [
    "AccessDeniedException",
    "UnrecognizedClientException",
    "ExpiredTokenException",
    "AccessDenied",
    "ExpiredToken",
    "InvalidClientTokenId",
    "InvalidSignatureException",
];

/// Codes by which Lambda says that it does not take the event itself, which will not change.
const PERMANENT_OF_LAMBDA: [&str; 3] =
    ["RequestTooLargeException", "InvalidRequestContentException", "UnsupportedMediaTypeException"];

/// Calls functions of every provider that this gateway delivers to.
pub(crate) struct Callers {
    http: HttpCaller,
    /// Takes all calls of `awslambda` functions, if there is one.
    local_lambda: Option<LocalLambda>,
    #[cfg(feature = "aws")]
    aws: AwsCaller,
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

    /// A service of AWS refused the call. `permanent` are the codes by which it says that it will never take this event.
    fn of_aws(code: &str, message: &str, permanent: &[&str]) -> Self {
        let text = format!("{code}: {message}");
        if DENIED.contains(&code) {
            Self::AccessDenied { code: code.to_owned(), message: message.to_owned() }
        } else if permanent.contains(&code) {
            Self::reject(text)
        } else {
            Self::retry(text)
        }
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
        Self {
            http: HttpCaller::new(&allowed, options.body_limit, options.strict_compat),
            local_lambda: options.local_lambda.as_deref().map(LocalLambda::new),
            #[cfg(feature = "aws")]
            aws: AwsCaller::new(options, &allowed),
            http_timeout: options.http_timeout,
            lambda_timeout: options.lambda_timeout,
        }
    }
}

impl Caller for Callers {
    async fn call(
        &self,
        function: &Function,
        event: Bytes,
        trace: &TraceContext,
    ) -> Result<Bytes, CallError> {
        let own = function.timeout.map(|seconds| Duration::from_secs(seconds.into()));
        let (http, lambda) = (own.unwrap_or(self.http_timeout), own.unwrap_or(self.lambda_timeout));
        match (&function.provider, &self.local_lambda) {
            (Provider::Http { url }, _) => within(http, self.http.call(url, event, trace)).await,
            (Provider::AwsLambda { arn, .. }, Some(local)) => {
                within(lambda, local.call(arn, event, trace)).await
            }
            // Calls of AWS's clients are large futures. On the heap, they cost only those who make them: whoever might
            // make one would have to make room for it in every task.
            #[cfg(feature = "aws")]
            (Provider::AwsLambda { arn, aws }, None) => {
                within(lambda, Box::pin(self.aws.lambda(arn, aws, event, trace))).await
            }
            #[cfg(feature = "aws")]
            (Provider::AwsKinesis { stream_name, aws }, _) => {
                within(http, Box::pin(self.aws.kinesis(stream_name, aws, event))).await
            }
            #[cfg(feature = "aws")]
            (Provider::AwsFirehose { delivery_stream_name, aws }, _) => {
                within(http, Box::pin(self.aws.firehose(delivery_stream_name, aws, event))).await
            }
            #[cfg(feature = "aws")]
            (Provider::AwsSqs { queue_url, aws }, _) => {
                within(http, Box::pin(self.aws.sqs(queue_url, aws, &event))).await
            }
            _ => {
                let id = &function.function_id;
                // Kept for a gateway that can call it: it is not the event's fault.
                Err(CallError::retry(format!("function \"{id}\" cannot be called: its provider {NEEDS_AWS}")))
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
