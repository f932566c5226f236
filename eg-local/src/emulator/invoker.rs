//! Calls functions from within the process, like AWS's own services do: with a payload, waiting for the answer.
//! `invoke_api` does the same for callers outside.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::arn::FunctionName;
use super::invocation::{Completed, Invocation, Outcome, check_payload};
use super::registry::Registry;
use super::runtime_api::ReportedError;
use super::status::{InvokeError, MAX_PAYLOAD};

/// Calls the functions of one emulator; cheap to clone.
#[derive(Clone)]
pub struct Invoker {
    registry: Registry,
    observe: Arc<dyn Fn(EndedCall) + Send + Sync>,
}

impl fmt::Debug for Invoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invoker").finish_non_exhaustive()
    }
}

/// A call of a function that ended, for the observer of an [`Invoker`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedCall {
    /// Id of the function.
    pub function: String,
    /// What called it, for example `queue orders` or `rate(5 minutes)`.
    pub trigger: String,
    /// Duration of the call.
    pub duration: Duration,
    /// The error if the call failed.
    pub error: Option<String>,
    /// The end of what the function printed during the call, at most 4 KB.
    pub log: Vec<u8>,
}

/// Why a call returned no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The call did not reach the function: the function does not exist or is throttled, the payload is too large, or
    /// the emulator is stopping.
    #[error("{0}")]
    Refused(String),
    /// The function failed, or ended without an answer.
    #[error("{message}")]
    Failed {
        /// The kind of error, for example `Runtime.ExitError` or what the function reported.
        error_type: String,
        /// The function's message, or Lambda's.
        message: String,
        /// The whole error object, as callers of the Invoke API get it.
        payload: Bytes,
    },
}

impl Invoker {
    pub(super) fn new(registry: Registry) -> Self {
        Self { registry, observe: Arc::new(drop) }
    }

    /// Returns an invoker that reports each call that ends to `observe`, which must return quickly. A call whose future is
    /// dropped is not reported.
    #[must_use]
    pub fn observed(self, observe: impl Fn(EndedCall) + Send + Sync + 'static) -> Self {
        Self { observe: Arc::new(observe), ..self }
    }

    /// Calls `function` with a JSON payload and returns its answer. The call continues if the future is dropped, as
    /// on Lambda. `trigger` says to the observer what calls the function.
    pub async fn invoke(
        &self,
        trigger: &str,
        function: &str,
        payload: impl Into<Bytes>,
    ) -> Result<Bytes, CallError> {
        let started = Instant::now();
        let (answer, log) = match self.run(function, payload.into()).await {
            Err(error) => (Err(CallError::Refused(error.to_string())), Vec::new()),
            Ok(Completed { outcome: Outcome::Answer(answer), log_tail }) => (Ok(answer), log_tail),
            Ok(Completed { outcome: Outcome::FunctionError(payload), log_tail }) => {
                let ReportedError { payload, error_type, message } = ReportedError::read(None, payload);
                (Err(CallError::Failed { error_type, message, payload }), log_tail)
            }
        };
        (self.observe)(EndedCall {
            function: function.to_owned(),
            trigger: trigger.to_owned(),
            duration: started.elapsed(),
            error: answer.as_ref().err().map(ToString::to_string),
            log,
        });
        answer
    }

    /// Returns the delays before the retries of a failed event of `function`; empty if the function does not exist.
    pub(crate) fn event_retries(&self, function: &str) -> Vec<Duration> {
        self.registry.get(function).map(|function| function.event_retries()).unwrap_or_default()
    }

    async fn run(&self, id: &str, payload: Bytes) -> Result<Completed, InvokeError> {
        let payload = check_payload(payload, MAX_PAYLOAD)?;
        let Some(function) = self.registry.get(id) else {
            return Err(InvokeError::FunctionNotFound(FunctionName::latest(id)));
        };
        let place = function.reserve().await?;
        let invocation = Invocation::new(id, payload, None);
        let task = self.registry.work().spawn(async move { function.invoke(&invocation, place).await })?;
        task.await.map_err(|_| InvokeError::Stopping)
    }
}
