//! Serves Lambda: gets payloads from the Runtime API, calls functions through `dispatch`, and answers in the format
//! of the payload's sender. Leaves the protocol to `api`.

mod api;
mod environment;
mod patience;
mod trace;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::response::{IntoResponse as _, Response};
use eg_grammar::limits;
use http::StatusCode;
use tokio::task::JoinSet;

use self::api::{ApiError, Next, RuntimeApi};
pub(crate) use self::environment::{Environment, EnvironmentError};
use self::patience::Crew;
use self::trace::TraceVariable;
use crate::context::Invocation;
use crate::deadline::Deadline;
use crate::dispatch::{RequestOrEvent, Sender, Service};
use crate::error::Error;
use crate::log::{Level, Line, print};
use crate::outcome::Failure;
use crate::payload::{self, BadRequest, Payload, PayloadError, Shape};
use crate::{panics, reply};

/// Why the process cannot serve Lambda, or cannot continue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LambdaError {
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// Serves invocations until Lambda ends the process: one at a time, or several if Lambda sends several.
pub(crate) async fn serve(service: Service, environment: Environment) -> Result<(), LambdaError> {
    let Environment { endpoint, workers, snap_start } = environment;
    let mut api = RuntimeApi::new(&endpoint)?;
    if snap_start {
        api.restored().await?;
    }
    let service = Arc::new(service);
    let crew = Crew::of(workers);
    if workers == 1 {
        return work(service, api, crew).await;
    }
    let mut running = JoinSet::new();
    for _ in 0..workers {
        running.spawn(work(service.clone(), RuntimeApi::new(&endpoint)?, crew.clone()));
    }
    while let Some(ended) = running.join_next().await {
        match ended {
            // It was asked to end, and so are the others.
            Ok(Ok(())) => {}
            // No worker reaches the Runtime API any more.
            Ok(Err(error)) => return Err(error),
            Err(panic) => {
                print(Level::Error, &format!("a worker panicked, and another one replaces it: {panic}"));
                running.spawn(work(service.clone(), RuntimeApi::new(&endpoint)?, crew.clone()));
            }
        }
    }
    Ok(())
}

/// Reports to Lambda why the process does not start. The process also prints the message on stderr, so a failed
/// report loses nothing.
pub(crate) async fn report_init_error(endpoint: &str, message: &str) {
    let Ok(mut api) = RuntimeApi::new(endpoint) else { return };
    let _ = tokio::time::timeout(Duration::from_secs(2), api.init_failed(message)).await;
}

/// Serves one invocation after the other. When the process is asked to end (SIGTERM), it finishes and answers the
/// current invocation and starts no other.
async fn work(service: Arc<Service>, mut api: RuntimeApi, crew: Crew) -> Result<(), LambdaError> {
    let mut asked_to_end = AskedToEnd::new();
    // With several invocations at once, the variable could not be right for all of them, and Lambda does not ask for it.
    let mut trace = crew.is_alone().then(TraceVariable::new);
    let mut patience = crew.patience();
    loop {
        let next = tokio::select! {
            biased;
            () = asked_to_end.wait() => return Ok(()),
            next = api.next() => next,
        };
        let mut next = match next {
            Ok(next) => next,
            Err(error) => {
                let Some(pause) = patience.pause_after(&error) else { return Err(error.into()) };
                print(Level::Warn, &format!("{error}; trying again in {} ms", pause.as_millis()));
                tokio::select! {
                    () = asked_to_end.wait() => return Ok(()),
                    () = tokio::time::sleep(pause) => continue,
                }
            }
        };
        patience.restored();
        if let Some(trace) = &mut trace {
            trace.show(next.x_ray.as_deref());
        }
        let answer = answer(&service, &mut next).await;
        if let Err(error) = api.finish(&next, answer).await {
            // Lambda counts an invocation without an outcome as failed. The next one is not affected.
            let message = format!("the outcome of the invocation is probably lost: {error}");
            let (subject, error_type, request_id) = (None, None, Some(next.request_id.as_str()));
            Line { level: Level::Error, message: &message, subject, error_type, request_id }.print();
        }
    }
}

/// Answers an invocation. The panics of functions are caught where they are called; this catches panics of the
/// runtime itself, which must not end the process either.
async fn answer(service: &Service, next: &mut Next) -> Result<String, Failure> {
    let deadline = Deadline::new(next.deadline, SystemTime::now(), Instant::now());
    let (request_id, x_ray) = (next.request_id.clone(), next.x_ray.take());
    let headers = std::mem::take(&mut next.headers);
    let invocation = Arc::new(Invocation { request_id, deadline, x_ray, headers, ..Invocation::default() });
    let Ok(payload) = std::str::from_utf8(&next.payload) else {
        return Err(logged(PayloadError::NotText, &invocation));
    };
    let answer = panics::catch_in(invoke(service, payload, &invocation)).await;
    answer.unwrap_or_else(|panic| Err(logged(panic, &invocation)))
}

/// Prints a failure that no function has printed.
fn logged(failure: impl Into<Failure>, invocation: &Invocation) -> Failure {
    let failure = failure.into();
    failure.log(None, &invocation.request_id);
    failure
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

/// Handles one invocation. Returns the answer, or the failure to report, which is in the log.
pub(crate) async fn invoke(
    service: &Service,
    payload: &str,
    invocation: &Arc<Invocation>,
) -> Result<String, Failure> {
    if let Some(function) = service.invoked() {
        let response = service.invoke(function, payload.to_owned().into(), invocation).await?;
        let answer = reply::verbatim(response, invocation.deadline, limits::PAYLOAD).await;
        return answer.inspect_err(|failure| failure.log(Some(function.name()), &invocation.request_id));
    }
    let log = |error: PayloadError| logged(service.refusal(error), invocation);
    let (response, shape) = match payload::read(payload, service.reads_requests()).map_err(log)? {
        Payload::Http(Ok(request), shape, sent) => {
            let _ = invocation.sent.set(sent);
            (service.http(request, invocation).await?, shape)
        }
        Payload::Http(Err(BadRequest(reason)), shape, _) => {
            (Error::status(StatusCode::BAD_REQUEST, reason).into_response(), shape)
        }
        Payload::CloudEvent(event) => {
            let response = match service.request_in(event).map_err(log)? {
                RequestOrEvent::Request(request) => service.http(request, invocation).await,
                RequestOrEvent::Event(event) => service.event(event, Sender::MayWait, invocation).await,
            };
            (response?, Shape::JoinedWithCookies)
        }
        Payload::EventBridge(event) => {
            let response = match service.scheduled_by(&event) {
                Some(function) => service.tick(function, event, invocation).await,
                None => service.event(event, Sender::NeverWaits, invocation).await,
            };
            (response?, Shape::JoinedWithCookies)
        }
        Payload::WebSocket(event, sent) => {
            let _ = invocation.sent.set(sent);
            (service.event(event, Sender::MayWait, invocation).await?, Shape::JoinedWithCookies)
        }
        Payload::Events(events) => {
            let mut answer = Ok(Response::default());
            for event in events {
                // Continues after a failure, because all events will be delivered again.
                let one = service.event(event, Sender::NeverWaits, invocation).await;
                answer = answer.and(one);
            }
            (answer?, Shape::JoinedWithCookies)
        }
        Payload::Queue(records) => return reply::batch(&service.batch(records, invocation).await),
    };
    let reply = reply::write(response, shape, invocation.deadline, limits::PAYLOAD).await;
    reply.inspect_err(|failure| failure.log(None, &invocation.request_id))
}
