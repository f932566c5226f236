//! Serves Lambda: gets payloads from the Runtime API, calls functions through `dispatch`, and answers in the format
//! of the payload's sender. Leaves the protocol to `api`.

mod api;
#[cfg(feature = "lambda-runtime")]
mod aws;
mod environment;
mod extension;
mod hooks;
mod patience;
mod trace;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::response::{IntoResponse as _, Response};
use eg_grammar::limits;
use http::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use self::api::{ApiError, RuntimeApi};
use self::environment::Surroundings;
pub(crate) use self::environment::{Environment, EnvironmentError};
use self::hooks::AfterAnswer;
pub(crate) use self::hooks::Hooks;
use self::patience::Crew;
use self::trace::TraceVariable;
use crate::authorizer;
use crate::context::Invocation;
use crate::deadline::Deadline;
use crate::dispatch::{RequestOrEvent, Sender, Service};
use crate::error::Error;
use crate::failures::Rejections;
use crate::log::{Level, Line, print};
use crate::outcome::Failure;
use crate::payload::{self, BadRequest, Payload, PayloadError, Shape};
use crate::stream::{self, Streaming};
use crate::{panics, reply};

/// Why the process cannot serve Lambda, or cannot continue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LambdaError {
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("a hook before the snapshot failed: {0}")]
    BeforeSnapshot(String),
    #[error("a hook after the restore failed: {0}")]
    AfterRestore(String),
    #[cfg(feature = "lambda-runtime")]
    #[error("{0}")]
    Aws(Box<dyn std::error::Error + Send + Sync>),
}

/// The client of the Runtime API.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Client {
    #[default]
    Own,
    /// The crate `lambda_runtime`.
    #[cfg(feature = "lambda-runtime")]
    Aws,
}

/// Serves invocations until Lambda ends the process: one at a time, or several if Lambda sends several.
pub(crate) async fn serve(
    service: Service,
    environment: Environment,
    mut hooks: Hooks,
    client: Client,
) -> Result<(), LambdaError> {
    if hooks.has_on_shutdown() {
        extension::register(RuntimeApi::new(&environment.endpoint)?).await;
    }
    let mut at_the_end = hooks.take_on_shutdown();
    let Environment { endpoint, workers, snap_start, surroundings } = environment;
    let handler = Handler { service, surroundings };
    match client {
        Client::Own => serve_with_own(handler, &endpoint, workers, snap_start, hooks).await,
        #[cfg(feature = "lambda-runtime")]
        Client::Aws => aws::serve(handler, hooks).await,
    }?;
    at_the_end.run_on_shutdown().await;
    Ok(())
}

/// Handles invocations.
struct Handler {
    service: Service,
    surroundings: Surroundings,
}

async fn serve_with_own(
    handler: Handler,
    endpoint: &str,
    workers: usize,
    snap_start: bool,
    mut hooks: Hooks,
) -> Result<(), LambdaError> {
    let mut api = RuntimeApi::new(endpoint)?;
    if snap_start {
        snapshot(&mut api, &mut hooks).await?;
    }
    let (handler, after) = (Arc::new(handler), hooks.after_answer);
    let crew = Crew::of(workers);
    if workers == 1 {
        return work(handler, api, crew, after).await;
    }
    let mut running = JoinSet::new();
    for _ in 0..workers {
        running.spawn(work(handler.clone(), RuntimeApi::new(endpoint)?, crew.clone(), after.clone()));
    }
    while let Some(ended) = running.join_next().await {
        match ended {
            // It was asked to end, and so are the others.
            Ok(Ok(())) => {}
            // No worker reaches the Runtime API any more.
            Ok(Err(error)) => return Err(error),
            Err(panic) => {
                print(Level::Error, &format!("a worker panicked, and another one replaces it: {panic}"));
                running.spawn(work(handler.clone(), RuntimeApi::new(endpoint)?, crew.clone(), after.clone()));
            }
        }
    }
    Ok(())
}

