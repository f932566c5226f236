//! Runs one invocation in an environment: sends the event, waits for the answer or failure, and writes the log lines.
//! Leaves the environment to its owner.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::IgnoredAny;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::Instant as Deadline;
use tokio_util::sync::CancellationToken;

use super::FunctionSpec;
use super::arn::arn;
use super::environment::{Environment, NotTaken, refuse_late_init, refuse_unknown, unix_millis};
use super::extensions::{ExtensionEvent, Reason, Tracing};
use super::report::{Failure, Report, end_line, start_line};
use super::runtime_api::{Call, Event, Payload, Reply, ReportedError};
use super::status::{InvokeError, Refusal};
use super::stream::{StreamEnd, read_stream};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How long the last parts of a streamed answer may take after the end of their process.
const LAST_PARTS: Duration = Duration::from_millis(500);

/// A caller's request.
#[derive(Debug, Clone)]
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) arn: String,
    pub(super) payload: Bytes,
    /// The X-Ray trace header, passed on.
    pub(super) trace_id: HeaderValue,
    /// The client context of a mobile application, as JSON.
    pub(super) client_context: Option<HeaderValue>,
    /// Receives the parts of the answer, if the caller streams.
    pub(super) parts: Option<mpsc::Sender<Bytes>>,
}

/// The result of an invocation.
#[derive(Debug)]
pub(super) struct Completed {
    pub(super) outcome: Outcome,
    /// The last 4 KB of its log.
    pub(super) log_tail: Vec<u8>,
}

/// The payload for the caller.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Bytes),
    /// An error object, from the function or from Lambda.
    FunctionError(Bytes),
}

/// The result of [`Invocation::run`].
#[derive(Debug)]
pub(super) struct Over {
    pub(super) completed: Completed,
    /// Why the environment cannot be reused, if so.
    pub(super) end: Option<Reason>,
}

/// How an invocation ended.
enum Ending {
    Answered(Bytes, Reply),
    Reported(ReportedError, Reply),
    Failed(Failure, Option<Reply>),
}

impl Invocation {
    pub(super) fn new(name: &str, payload: Bytes, trace_id: Option<HeaderValue>) -> Self {
        Self {
            request_id: uuid::Uuid::new_v4().to_string(),
            arn: arn(name),
            payload,
            trace_id: trace_id.unwrap_or_else(new_trace_id),
            client_context: None,
            parts: None,
        }
    }

    /// Builds the event for the process.
    fn event(&self, deadline_ms: u64) -> Event {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            // Ids and ARNs are valid header values.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("lambda-runtime-aws-request-id", &self.request_id);
        set("lambda-runtime-deadline-ms", &deadline_ms.to_string());
        set("lambda-runtime-invoked-function-arn", &self.arn);
        headers.insert(HeaderName::from_static("lambda-runtime-trace-id"), self.trace_id.clone());
        if let Some(context) = &self.client_context {
            headers.insert(HeaderName::from_static("lambda-runtime-client-context"), context.clone());
        }
        Event { payload: self.payload.clone(), headers }
    }

    /// Builds the event for its extensions.
    fn news(&self, deadline_ms: u64) -> ExtensionEvent {
        ExtensionEvent::Invoke {
            deadline_ms,
            request_id: self.request_id.clone(),
            invoked_function_arn: self.arn.clone(),
            tracing: Tracing {
                kind: "X-Amzn-Trace-Id",
                value: String::from_utf8_lossy(self.trace_id.as_bytes()).into_owned(),
            },
        }
    }

    /// Runs the invocation in `environment`. The log is complete when this returns.
    pub(super) async fn run(
        &self,
        environment: &mut Environment,
        spec: &FunctionSpec,
        stop: &CancellationToken,
    ) -> Result<Over, NotTaken> {
        let log = environment.log.clone();
        environment.ready(spec.timeout, stop).await?;
        log.begin(&start_line(&self.request_id));
        let deadline = || unix_millis(SystemTime::now() + spec.timeout);
        while !environment.hand_over(self.event(deadline())) {
            environment.ready(spec.timeout, stop).await?;
        }
        environment.extensions.invoke(|| self.news(deadline()));
        let started = Instant::now();
        let ending = self.ending(environment, spec.timeout, stop).await;
        let duration = started.elapsed();
        let used_mb = environment.process.peak_memory_mb();
        if matches!(ending, Ending::Failed(Failure::TimedOut(_) | Failure::Stopped, _)) {
            environment.process.kill().await;
        }
        environment.process.catch_up();

        let (outcome, failure, reply) = match ending {
            Ending::Answered(payload, reply) => (Outcome::Answer(payload), None, Some((reply, Ok(())))),
            Ending::Reported(error, reply) => {
                (Outcome::FunctionError(error.payload), None, Some((reply, Ok(()))))
            }
            Ending::Failed(failure, reply) => {
                log.line(&failure.log_line(&self.request_id, OffsetDateTime::now_utc()));
                let payload = failure.payload(&self.request_id);
                let reply = reply.map(|reply| (reply, Err(Refusal::TooLarge)));
                (Outcome::FunctionError(payload), Some(failure), reply)
            }
        };
        let report = Report {
            request_id: &self.request_id,
            duration,
            memory_mb: spec.memory_mb,
            used_mb,
            init: environment.init.take(),
            failure,
        };
        log.lines(&[&end_line(&self.request_id), &report.line()]);
        let log_tail = log.tail();
        // Only now, so that later output of the process follows the END line.
        if let Some((reply, word)) = reply {
            // The process may have ended after its answer.
            let _ = reply.send(word);
        }
        let end = failure.and_then(end_of_environment);
        Ok(Over { completed: Completed { outcome, log_tail }, end })
    }

