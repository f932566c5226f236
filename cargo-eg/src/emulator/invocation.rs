//! One invocation: what the caller sent, what the process does with it until it is over, and what the
//! caller gets. The invocation owns its log lines; the function owns the environment.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant as Deadline;
use tokio_util::sync::CancellationToken;

use super::FunctionSpec;
use super::arn::arn;
use super::environment::{Environment, NotTaken, refuse_late_init, refuse_unknown};
use super::report::{Failure, Report, end_line, start_line};
use super::runtime_api::{Call, Event, Payload, Reply, ReportedError};
use super::status::Refusal;

/// What a caller asks of a function.
#[derive(Debug, Clone)]
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) arn: String,
    pub(super) payload: Bytes,
    /// X-Ray trace header, handed through.
    pub(super) trace_id: HeaderValue,
}

/// How it went.
#[derive(Debug)]
pub(super) struct Completed {
    pub(super) outcome: Outcome,
    /// The last 4 KB of its log.
    pub(super) log_tail: Vec<u8>,
}

/// What the caller gets.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Bytes),
    /// An error object: the function failed, or Lambda in its place.
    FunctionError(Bytes),
}

/// How an invocation ended, before its last lines are written.
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
        }
    }

    /// The event as the process gets it, if it gets it now.
    fn event(&self, limit: Duration) -> Event {
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + limit;
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            // Ids and ARNs are made of characters that a header may have.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("lambda-runtime-aws-request-id", &self.request_id);
        set("lambda-runtime-deadline-ms", &deadline.as_millis().to_string());
        set("lambda-runtime-invoked-function-arn", &self.arn);
        headers.insert(HeaderName::from_static("lambda-runtime-trace-id"), self.trace_id.clone());
        Event { payload: self.payload.clone(), headers }
    }

    /// Lets `environment` work on it. The second part says whether the environment can be used again.
    pub(super) async fn run(
        &self,
        environment: &mut Environment,
        spec: &FunctionSpec,
        stop: &CancellationToken,
    ) -> Result<(Completed, bool), NotTaken> {
        let log = environment.log.clone();
        environment.ready(spec.timeout, stop).await?;
        log.begin();
        log.line(&start_line(&self.request_id));
        while !environment.hand_over(self.event(spec.timeout)) {
            environment.ready(spec.timeout, stop).await?;
        }
        let started = Instant::now();
        let ending = self.ending(environment, spec.timeout, stop).await;
        let duration = started.elapsed();
        let used_mb = environment.process.peak_memory_mb();
        if matches!(ending, Ending::Failed(Failure::TimedOut(_) | Failure::Stopped, _)) {
            environment.process.kill().await;
        }
        environment.process.caught_up().await;

        let (outcome, failure, reply, usable) = match ending {
            Ending::Answered(payload, reply) => (Outcome::Answer(payload), None, Some((reply, Ok(()))), true),
            Ending::Reported(error, reply) => {
                (Outcome::FunctionError(error.payload), None, Some((reply, Ok(()))), true)
            }
            Ending::Failed(failure, reply) => {
                log.line(&failure.log_line(&self.request_id));
                let payload = failure.payload(&self.request_id);
                let usable = failure == Failure::AnswerTooLarge;
                let reply = reply.map(|reply| (reply, Err(Refusal::TooLarge)));
                (Outcome::FunctionError(payload), Some(failure), reply, usable)
            }
        };
        log.line(&end_line(&self.request_id));
        let report = Report {
            request_id: &self.request_id,
            duration,
            memory_mb: spec.memory_mb,
            used_mb,
            init: environment.init.take(),
            failure,
        };
        log.line(&report.line());
        // Only now, so that what the process prints from here on comes after the END line.
        if let Some((reply, answer)) = reply {
            // The process may have ended after its answer.
            let _ = reply.send(answer);
        }
        Ok((Completed { outcome, log_tail: log.tail() }, usable))
    }

    async fn ending(
        &self,
        environment: &mut Environment,
        limit: Duration,
        stop: &CancellationToken,
    ) -> Ending {
        let deadline = tokio::time::sleep_until(Deadline::now() + limit);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                biased;
                Some(call) = environment.calls.recv() => match call {
                    Call::Response { request_id, payload, reply } if request_id == self.request_id => {
                        return match payload {
                            Payload::Whole(bytes) => Ending::Answered(bytes, reply),
                            Payload::TooLarge => Ending::Failed(Failure::AnswerTooLarge, Some(reply)),
                        };
                    }
                    Call::Error { request_id, error, reply } if request_id == self.request_id => {
                        return Ending::Reported(error, reply);
                    }
                    Call::Response { reply, .. } | Call::Error { reply, .. } => refuse_unknown(reply),
                    Call::InitError { reply, .. } => refuse_late_init(reply),
                    Call::Next(reply) => {
                        // The process may have hung up.
                        let _ = reply.send(Err(Refusal::OutOfTurn("the last event has not been answered")));
                    }
                },
                status = environment.process.exited() => {
                    // Not even its status can be had: as if it had given no reason.
                    let status = status.unwrap_or_default();
                    return Ending::Failed(Failure::Exited(status), None);
                }
                () = &mut deadline => return Ending::Failed(Failure::TimedOut(limit), None),
                () = stop.cancelled() => return Ending::Failed(Failure::Stopped, None),
            }
        }
    }
}

/// A trace header of the X-Ray form that is not sampled.
fn new_trace_id() -> HeaderValue {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let parent = uuid::Uuid::new_v4().simple().to_string();
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let text = format!("Root=1-{seconds:08x}-{};Parent={};Sampled=0", &random[..24], &parent[..16]);
    HeaderValue::from_str(&text).expect("hexadecimal digits and punctuation make a header value")
}