/// Waits, between the hooks, until the process continues as a copy of its snapshot. A failed hook is reported.
async fn snapshot(api: &mut RuntimeApi, hooks: &mut Hooks) -> Result<(), LambdaError> {
    if let Err(reason) = hooks.run_before_snapshot().await {
        let error = LambdaError::BeforeSnapshot(reason);
        // The process prints the error, too.
        let _ = api.init_failed(&error.to_string()).await;
        return Err(error);
    }
    api.restored().await?;
    if let Err(reason) = hooks.run_after_restore().await {
        let error = LambdaError::AfterRestore(reason);
        let _ = api.restore_failed(&error.to_string()).await;
        return Err(error);
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
async fn work(
    handler: Arc<Handler>,
    mut api: RuntimeApi,
    crew: Crew,
    after: AfterAnswer,
) -> Result<(), LambdaError> {
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
        let deadline = Deadline::new(next.deadline, SystemTime::now(), Instant::now());
        let invocation = Arc::new(Invocation {
            request_id: next.request_id.clone(),
            deadline,
            x_ray: next.x_ray.take(),
            headers: std::mem::take(&mut next.headers),
            ..Invocation::default()
        });
        let answer = answer(&handler, &next.payload, &invocation).await;
        if let Err(error) = api.finish(&next, answer).await {
            // Lambda counts an invocation without an outcome as failed. The next one is not affected.
            let message = format!("the outcome of the invocation is probably lost: {error}");
            let (subject, error_type, request_id) = (None, None, Some(next.request_id.as_str()));
            Line { level: Level::Error, message: &message, subject, error_type, request_id }.print();
        }
        after.run(deadline).await;
    }
}

/// Answers an invocation. The panics of functions are caught where they are called; this catches panics of the
/// runtime itself, which must not end the process either.
async fn answer(handler: &Handler, payload: &[u8], invocation: &Arc<Invocation>) -> Result<Answer, Failure> {
    let Ok(payload) = std::str::from_utf8(payload) else {
        return Err(logged(PayloadError::NotText, invocation));
    };
    let answer = panics::catch_in(invoke(handler, payload, invocation)).await;
    answer.unwrap_or_else(|panic| Err(logged(panic, invocation)))
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

/// The answer to an invocation.
pub(crate) enum Answer {
    Whole(String),
    Stream(Streaming),
}

/// What follows from a payload.
enum Outcome {
    Response(Response, Shape),
    /// The answer itself: that to a batch, or of a function with `#[invoke]`.
    Ready(String),
}

/// Handles one invocation. Returns the answer, or the failure to report, which is in the log.
async fn invoke(handler: &Handler, payload: &str, invocation: &Arc<Invocation>) -> Result<Answer, Failure> {
    match outcome(&handler.service, &handler.surroundings, payload, invocation).await? {
        Outcome::Response(response, _) if stream::is_marked(&response) => {
            Ok(Answer::Stream(Streaming::new(response, invocation)))
        }
        outcome => whole(outcome, invocation).await.map(Answer::Whole),
    }
}

/// Handles one invocation as [`invoke`] does, without a failures queue, and never streams the answer.
pub(crate) async fn invoke_whole(
    service: &Service,
    payload: &str,
    invocation: &Arc<Invocation>,
) -> Result<String, Failure> {
    whole(outcome(service, &Surroundings::default(), payload, invocation).await?, invocation).await
}

async fn whole(outcome: Outcome, invocation: &Invocation) -> Result<String, Failure> {
    match outcome {
        Outcome::Ready(reply) => Ok(reply),
        Outcome::Response(response, shape) => {
            let reply = reply::write(response, shape, invocation.deadline, limits::PAYLOAD).await;
            reply.inspect_err(|failure| failure.log(None, &invocation.request_id))
        }
    }
}

async fn outcome(
    service: &Service,
    surroundings: &Surroundings,
    payload: &str,
    invocation: &Arc<Invocation>,
) -> Result<Outcome, Failure> {
    if let Some(function) = service.invoked() {
        let response = service.invoke(function, payload.to_owned().into(), invocation).await?;
        let answer = reply::verbatim(response, invocation.deadline, limits::PAYLOAD).await;
        let log = |failure: &Failure| failure.log(Some(function.name()), &invocation.request_id);
        return answer.inspect_err(log).map(Outcome::Ready);
    }
    let rejections = Rejections { failures: surroundings.failures.as_ref(), payload, invocation };
    let log = |error: PayloadError| logged(service.refusal(error), invocation);
    let read = match payload::read(payload, service.reads_requests()) {
        Ok(read) => read,
        Err(error) => {
            let may_ask = matches!(error, PayloadError::Authorizer(_) | PayloadError::Unknown(_));
            if may_ask && let Some(answer) = authorizer::answer(service, payload, invocation).await {
                return answer.map(Outcome::Ready);
            }
            let failure = log(error);
            return match payload::is_asynchronous(payload) {
                // Nothing of a batch has reached a function.
                true => rejected(failure, None, &rejections).await,
                false => Err(failure),
            };
        }
    };
    let (response, shape) = match read {
        Payload::Http(Ok(request), shape, sent) => {
            let _ = invocation.sent.set(sent);
            (service.http(request, invocation).await?, shape)
        }
        Payload::Http(Err(BadRequest(reason)), shape, _) => {
            (Error::status(StatusCode::BAD_REQUEST, reason).into_response(), shape)
        }
        Payload::CloudEvent(event) => {
            let response = match service.request_in(event).map_err(log)? {
                RequestOrEvent::Request(mut request) => {
                    if stream::is_readable_by_caller(invocation) {
                        stream::allow(&mut request);
                    }
                    service.http(request, invocation).await
                }
                RequestOrEvent::Event(event) => {
                    if surroundings.has_bus {
                        service.check_hops(&event, None, invocation)?;
                    }
                    service.event(event, Sender::MayWait, invocation).await
                }
            };
            (response?, Shape::JoinedWithCookies)
        }
        Payload::EventBridge(event) => {
            let response = match service.scheduled_by(&event) {
                Some(function) => service.tick(function, event, invocation).await,
                None => service.event(event, Sender::NeverWaits, invocation).await,
            };
            return settled(response, &rejections).await;
        }
        Payload::WebSocket(event, sent) => {
            let _ = invocation.sent.set(sent);
            (service.event(event, Sender::MayWait, invocation).await?, Shape::JoinedWithCookies)
        }
        Payload::Events(events) => {
            let mut done = Ok(Response::default());
            let mut rejected = Vec::new();
            for (at, event) in events.into_iter().enumerate() {
                // Continues after a failure, because all events will be delivered again.
                match service.event(event, Sender::NeverWaits, invocation).await {
                    Err(failure) if failure.is_final() => rejected.push((at, failure)),
                    one => done = Failure::of_both(done, one),
                }
            }
            let done = done?;
            let mut reasons = Vec::new();
            for (at, failure) in rejected {
                reasons.push(failure.message.clone());
                rejections.keep(Some(at), failure).await?;
            }
            if !reasons.is_empty() {
                return Ok(Outcome::Ready(json!({ "rejected": reasons.join("; ") }).to_string()));
            }
            (done, Shape::JoinedWithCookies)
        }
        Payload::Queue(records) => {
            return reply::batch(&service.batch(records, &rejections, invocation).await).map(Outcome::Ready);
        }
        Payload::Stream(records) => {
            return reply::records(&service.stream(records, &rejections, invocation).await)
                .map(Outcome::Ready);
        }
    };
    Ok(Outcome::Response(response, shape))
}

/// Returns the outcome of an event for whose answer nobody waits. If it is rejected and kept, the invocation succeeds, because
/// Lambda would hand over the event again.
async fn settled(done: Result<Response, Failure>, rejections: &Rejections<'_>) -> Result<Outcome, Failure> {
    match done {
        Ok(response) => Ok(Outcome::Response(response, Shape::JoinedWithCookies)),
        Err(failure) => rejected(failure, Some(0), rejections).await,
    }
}

/// Returns the outcome of an invocation in which everything was rejected.
async fn rejected(
    failure: Failure,
    at: Option<usize>,
    rejections: &Rejections<'_>,
) -> Result<Outcome, Failure> {
    let rejected = json!({ "rejected": failure.message }).to_string();
    rejections.keep(at, failure).await.map(|()| Outcome::Ready(rejected))
}

#[cfg(test)]
mod tests;