    async fn ending(
        &self,
        environment: &mut Environment,
        limit: Duration,
        stop: &CancellationToken,
    ) -> Ending {
        let deadline = tokio::time::sleep_until(Deadline::now() + limit);
        let extended = environment.extensions.are_there();
        // A started streamed answer, and the receiver of its end.
        let mut streaming: Option<(BoxFuture<'_, StreamEnd>, Reply)> = None;
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                biased;
                end = stream_end(&mut streaming), if streaming.is_some() => {
                    return Ending::of_stream(end, streaming.map(|(_, reply)| reply));
                }
                Some(call) = environment.calls.recv() => match call {
                    Call::Response { request_id, payload, reply }
                        if request_id == self.request_id && streaming.is_none() =>
                    {
                        match payload {
                            Payload::Whole(bytes) => return Ending::Answered(bytes, reply),
                            Payload::TooLarge => {
                                return Ending::Failed(Failure::AnswerTooLarge, Some(reply));
                            }
                            Payload::Stream(body) => {
                                streaming = Some((Box::pin(read_stream(body, self.parts.as_ref())), reply));
                            }
                        }
                    }
                    Call::Error { request_id, error, reply }
                        if request_id == self.request_id && streaming.is_none() =>
                    {
                        return Ending::Reported(error, reply);
                    }
                    Call::Response { reply, .. } | Call::Error { reply, .. } => refuse_unknown(reply),
                    Call::InitError { reply, .. } => refuse_late_init(reply),
                    Call::Next(reply) => {
                        // The process may have closed the connection.
                        let _ = reply.send(Err(Refusal::OutOfTurn("the last event has not been answered")));
                    }
                },
                status = environment.process.exited() => {
                    // Its last output may not have arrived yet.
                    if let Some((end, reply)) = streaming.take()
                        && let Ok(StreamEnd::Complete(payload)) = tokio::time::timeout(LAST_PARTS, end).await
                    {
                        return Ending::Answered(payload, reply);
                    }
                    // Its status is not available; treat it as an end without a reason.
                    let status = status.unwrap_or_default();
                    return Ending::Failed(Failure::Exited(status), None);
                }
                trouble = environment.extensions.trouble(), if extended => {
                    return Ending::Failed(Failure::Extension(trouble), None);
                }
                () = &mut deadline => return Ending::Failed(Failure::TimedOut(limit), None),
                () = stop.cancelled() => return Ending::Failed(Failure::Stopped, None),
            }
        }
    }
}

impl Ending {
    fn of_stream(end: StreamEnd, reply: Option<Reply>) -> Self {
        match (end, reply) {
            (StreamEnd::Complete(payload), Some(reply)) => Self::Answered(payload, reply),
            (StreamEnd::Failed(error), Some(reply)) => Self::Reported(error, reply),
            (StreamEnd::TooLarge, reply) => Self::Failed(Failure::AnswerTooLarge, reply),
            (_, reply) => Self::Failed(Failure::Truncated, reply),
        }
    }
}

/// Returns how the current stream ends; pending if there is none.
async fn stream_end(streaming: &mut Option<(BoxFuture<'_, StreamEnd>, Reply)>) -> StreamEnd {
    match streaming {
        Some((end, _)) => end.await,
        None => std::future::pending().await,
    }
}

/// Returns why an environment cannot be reused after this failure; `None` if it can.
fn end_of_environment(failure: Failure) -> Option<Reason> {
    match failure {
        Failure::AnswerTooLarge => None,
        Failure::TimedOut(_) => Some(Reason::Timeout),
        Failure::Exited(_) | Failure::Truncated | Failure::Extension(_) => Some(Reason::Failure),
        Failure::Stopped => Some(Reason::Spindown),
    }
}

/// Returns a caller's payload if Lambda accepts it: JSON of at most `limit` bytes. An empty payload means an empty
/// object.
pub(super) fn check_payload(payload: Bytes, limit: usize) -> Result<Bytes, InvokeError> {
    if payload.len() > limit {
        return Err(InvokeError::TooLarge { limit });
    }
    if payload.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    serde_json::from_slice::<IgnoredAny>(&payload).map_err(InvokeError::NotJson)?;
    Ok(payload)
}

/// Creates an unsampled trace header in X-Ray's format.
fn new_trace_id() -> HeaderValue {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let parent = uuid::Uuid::new_v4().simple().to_string();
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let text = format!("Root=1-{seconds:08x}-{};Parent={};Sampled=0", &random[..24], &parent[..16]);
    HeaderValue::from_str(&text).expect("hexadecimal digits and punctuation make a header value")
}
