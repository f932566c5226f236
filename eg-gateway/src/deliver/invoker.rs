//! Calls functions, and reports each call as system events and spans. How a provider is called is left to `Callers`.

use bytes::Bytes;
use eg_sdk::TraceContext;
use eg_sdk::config::Function;

use super::{CallError, Callers};
use crate::clock;
use crate::decide::event::Outgoing;
use crate::decide::system::{self, Call, Happening};
use crate::spans::Spans;
use crate::system::SystemEvents;

/// Calls functions.
pub(crate) struct Invoker {
    callers: Callers,
    system: SystemEvents,
    spans: Spans,
}

impl Invoker {
    pub(crate) fn new(callers: Callers, system: SystemEvents, spans: Spans) -> Self {
        Self { callers, system, spans }
    }

    pub(crate) fn system(&self) -> &SystemEvents {
        &self.system
    }

    /// Calls `function` with a question about an event of the trace `origin`. No system event reports the call.
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

    /// Calls `function` with an event, once, and returns what the function answered.
    pub(crate) async fn invoke(&self, function: &Function, event: &Outgoing) -> Result<Bytes, CallError> {
        let span = event.trace.child();
        if system::is_system(&event.ty) {
            return self.callers.call(function, event.json.clone(), &span).await;
        }
        let space = function.space.as_str();
        let call = Call { space, function: &function.function_id, event };
        self.system.tell(space, &Happening::Invoking(call)).await;
        let started = clock::instant();
        let result = self.callers.call(function, event.json.clone(), &span).await;
        let (took, error) = (started.elapsed(), result.as_ref().err());
        self.spans.called(&event.trace, &span, &event.ty, &function.function_id, took, error);
        match &result {
            Ok(reply) => self.system.tell(space, &Happening::Invoked { call, reply }).await,
            Err(error) => {
                self.system.tell(space, &Happening::Failed { call, error: &error.to_string() }).await;
            }
        }
        result
    }
}
