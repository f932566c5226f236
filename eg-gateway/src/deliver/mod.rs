//! Calls functions through their providers and interprets the answers. `engine` decides when deliveries are
//! attempted, and `attempt` decides what follows from an answer.

pub(crate) mod attempt;
#[cfg(feature = "aws")]
mod aws;
mod delivering;
mod disable;
pub(crate) mod engine;
mod event_stream;
mod http;
mod invoker;
mod local_lambda;
mod record;
pub(crate) mod streams;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eg_sdk::TraceContext;
use eg_sdk::config::{Function, Provider};
use futures_util::FutureExt as _;
use http_body_util::LengthLimitError;

#[cfg(feature = "aws")]
use self::aws::AwsCaller;
use self::http::HttpCaller;
use self::local_lambda::LocalLambda;
use self::streams::Answered;
use crate::budget::Reservation;
use crate::decide::delivery::Failure;
use crate::decide::rules::NEEDS_AWS;
use crate::decide::targets::Blocked;
use crate::options::Options;
use crate::outbound::SendError;
use crate::outbound::reading::{Reading, is_exhausted};
use crate::recent::Notes;
use crate::tls::ClientTls;
pub(crate) use delivering::Delivering;
pub(crate) use invoker::Invoker;

/// Calls functions.
pub(crate) trait Caller: Send + Sync + 'static {
    /// Calls `function` once with the JSON of an event, and returns its answer, or as much of it as `reading` says.
    /// `trace` is the span of this call; `notes` get what else is known of it.
    fn call(
        &self,
        function: &Function,
        event: Bytes,
        trace: &TraceContext,
        reading: Reading<'_>,
        notes: &Notes,
    ) -> impl Future<Output = Result<Bytes, CallError>> + Send;
}

/// Error codes with which AWS refuses the caller, not the call.
const DENIED: [&str; 7] = [
    "AccessDeniedException",
    "UnrecognizedClientException",
    "ExpiredTokenException",
    "AccessDenied",
    "ExpiredToken",
    "InvalidClientTokenId",
    "InvalidSignatureException",
];

/// Error codes with which Lambda refuses the event itself. A retry cannot succeed.
const PERMANENT_OF_LAMBDA: [&str; 3] =
    ["RequestTooLargeException", "InvalidRequestContentException", "UnsupportedMediaTypeException"];

/// Error codes with which Lambda says that it did not run the function, or had a problem of its own. AWS's clients
/// repeat calls with these codes.
const PASSING_OF_LAMBDA: [&str; 6] = [
    "TooManyRequestsException",
    "ThrottlingException",
    "ServiceException",
    "ServiceUnavailableException",
    "EC2ThrottledException",
    "EC2UnexpectedException",
];

/// Calls functions of every provider that this gateway delivers to.
pub(crate) struct Callers {
    http: HttpCaller,
    /// Receives all calls of `awslambda` functions, if it is set.
    local_lambda: Option<LocalLambda>,
    #[cfg(feature = "aws")]
    aws: AwsCaller,
    http_timeout: Duration,
    lambda_timeout: Duration,
}

/// The reason why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// AWS denied the gateway access to the function.
    #[error("{code}: {message}")]
    AccessDenied { code: String, message: String },
    /// The provider could not run the function at the moment.
    #[error("{0}")]
    Passing(String),
    /// The gateway could not make the call, because it lacked file descriptors, ports or memory itself.
    #[error("{0}")]
    Unmade(String),
    /// The call or the function failed.
    #[error("{}", .0.text())]
    Failed(Failure),
}

impl CallError {
    /// Returns an error after which a retry may succeed.
    fn retry(text: impl Into<String>) -> Self {
        Self::Failed(Failure::Retry(text.into()))
    }

    /// Returns an error after which a retry cannot succeed.
    fn reject(text: impl Into<String>) -> Self {
        Self::Failed(Failure::Reject(text.into()))
    }

    /// Returns the error for a call that a service of AWS refused. `permanent` are the codes with which the service
    /// refuses an event for good.
    fn of_aws(code: &str, message: &str, permanent: &[&str]) -> Self {
        let text = format!("{code}: {message}");
        if DENIED.contains(&code) {
            Self::AccessDenied { code: code.to_owned(), message: message.to_owned() }
        } else if permanent.contains(&code) {
            Self::reject(text)
        } else if PASSING_OF_LAMBDA.contains(&code) {
            Self::Passing(text)
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
            // The permission may be granted or the keys renewed later.
            CallError::AccessDenied { .. } | CallError::Passing(_) => Self::Retry(error.to_string()),
            CallError::Unmade(text) => Self::Unmade(text),
            CallError::Failed(failure) => failure,
        }
    }
}

