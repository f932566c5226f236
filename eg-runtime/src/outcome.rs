//! Decides what a function's response means for an event: done, retry, or reject. Reports nothing.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
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
    /// Returns what a status means; the same rule as the gateway's for HTTP functions.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            408 | 409 | 425 | 429 => Self::Retry,
            400..=499 => Self::Reject,
            _ => Self::Retry,
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

    /// Returns the failure of `response`, if it is one.
    pub(crate) fn of(response: &Response) -> Option<Self> {
        if let Some(failure) = response.extensions().get::<Self>() {
            return Some(failure.clone());
        }
        let status = response.status();
        // A layer may have dropped the failure from the extensions, but the status remains.
        (status.is_client_error() || status.is_server_error())
            .then(|| Self::new(FailureKind::of_status(status), format!("it answered {status}")))
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

    /// Prints the failure, with the body as message if the function gave none: rejections of extractors put their
    /// message there.
    pub(crate) async fn explained(response: Response) -> Result<Response, Self> {
        let Some(mut failure) = Self::of(&response) else { return Ok(response) };
        if response.extensions().get::<Self>().is_none()
            && let Ok(body) = response.into_body().collect().await
            && let Ok(text) = std::str::from_utf8(&body.to_bytes())
            && !text.is_empty()
        {
            failure.message = text.to_owned();
        }
        Err(failure)
    }
}
