//! Calls functions and tells those who subscribed to that.

use bytes::Bytes;
use eg_sdk::config::Function;

use super::{CallError, Callers};
use crate::clock;
use crate::decide::system::{self, Call, Happening};
use crate::decide::trace;
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

    /// Calls `function` with something that is no event, and tells nobody. `event` is what it is about.
    pub(crate) async fn ask(
        &self,
        function: &Function,
        question: Bytes,
        event: &[u8],
    ) -> Result<Bytes, CallError> {
        let (origin, started) = (trace::of_event(event), clock::instant());
        let span = origin.child();
        let result = self.callers.call(function, question, &span).await;
        let (took, error) = (started.elapsed(), result.as_ref().err());
        self.spans.called(&origin, &span, "authorize", &function.function_id, took, error);
        result
    }

    /// Calls `function` with the JSON of an event, once, and returns what it answered.
    pub(crate) async fn invoke(
        &self,
        function: &Function,
        event_type: &str,
        event: Bytes,
    ) -> Result<Bytes, CallError> {
        let origin = trace::of_event(&event);
        let span = origin.child();
        if system::is_system(event_type) {
            return self.callers.call(function, event, &span).await;
        }
        let space = function.space.as_str();
        let call = Call { space, function: &function.function_id, event: &event };
        self.system.tell(space, &Happening::Invoking(call)).await;
        let started = clock::instant();
        let result = self.callers.call(function, event.clone(), &span).await;
        let (took, error) = (started.elapsed(), result.as_ref().err());
        self.spans.called(&origin, &span, event_type, &function.function_id, took, error);
        match &result {
            Ok(reply) => self.system.tell(space, &Happening::Invoked { call, reply }).await,
            Err(error) => {
                self.system.tell(space, &Happening::Failed { call, error: &error.to_string() }).await;
            }
        }
        result
    }
}
