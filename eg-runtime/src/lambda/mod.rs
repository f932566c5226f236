//! Serves Lambda: takes payloads from the Runtime API, has `dispatch` call the function, and answers in the
//! shape that the caller understands. Owns no protocol of its own; that is `lambda_runtime`'s.

mod drain;
mod init;

use std::env;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::value::RawValue;

use self::drain::Drain;
pub(crate) use self::init::report as report_init_error;
use crate::Error;
use crate::deadline::Deadline;
use crate::dispatch::{Invocation, Service};
use crate::outcome::{Failure, FailureKind};
use crate::payload::{self, BadRequest, Payload, PayloadError};
use crate::reply::{self, Shape};

/// The Runtime API's address, when this process runs on Lambda.
pub(crate) const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// Variables that Lambda always sets and `lambda_runtime` relies on.
const REQUIRED: [&str; 3] =
    ["AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"];

/// Why the process cannot serve Lambda.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvironmentError {
    #[error("the environment variable {0} is not set; Lambda sets it, and so must what stands in for Lambda")]
    Missing(&'static str),
    #[error("AWS_LAMBDA_FUNCTION_MEMORY_SIZE is `{0}`, not a number of megabytes")]
    Memory(String),
}

/// What `lambda_runtime` would panic about.
pub(crate) fn check_environment() -> Result<(), EnvironmentError> {
    for name in REQUIRED {
        let value = env::var(name).map_err(|_| EnvironmentError::Missing(name))?;
        if name == REQUIRED[1] && value.parse::<i32>().is_err() {
            return Err(EnvironmentError::Memory(value));
        }
    }
    Ok(())
}

/// Serves invocations until Lambda ends the process.
pub(crate) async fn serve(service: Service) -> Result<(), lambda_runtime::Error> {
    let service = Arc::new(service);
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let service = service.clone();
        async move {
            let context = event.context;
            let deadline = Deadline::new(context.deadline, SystemTime::now(), Instant::now());
            let (request_id, x_ray) = (context.request_id, context.xray_trace_id);
            let invocation = Invocation { request_id, deadline, x_ray };
            invoke(&service, event.payload.get(), &invocation).await
        }
    });
    let drain = Drain::new();
    // One at a time, or as many as AWS_LAMBDA_MAX_CONCURRENCY says where Lambda sends several at once.
    drain.run(Runtime::new(handler).layer(drain.clone()).run_concurrent()).await
}

/// One invocation: the answer, or the failure that Lambda is to report.
pub(crate) async fn invoke(
    service: &Service,
    payload: &str,
    invocation: &Invocation,
) -> Result<Box<RawValue>, Failure> {
    match payload::read(payload)? {
        Payload::Http(Ok(request), shape) => {
            reply::write(service.http(request, invocation).await?, shape).await
        }
        Payload::Http(Err(BadRequest(reason)), shape) => {
            reply::write(Error::status(StatusCode::BAD_REQUEST, reason).into_response(), shape).await
        }
        Payload::Event(event) if service.takes_request(&event) => {
            let request = payload::read_gateway_request(event, |method| service.routes(method))?;
            reply::write(service.http(request, invocation).await?, Shape::JoinedWithCookies).await
        }
        Payload::Event(event) => {
            reply::write(service.event(event, invocation).await?, Shape::JoinedWithCookies).await
        }
        Payload::Events(events) => {
            let mut answer = Ok(Response::default());
            for event in events {
                // After a failure the others still get their turn: it all comes again.
                let one = service.event(event, invocation).await;
                answer = answer.and(one);
            }
            reply::write(answer?, Shape::JoinedWithCookies).await
        }
        Payload::Queue(records) => reply::batch(&service.batch(records, invocation).await),
    }
}

impl From<PayloadError> for Failure {
    fn from(error: PayloadError) -> Self {
        // The same bytes will not become readable by trying again.
        Self { kind: FailureKind::Reject, message: error.to_string() }
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.error_type().to_owned(), error_message: failure.message }
    }
}
