//! Calls functions within a trace, and reports each call as a span. [`Callers`] calls the providers, and
//! `system_events` informs subscribers.

use std::time::Duration;

use bytes::Bytes;
use eg_grammar::is_system_event_type;
use eg_sdk::TraceContext;
use eg_sdk::config::Function;

use super::streams::Answered;
use super::{CallError, Caller, Callers, within};
use crate::budget::Reservation;
use crate::clock;
use crate::decide::event::Outgoing;
use crate::outbound::reading::Reading;
use crate::recent::Notes;
use crate::spans::Spans;
use eg_grammar::{DeliveryPolicy, Redelivery};

/// When a call is repeated while an emitter waits for its answer. `max_age` is the timeout of the call.
const WHILE_WAITING: DeliveryPolicy = DeliveryPolicy {
    attempts: 4,
    min_backoff: Duration::from_millis(200),
    max_backoff: Duration::from_secs(1),
    max_age: Duration::MAX,
};

/// Calls functions.
pub(crate) struct Invoker<C = Callers> {
    callers: C,
    spans: Spans,
}

impl Invoker {
    /// Calls `function` for an emitter that waits for the answer. A call that the provider could not make is repeated
    /// within the function's timeout. The memory of the answer is added to `room`; that of a streamed one only up to its
    /// beginning.
    pub(crate) async fn answer(
        &self,
        function: &Function,
        event: &Outgoing,
        room: &Reservation,
        notes: &Notes,
    ) -> Result<Answered, CallError> {
        let converse = || {
            self.traced(function, event, |span| async move {
                (self.callers.converse(function, event.json.clone(), &span, room, notes).await, span)
            })
        };
        self.patiently(function, converse).await
    }

    /// Calls `function` with a question about an event of the trace `origin`, as [`answer`](Self::answer) calls it.
    pub(crate) async fn ask(
        &self,
        function: &Function,
        question: Bytes,
        origin: &TraceContext,
        room: &Reservation,
    ) -> Result<Bytes, CallError> {
        self.patiently(function, || self.ask_once(function, question.clone(), origin, room)).await
    }

    async fn patiently<T, F>(&self, function: &Function, call: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let (started, mut failures, mut result) = (clock::instant(), 0, call().await);
        while let Err(CallError::Passing(error) | CallError::Unmade(error)) = &result {
            failures += 1;
            let limit = self.callers.timeout(function);
            let policy = DeliveryPolicy { max_age: limit, ..WHILE_WAITING };
            let next = policy.after_failure(failures, started.elapsed(), None, clock::random());
            let Redelivery::After(pause) = next else { break };
            tracing::debug!(function = function.function_id, %error, ?pause, "the call is repeated");
            tokio::time::sleep(pause).await;
            result = within(limit.saturating_sub(started.elapsed()), call()).await;
        }
        result
    }
}

impl<C: Caller> Invoker<C> {
    pub(crate) fn new(callers: C, spans: Spans) -> Self {
        Self { callers, spans }
    }

    /// Calls `function` once with a question about an event of the trace `origin`.
    async fn ask_once(
        &self,
        function: &Function,
        question: Bytes,
        origin: &TraceContext,
        room: &Reservation,
    ) -> Result<Bytes, CallError> {
        let (span, started) = (origin.child(), clock::instant());
        let result =
            self.callers.call(function, question, &span, Reading::All(room), &Notes::default()).await;
        let (took, error) = (started.elapsed(), result.as_ref().err());
        self.spans.called(origin, &span, "authorize", &function.function_id, took, error);
        result
    }

    /// Calls `function` once with an event, and returns its answer, or as much of it as `reading` says.
    pub(crate) async fn invoke(
        &self,
        function: &Function,
        event: &Outgoing,
        reading: Reading<'_>,
        notes: &Notes,
    ) -> Result<Bytes, CallError> {
        self.traced(function, event, |span| async move {
            (self.callers.call(function, event.json.clone(), &span, reading, notes).await, span)
        })
        .await
    }

    /// Makes a call with an event, and reports it as the span that the call gets and returns.
    async fn traced<T, F>(
        &self,
        function: &Function,
        event: &Outgoing,
        call: impl FnOnce(TraceContext) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = (Result<T, CallError>, TraceContext)>,
    {
        let started = clock::instant();
        let (result, span) = call(event.trace.child()).await;
        if !is_system_event_type(&event.ty) {
            let (took, error) = (started.elapsed(), result.as_ref().err());
            self.spans.called(&event.trace, &span, &event.ty, &function.function_id, took, error);
        }
        result
    }
}
