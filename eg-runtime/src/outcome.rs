//! Decides what a function's response means for an event: done, retry, or reject. Reports nothing.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use eg_grammar::Verdict;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::json;

/// How an invocation failed. Carried in the response's extensions if the function returned an `Error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
    /// The place in the code, if known.
    pub(crate) place: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Retry later.
    Retry,
    /// Do not retry.
    Reject,
    /// The function panicked. Retry, because the cause may be temporary.
    Panic,
    /// The function was cancelled shortly before its deadline. Retry.
    Timeout,
    /// The answer exceeds Lambda's limit.
    TooLarge,
}

impl FailureKind {
    /// How a function failed that answered with this status. An error that carries a status of success is
    /// retried.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match Verdict::of_status(status.as_u16()) {
            Verdict::Reject => Self::Reject,
            Verdict::Done | Verdict::Retry => Self::Retry,
        }
    }

    /// Returns whether the function gave no answer.
    pub(crate) fn is_breakdown(self) -> bool {
        matches!(self, Self::Panic | Self::Timeout)
    }

    /// Returns the `errorType` of Lambda's error report. The gateway recognizes `Reject`.
    pub(crate) fn error_type(self) -> &'static str {
        match self {
            Self::Retry => "Retry",
            Self::Reject => "Reject",
            Self::Panic => "Panic",
            Self::Timeout => "Timeout",
            Self::TooLarge => "ResponseTooLarge",
        }
    }
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: String) -> Self {
        Self { kind, message, place: None }
    }

    /// Returns the failure of `response` for a caller that gets the answer: an error status. A redirect is an answer.
    pub(crate) fn of(response: &Response) -> Option<Self> {
        let status = response.status();
        Self::recorded(response).or_else(|| {
            (status.is_client_error() || status.is_server_error()).then(|| Self::answered(status))
        })
    }

    /// Returns the failure of `response` for an event, whose emitter sees no answer: anything but success.
    fn of_event(response: &Response) -> Option<Self> {
        let status = response.status();
        Self::recorded(response).or_else(|| {
            (Verdict::of_status(status.as_u16()) != Verdict::Done).then(|| Self::answered(status))
        })
    }

    /// Returns the failure that the function returned. A layer may have dropped it, but the status remains.
    fn recorded(response: &Response) -> Option<Self> {
        response.extensions().get::<Self>().cloned()
    }

    fn answered(status: StatusCode) -> Self {
        Self::new(FailureKind::of_status(status), format!("it answered {status}"))
    }

    /// Builds the 500 for a function that gave no answer.
    pub(crate) fn into_response(self) -> Response {
        // Internal errors belong in the log, not in the response.
        let shown = Json(json!({ "errors": ["Internal Server Error"] }));
        let mut response = (StatusCode::INTERNAL_SERVER_ERROR, shown).into_response();
        response.extensions_mut().insert(self);
        response
    }

    /// Prints the failure to the function's log.
    pub(crate) fn log(&self, of: &str) {
        eprintln!("{} `{of}`: {}", self.kind.error_type().to_lowercase(), self.message);
    }

    /// Returns the failure of `response` for an event, if it is one, with the body as message if the function gave none:
    /// rejections of extractors put their message there.
    pub(crate) async fn explained(response: Response) -> Result<Response, Self> {
        let Some(mut failure) = Self::of_event(&response) else { return Ok(response) };
        if Self::recorded(&response).is_none()
            && let Ok(body) = response.into_body().collect().await
            && let Ok(text) = std::str::from_utf8(&body.to_bytes())
            && !text.is_empty()
        {
            failure.message = text.to_owned();
        }
        Err(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A redirect ends a request, and not an event: whoever emitted it will not follow.
    #[test]
    fn statuses_of_answers_and_of_events() {
        let kind = |failure: Option<Failure>| failure.map(|failure| failure.kind);
        let (retry, reject) = (Some(FailureKind::Retry), Some(FailureKind::Reject));
        for (status, answer, event) in [
            (204, None, None),
            (303, None, retry),
            (404, reject, reject),
            (410, reject, reject),
            (429, retry, retry),
            (503, retry, retry),
        ] {
            let response = StatusCode::from_u16(status).unwrap().into_response();
            assert_eq!(kind(Failure::of(&response)), answer, "{status}");
            assert_eq!(kind(Failure::of_event(&response)), event, "{status}");
        }
    }
}
