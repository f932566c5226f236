//! Serves Lambda: gets payloads from the Runtime API, calls functions through `dispatch`, and answers in the format
//! of the payload's sender. Leaves the protocol to `api`.

mod api;
mod environment;

use std::env;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::StatusCode;
use tokio::task::JoinSet;

use self::api::{ApiError, Next, RuntimeApi};
pub(crate) use self::environment::{Environment, EnvironmentError};
use crate::context::Invocation;
use crate::deadline::Deadline;
use crate::dispatch::{RequestOrEvent, Sender, Service};
use crate::error::Error;
use crate::outcome::Failure;
use crate::payload::{self, BadRequest, Payload, PayloadError, Shape};
use crate::{panics, reply};

/// The variable with the Runtime API's address; set on Lambda.
pub(crate) const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// The variable from which AWS's SDKs take the trace of their calls. Lambda also uses the trace to detect loops.
const X_RAY: &str = "_X_AMZN_TRACE_ID";

/// Why the process cannot serve Lambda, or cannot continue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LambdaError {
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("a worker ended by itself: {0}")]
    Worker(tokio::task::JoinError),
}

/// Serves invocations until Lambda ends the process: one at a time, or several if Lambda sends several.
pub(crate) async fn serve(service: Service, environment: Environment) -> Result<(), LambdaError> {
    let Environment { endpoint, workers, snap_start } = environment;
    let mut api = RuntimeApi::new(&endpoint)?;
    if snap_start {
        api.restored().await?;
    }
    let service = Arc::new(service);
    if workers == 1 {
        return work(service, api, true).await;
    }
    let mut running = JoinSet::new();
    for _ in 0..workers {
        running.spawn(work(service.clone(), RuntimeApi::new(&endpoint)?, false));
    }
    // The process continues with fewer workers, and ends once none is left.
    let mut outcome = Ok(());
    while let Some(ended) = running.join_next().await {
        match ended.map_err(LambdaError::Worker).flatten() {
            Ok(()) => {}
            Err(error) => {
                eprintln!("{error}; {} of {workers} workers go on", running.len());
                outcome = outcome.and(Err(error));
            }
        }
    }
    outcome
}

/// Reports to Lambda why the process does not start. The process also prints the message on stderr, so a failed
/// report loses nothing.
pub(crate) async fn report_init_error(endpoint: &str, message: &str) {
    let Ok(mut api) = RuntimeApi::new(endpoint) else { return };
    let _ = tokio::time::timeout(Duration::from_secs(2), api.init_failed(message)).await;
}

/// Serves one invocation after the other. When the process is asked to end (SIGTERM), it finishes and answers the
/// current invocation and starts no other.
async fn work(service: Arc<Service>, mut api: RuntimeApi, alone: bool) -> Result<(), LambdaError> {
    let mut asked_to_end = AskedToEnd::new();
    let mut broke = false;
    loop {
        let next = tokio::select! {
            biased;
            () = asked_to_end.wait() => return Ok(()),
            next = api.next() => next,
        };
        let mut next = match next {
            Ok(next) => next,
            // Repeating the request is harmless. If it fails again, the Runtime API is gone.
            Err(ApiError::Broken(_)) if !broke => {
                broke = true;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        broke = false;
        if alone {
            show_trace(next.x_ray.as_deref());
        }
        let answer = answer(&service, &mut next).await;
        api.finish(&next, answer).await?;
    }
}

/// Answers an invocation. The panics of functions are caught where they are called; this catches panics of the
/// runtime itself, which must not end the process either.
async fn answer(service: &Service, next: &mut Next) -> Result<String, Failure> {
    let deadline = Deadline::new(next.deadline, SystemTime::now(), Instant::now());
    let (request_id, x_ray) = (next.request_id.clone(), next.x_ray.take());
    let invocation = Arc::new(Invocation { request_id, deadline, x_ray });
    let payload = std::str::from_utf8(&next.payload).map_err(|_| PayloadError::NotText)?;
    AssertUnwindSafe(invoke(service, payload, &invocation))
        .catch_unwind()
        .await
        .unwrap_or_else(|payload| Err(panics::failure(&*payload)))
}

/// Sets the trace for calls to AWS, as every Lambda runtime does.
#[expect(unsafe_code, reason = "the environment is where AWS's SDKs look")]
fn show_trace(x_ray: Option<&str>) {
    match x_ray {
        // SAFETY: done between invocations, by the only worker. What else reads variables in this process does so
        // through `std`, which has a lock for it; a C library that does so while nothing is under way would have to
        // be one that runs on threads of its own, and then meets the same in every other Lambda runtime.
        Some(x_ray) => unsafe { env::set_var(X_RAY, x_ray) },
        // SAFETY: as above.
        None => unsafe { env::remove_var(X_RAY) },
    }
}

/// The signal to end this process.
struct AskedToEnd {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl AskedToEnd {
    #[cfg(unix)]
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        // Without a handler, the signal ends the process by default.
        Self { signal: signal(SignalKind::terminate()).ok() }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self {}
    }

    async fn wait(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal {
            signal.recv().await;
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// Handles one invocation. Returns the answer, or the failure to report.
pub(crate) async fn invoke(
    service: &Service,
    payload: &str,
    invocation: &Arc<Invocation>,
) -> Result<String, Failure> {
    let deadline = invocation.deadline;
    match payload::read(payload, service.reads_requests())? {
        Payload::Http(Ok(request), shape) => {
            reply::write(service.http(request, invocation).await?, shape, deadline).await
        }
        Payload::Http(Err(BadRequest(reason)), shape) => {
            reply::write(Error::status(StatusCode::BAD_REQUEST, reason).into_response(), shape, deadline)
                .await
        }
        Payload::CloudEvent(event) => {
            let response = match service.request_in(event)? {
                RequestOrEvent::Request(request) => service.http(request, invocation).await,
                RequestOrEvent::Event(event) => service.event(event, Sender::MayWait, invocation).await,
            };
            reply::write(response?, Shape::JoinedWithCookies, deadline).await
        }
        Payload::EventBridge(event) => {
            let response = match service.scheduled_by(&event) {
                Some(function) => service.tick(function, event, invocation).await,
                None => service.event(event, Sender::NeverWaits, invocation).await,
            };
            reply::write(response?, Shape::JoinedWithCookies, deadline).await
        }
        Payload::WebSocket(event) => {
            reply::write(
                service.event(event, Sender::MayWait, invocation).await?,
                Shape::JoinedWithCookies,
                deadline,
            )
            .await
        }
        Payload::Events(events) => {
            let mut answer = Ok(Response::default());
            for event in events {
                // Continues after a failure, because all events will be delivered again.
                let one = service.event(event, Sender::NeverWaits, invocation).await;
                answer = answer.and(one);
            }
            reply::write(answer?, Shape::JoinedWithCookies, deadline).await
        }
        Payload::Queue(records) => reply::batch(&service.batch(records, invocation).await),
    }
}
