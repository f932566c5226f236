//! Calls functions and tells those who subscribed to that.

use bytes::Bytes;
use eg_sdk::config::Function;

use super::{CallError, Callers};
use crate::decide::system::{self, Call, Happening};
use crate::system::SystemEvents;

/// Calls functions.
pub(crate) struct Invoker {
    callers: Callers,
    system: SystemEvents,
}

impl Invoker {
    pub(crate) fn new(callers: Callers, system: SystemEvents) -> Self {
        Self { callers, system }
    }

    pub(crate) fn system(&self) -> &SystemEvents {
        &self.system
    }

    /// Calls `function` with something that is no event, and tells nobody.
    pub(crate) async fn ask(&self, function: &Function, question: Bytes) -> Result<Bytes, CallError> {
        self.callers.call(function, question).await
    }

    /// Calls `function` with the JSON of an event, once, and returns what it answered.
    pub(crate) async fn invoke(
        &self,
        function: &Function,
        event_type: &str,
        event: Bytes,
    ) -> Result<Bytes, CallError> {
        if system::is_system(event_type) {
            return self.callers.call(function, event).await;
        }
        let space = function.space.as_str();
        let call = Call { space, function: &function.function_id, event: &event };
        self.system.tell(space, &Happening::Invoking(call)).await;
        let result = self.callers.call(function, event.clone()).await;
        match &result {
            Ok(reply) => self.system.tell(space, &Happening::Invoked { call, reply }).await,
            Err(error) => {
                self.system.tell(space, &Happening::Failed { call, error: &error.to_string() }).await;
            }
        }
        result
    }
}
