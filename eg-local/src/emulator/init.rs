//! Why a function process never asked for its first event, in words for people and as the payload
//! that a waiting caller gets.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;

use super::extensions::Trouble;
use super::report::{Failure, describe_exit, error_payload};

/// A process that could not be made ready.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitFailure {
    /// The program could not be started at all.
    #[error("cannot start {}", program.display())]
    Spawn {
        /// What was to be started.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The process said itself why it cannot start (`POST /runtime/init/error`).
    #[error("{message}")]
    Reported {
        /// The kind of error, as posted.
        error_type: String,
        /// What it said.
        message: String,
        /// The whole error, as posted.
        payload: Bytes,
    },
    /// The process ended before it asked for an event.
    #[error("{}{}", describe_exit(*status), quoted(last_words))]
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// Its last lines on stderr.
        last_words: Vec<String>,
    },
    /// The process was killed because it did not ask for an event in time.
    #[error("not ready after {:.0} seconds{}", limit.as_secs_f64(), quoted(last_words))]
    TimedOut {
        /// How long it had.
        limit: Duration,
        /// Its last lines on stderr.
        last_words: Vec<String>,
    },
    /// An extension could not start, or ended at once.
    #[error("{message}{}", quoted(last_words))]
    Extension {
        /// Lambda's name for it.
        error_type: &'static str,
        /// What went wrong.
        message: &'static str,
        /// The last lines on stderr.
        last_words: Vec<String>,
    },
    /// The emulator was stopped first.
    #[error("the emulator was stopped")]
    Stopped,
}

impl InitFailure {
    pub(super) fn extension(trouble: Trouble, last_words: Vec<String>) -> Self {
        Self::Extension { error_type: trouble.error_type(), message: trouble.message(), last_words }
    }

    /// Lambda's name for it.
    pub(super) fn error_type(&self) -> &str {
        match self {
            Self::Spawn { .. } => "Runtime.InvalidEntrypoint",
            Self::Reported { error_type, .. } => error_type,
            Self::Exited { .. } => "Runtime.ExitError",
            Self::TimedOut { .. } => "Sandbox.Timedout",
            Self::Extension { error_type, .. } => error_type,
            Self::Stopped => Failure::Stopped.error_type(),
        }
    }

    /// What the caller gets whose invocation needed the process.
    pub(super) fn payload(&self, request_id: &str) -> Bytes {
        match self {
            Self::Reported { payload, .. } => payload.clone(),
            Self::Exited { status, .. } => Failure::Exited(*status).payload(request_id),
            Self::TimedOut { limit, .. } => Failure::TimedOut(*limit).payload(request_id),
            Self::Extension { error_type, message, .. } => {
                error_payload(error_type, &format!("RequestId: {request_id} Error: {message}"))
            }
            Self::Stopped => Failure::Stopped.payload(request_id),
            Self::Spawn { source, .. } => {
                let message = format!("RequestId: {request_id} Error: {self}: {source}");
                error_payload(self.error_type(), &message)
            }
        }
    }
}

fn quoted(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines.iter().map(|line| format!("\n    {line}")).collect();
    format!("; its last lines were:{lines}")
}