impl Callers {
    pub(crate) fn new(options: &Options, tls: &ClientTls) -> Self {
        let allowed = Arc::new(options.private_targets.clone());
        Self {
            http: HttpCaller::new(options, tls, &allowed),
            local_lambda: options
                .local_lambda
                .as_deref()
                .map(|url| LocalLambda::new(url, tls, options.reply_limit)),
            #[cfg(feature = "aws")]
            aws: AwsCaller::new(options, &allowed),
            http_timeout: options.http_timeout,
            lambda_timeout: options.lambda_timeout,
        }
    }

    /// Calls `function` once for an emitter that waits, as [`call`](Caller::call) does. If the function streams its
    /// answers, returns when the answer has begun; then the time limit applies to each pause in it.
    async fn converse(
        &self,
        function: &Function,
        event: Bytes,
        trace: &TraceContext,
        room: &Reservation,
        notes: &Notes,
    ) -> Result<Answered, CallError> {
        let limit = self.timeout(function);
        let answered = match (&function.provider, &self.local_lambda) {
            (Provider::Http { url }, _) if function.stream => {
                within(limit, self.http.converse(url, event, trace, room, notes)).await?
            }
            (Provider::AwsLambda { arn, .. }, Some(local)) if function.stream => {
                within(limit, local.converse(arn, event, trace, room, notes)).await?
            }
            #[cfg(feature = "aws")]
            (Provider::AwsLambda { arn, aws }, None) if function.stream => {
                within(limit, Box::pin(self.aws.converse(arn, aws, event, trace, (room, notes)))).await?
            }
            _ => Answered::Whole(self.call(function, event, trace, Reading::All(room), notes).await?),
        };
        Ok(answered.paced(limit))
    }

    /// Returns how long one call of `function` may take.
    fn timeout(&self, function: &Function) -> Duration {
        let default = match function.provider {
            Provider::AwsLambda { .. } => self.lambda_timeout,
            _ => self.http_timeout,
        };
        function.timeout.map_or(default, |seconds| Duration::from_secs(seconds.into()))
    }
}

impl Caller for Callers {
    async fn call(
        &self,
        function: &Function,
        event: Bytes,
        trace: &TraceContext,
        reading: Reading<'_>,
        notes: &Notes,
    ) -> Result<Bytes, CallError> {
        let limit = self.timeout(function);
        match (&function.provider, &self.local_lambda) {
            (Provider::Http { url }, _) => {
                within(limit, self.http.call(url, event, trace, reading, notes)).await
            }
            (Provider::Webhook { url, secrets }, _) => {
                let to = (url.as_str(), secrets.as_slice());
                within(limit, Box::pin(self.http.call_webhook(to, event, trace, reading, notes))).await
            }
            (Provider::AwsLambda { arn, .. }, Some(local)) => {
                within(limit, local.call(arn, event, trace, reading, notes)).await
            }
            // The futures of calls through AWS's clients are large. On the heap, they cost memory only when such a
            // call is made; otherwise every task that might make one would reserve room for it.
            #[cfg(feature = "aws")]
            (Provider::AwsLambda { arn, aws }, None) => {
                within(limit, Box::pin(self.aws.lambda(arn, aws, event, trace, notes))).await
            }
            #[cfg(feature = "aws")]
            (Provider::AwsKinesis { stream_name, aws }, _) => {
                within(limit, Box::pin(self.aws.kinesis(stream_name, aws, event))).await
            }
            #[cfg(feature = "aws")]
            (Provider::AwsFirehose { delivery_stream_name, aws }, _) => {
                within(limit, Box::pin(self.aws.firehose(delivery_stream_name, aws, event))).await
            }
            #[cfg(feature = "aws")]
            (Provider::AwsSqs { queue_url, aws }, _) => {
                within(limit, Box::pin(self.aws.sqs(queue_url, aws, &event))).await
            }
            _ => {
                let id = &function.function_id;
                // The event is kept for a gateway that can call the function, because the event is not at fault.
                Err(CallError::retry(format!("function \"{id}\" cannot be called: its provider {NEEDS_AWS}")))
            }
        }
    }
}

fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, CallError>>,
) -> impl Future<Output = Result<T, CallError>> {
    // An async function would reserve room for the call twice: as its argument, and while it waits.
    let late = move |_| Err(CallError::retry(format!("no answer within {} s", limit.as_secs_f32())));
    tokio::time::timeout(limit, call).map(move |result| result.unwrap_or_else(late))
}

/// Returns the error of a call without an answer of at most `reply_limit` bytes.
fn failed(error: &SendError, reply_limit: usize) -> CallError {
    if error.is::<LengthLimitError>() {
        return too_large(reply_limit);
    }
    if is_exhausted(&**error) {
        return CallError::Unmade(chain(&**error));
    }
    CallError::retry(chain(&**error))
}

fn too_large(reply_limit: usize) -> CallError {
    CallError::retry(format!(
        "the reply is larger than {reply_limit} bytes: answer with less, or raise --max-reply-size"
    ))
}

/// Returns an error and its causes on one line.
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
