//! Calls functions from within the process, like AWS's own services do: with a payload, waiting for the answer.
//! `invoke_api` does the same for callers outside.

use std::time::Duration;

use bytes::Bytes;

use super::arn::FunctionName;
use super::invocation::{Invocation, Outcome, check_payload};
use super::registry::Registry;
use super::runtime_api::ReportedError;
use super::status::{InvokeError, MAX_PAYLOAD};

/// Calls the functions of one emulator; cheap to clone.
#[derive(Debug, Clone)]
pub struct Invoker(Registry);

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
        Self(registry)
    }

    /// Calls `function` with a JSON payload and returns its answer. The call continues if the future is dropped, as
    /// on Lambda.
    pub async fn invoke(&self, function: &str, payload: impl Into<Bytes>) -> Result<Bytes, CallError> {
        let completed = self.run(function, payload.into()).await;
        match completed.map_err(|error| CallError::Refused(error.to_string()))? {
            Outcome::Answer(answer) => Ok(answer),
            Outcome::FunctionError(payload) => {
                let ReportedError { payload, error_type, message } = ReportedError::read(None, payload);
                Err(CallError::Failed { error_type, message, payload })
            }
        }
    }

    /// Returns the delays before the retries of a failed event of `function`; empty if the function does not exist.
    pub(crate) fn event_retries(&self, function: &str) -> Vec<Duration> {
        self.0.get(function).map(|function| function.event_retries()).unwrap_or_default()
    }

    async fn run(&self, id: &str, payload: Bytes) -> Result<Outcome, InvokeError> {
        let payload = check_payload(payload, MAX_PAYLOAD)?;
        let Some(function) = self.0.get(id) else {
            return Err(InvokeError::FunctionNotFound(FunctionName::latest(id)));
        };
        let place = function.reserve().await?;
        let invocation = Invocation::new(id, payload, None);
        let task = self.0.work().spawn(async move { function.invoke(&invocation, place).await })?;
        Ok(task.await.map_err(|_| InvokeError::Stopping)?.outcome)
    }
}
