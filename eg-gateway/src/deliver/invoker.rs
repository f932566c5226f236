//! Calls functions within a trace, and reports each call as a span. [`Callers`] calls the providers, and
//! `system_events` informs subscribers.

use bytes::Bytes;
use eg_grammar::is_system_event_type;
use eg_sdk::TraceContext;
use eg_sdk::config::Function;

use super::{CallError, Caller, Callers};
use crate::clock;
use crate::decide::event::Outgoing;
use crate::spans::Spans;

/// Calls functions.
pub(crate) struct Invoker<C = Callers> {
    callers: C,
    spans: Spans,
}

impl<C: Caller> Invoker<C> {
    pub(crate) fn new(callers: C, spans: Spans) -> Self {
        Self { callers, spans }
    }

    /// Calls `function` with a question about an event of the trace `origin`.
    pub(crate) async fn ask(
        &self,
        function: &Function,
        question: Bytes,
        origin: &TraceContext,
    ) -> Result<Bytes, CallError> {
        let (span, started) = (origin.child(), clock::instant());
        let result = self.callers.call(function, question, &span).await;
        let (took, error) = (started.elapsed(), result.as_ref().err());
        self.spans.called(origin, &span, "authorize", &function.function_id, took, error);
        result
    }

    /// Calls `function` once with an event, and returns its answer.
    pub(crate) async fn invoke(&self, function: &Function, event: &Outgoing) -> Result<Bytes, CallError> {
        let (span, started) = (event.trace.child(), clock::instant());
        let result = self.callers.call(function, event.json.clone(), &span).await;
        if !is_system_event_type(&event.ty) {
            let (took, error) = (started.elapsed(), result.as_ref().err());
            self.spans.called(&event.trace, &span, &event.ty, &function.function_id, took, error);
        }
        result
    }
}
