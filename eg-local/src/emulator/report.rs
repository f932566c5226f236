//! Formats the lines that Lambda writes around a function's output, and the error payloads that Lambda returns
//! instead of the function's answer. Knows no clock and no file.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use time::{OffsetDateTime, UtcOffset};

use super::arn::LATEST;
use super::extensions::Trouble;

/// The content of a `REPORT` line.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) request_id: &'a str,
    pub(super) duration: Duration,
    pub(super) memory_mb: u32,
    /// The peak memory of the process; unknown once it has ended.
    pub(super) used_mb: Option<u64>,
    /// Only with the first invocation of a process. A custom runtime's start is billed.
    pub(super) init: Option<Duration>,
    /// `None` if the function answered or reported an error itself.
    pub(super) failure: Option<Failure>,
}

/// Why an invocation ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The time limit was reached and the process killed.
    TimedOut(Duration),
    /// The process ended on its own.
    Exited(ExitStatus),
    /// The answer is larger than Lambda allows.
    AnswerTooLarge,
    /// A streamed answer was interrupted.
    Truncated,
    /// An extension ended, or reported its end.
    Extension(Trouble),
    /// The emulator was stopped.
    Stopped,
}

impl Failure {
    /// Returns Lambda's name for it.
    pub(super) fn error_type(self) -> &'static str {
        match self {
            Self::TimedOut(_) => "Sandbox.Timedout",
            Self::Exited(_) => "Runtime.ExitError",
            Self::AnswerTooLarge => "Function.ResponseSizeTooLarge",
            Self::Truncated => "Runtime.TruncatedResponse",
            Self::Extension(trouble) => trouble.error_type(),
            Self::Stopped => "Sandbox.Stopped",
        }
    }

    fn message(self) -> String {
        match self {
            Self::TimedOut(limit) => format!("Task timed out after {:.2} seconds", limit.as_secs_f64()),
            Self::Exited(status) => describe_exit(status),
            Self::AnswerTooLarge => format!(
                "Response payload size exceeded maximum allowed payload size ({} bytes).",
                super::status::MAX_PAYLOAD
            ),
            Self::Truncated => "the streamed response broke off before its end".to_owned(),
            Self::Extension(trouble) => trouble.message().to_owned(),
            Self::Stopped => "the emulator was stopped".to_owned(),
        }
    }

    /// Returns the line for the function's log.
    pub(super) fn log_line(self, request_id: &str, now: OffsetDateTime) -> String {
        match self {
            Self::TimedOut(_) => format!("{} {request_id} {}", timestamp(now), self.message()),
            _ => format!("RequestId: {request_id} Error: {}", self.message()),
        }
    }

    /// Returns the payload that the caller gets instead of an answer.
    pub(super) fn payload(self, request_id: &str) -> Bytes {
        let message = match self {
            Self::AnswerTooLarge => self.message(),
            _ => format!("RequestId: {request_id} Error: {}", self.message()),
        };
        error_payload(self.error_type(), &message)
    }
}

/// Builds the error object for Lambda's callers.
pub(super) fn error_payload(error_type: &str, message: &str) -> Bytes {
    json!({"errorType": error_type, "errorMessage": message}).to_string().into()
}

pub(super) fn start_line(request_id: &str) -> String {
    format!("START RequestId: {request_id} Version: {LATEST}")
}

pub(super) fn end_line(request_id: &str) -> String {
    format!("END RequestId: {request_id}")
}

/// Returns the line for a process that never requested an event.
pub(super) fn init_line(duration: Duration, error_type: &str) -> String {
    format!(
        "INIT_REPORT Init Duration: {:.2} ms\tPhase: init\tStatus: error\tError Type: {error_type}",
        millis(duration)
    )
}

impl Report<'_> {
    pub(super) fn line(&self) -> String {
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB",
            self.request_id,
            millis(self.duration),
            (self.duration + self.init.unwrap_or_default()).as_nanos().div_ceil(1_000_000),
            self.memory_mb
        );
        if let Some(used) = self.used_mb {
            line += &format!("\tMax Memory Used: {used} MB");
        }
        if let Some(init) = self.init {
            line += &format!("\tInit Duration: {:.2} ms", millis(init));
        }
        match self.failure {
            None => {}
            Some(Failure::TimedOut(_)) => line += "\tStatus: timeout",
            Some(failure) => line += &format!("\tStatus: error\tError Type: {}", failure.error_type()),
        }
        line
    }
}

/// Describes how a process ended, in Lambda's words.
pub(super) fn describe_exit(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(signal)) => format!("Runtime exited with error: signal: {}", signal_name(signal)),
        (None, None) => "Runtime exited with error".to_owned(),
    }
}

/// Formats a time like Lambda: UTC with milliseconds.
fn timestamp(now: OffsetDateTime) -> String {
    let (hour, minute, second, millisecond) = now.to_offset(UtcOffset::UTC).to_hms_milli();
    let date = now.to_offset(UtcOffset::UTC).date();
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

fn signal_name(signal: i32) -> String {
    match signal {
        4 => "illegal instruction".to_owned(),
        6 => "aborted".to_owned(),
        9 => "killed".to_owned(),
        11 => "segmentation fault".to_owned(),
        15 => "terminated".to_owned(),
        other => other.to_string(),
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_lambdas_columns() {
        let report = Report {
            request_id: "id-1",
            duration: Duration::from_micros(1_230),
            memory_mb: 128,
            used_mb: Some(7),
            init: Some(Duration::from_micros(2_500)),
            failure: None,
        };
        assert_eq!(
            report.line(),
            "REPORT RequestId: id-1\tDuration: 1.23 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\t\
             Max Memory Used: 7 MB\tInit Duration: 2.50 ms"
        );
        let failed = Report { used_mb: None, init: None, failure: Some(exit(1)), ..report };
        assert_eq!(
            failed.line(),
            "REPORT RequestId: id-1\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\t\
             Status: error\tError Type: Runtime.ExitError"
        );
    }

    #[test]
    fn a_time_limit_is_logged_with_the_time() {
        let now = OffsetDateTime::from_unix_timestamp_nanos(1_795_270_481_023_000_000).unwrap();
        assert_eq!(
            Failure::TimedOut(Duration::from_secs(3)).log_line("id-1", now),
            "2026-11-21T14:14:41.023Z id-1 Task timed out after 3.00 seconds"
        );
    }

    #[test]
    fn failures_have_lambdas_words() {
        let check = |failure: Failure, expected: &str| {
            let payload: serde_json::Value = serde_json::from_slice(&failure.payload("id-1")).unwrap();
            assert_eq!(payload, serde_json::from_str::<serde_json::Value>(expected).unwrap());
        };
        check(
            Failure::TimedOut(Duration::from_secs(30)),
            r#"{"errorMessage":"RequestId: id-1 Error: Task timed out after 30.00 seconds","errorType":"Sandbox.Timedout"}"#,
        );
        check(
            exit(1),
            r#"{"errorMessage":"RequestId: id-1 Error: Runtime exited with error: exit status 1","errorType":"Runtime.ExitError"}"#,
        );
        check(
            exit(0),
            r#"{"errorMessage":"RequestId: id-1 Error: Runtime exited without providing a reason","errorType":"Runtime.ExitError"}"#,
        );
        check(
            Failure::Exited(ExitStatus::from_raw(9)),
            r#"{"errorMessage":"RequestId: id-1 Error: Runtime exited with error: signal: killed","errorType":"Runtime.ExitError"}"#,
        );
    }

    fn exit(code: i32) -> Failure {
        Failure::Exited(ExitStatus::from_raw(code << 8))
    }
}
