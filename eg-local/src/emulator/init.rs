//! Why a function process never requested its first event: as a message, and as the payload for a waiting caller.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;

use super::extensions::Trouble;
use super::report::{Failure, describe_exit, error_payload};

/// Why a process did not become ready.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitFailure {
    /// The program could not be started at all.
    #[error("cannot start {}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The process reported why it cannot start (`POST /runtime/init/error`).
    #[error("{message}")]
    Reported {
        /// The kind of error, as posted.
        error_type: String,
        /// The message.
        message: String,
        /// The whole error, as posted.
        payload: Bytes,
    },
    /// The process ended before it requested an event.
    #[error("{}{}", describe_exit(*status), quoted(last_words))]
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// Its last lines on stderr.
        last_words: Vec<String>,
    },
    /// The process was killed because it did not request an event in time.
    #[error("not ready after {:.0} seconds{}", limit.as_secs_f64(), quoted(last_words))]
    TimedOut {
        /// The time limit.
        limit: Duration,
        /// Its last lines on stderr.
        last_words: Vec<String>,
    },
    /// An extension could not start or ended immediately.
    #[error("{message}{}", quoted(last_words))]
    Extension {
        /// Returns Lambda's name for it.
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

    /// Returns Lambda's name for it.
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

    /// Returns the payload for the caller whose invocation needed the process.
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
