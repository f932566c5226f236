//! What a function's response means for an event: done, try again, or never again. Decides; reports to nobody.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::json;

/// How an invocation failed. Travels in the response's extensions when the function returned an `Error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
    /// Where in the code, when that is known.
    pub(crate) place: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Try again later.
    Retry,
    /// Never again.
    Reject,
    /// The function panicked; try again, it may have been the moment.
    Panic,
    /// The function was cancelled shortly before its deadline; try again.
    Timeout,
    /// The answer is larger than what Lambda takes.
    TooLarge,
}

impl FailureKind {
    /// The rule for statuses, the same that the gateway has for HTTP functions.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            408 | 409 | 425 | 429 => Self::Retry,
            400..=499 => Self::Reject,
            _ => Self::Retry,
        }
    }

    /// Whether the function did not get to answer.
    pub(crate) fn is_breakdown(self) -> bool {
        matches!(self, Self::Panic | Self::Timeout)
    }

    /// `errorType` in Lambda's error report. `Reject` is what the gateway looks for.
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

    /// The failure that `response` stands for, if it does.
    pub(crate) fn of(response: &Response) -> Option<Self> {
        if let Some(failure) = response.extensions().get::<Self>() {
            return Some(failure.clone());
        }
        let status = response.status();
        // What layers make of an answer may have lost the failure; the status is still there.
        (status.is_client_error() || status.is_server_error())
            .then(|| Self::new(FailureKind::of_status(status), format!("it answered {status}")))
    }

    /// The 500 that stands for a function that did not get to answer.
    pub(crate) fn into_response(self) -> Response {
        // What went wrong inside is for the log, not for whoever sent the request.
        let shown = Json(json!({ "errors": ["Internal Server Error"] }));
        let mut response = (StatusCode::INTERNAL_SERVER_ERROR, shown).into_response();
        response.extensions_mut().insert(self);
        response
    }

    /// Puts the failure on record where the function's own output goes.
    pub(crate) fn log(&self, of: &str) {
        eprintln!("{} `{of}`: {}", self.kind.error_type().to_lowercase(), self.message);
    }

    /// The same, with the text of the body as message where the function gave no other: rejections of
    /// extractors say there what is wrong.
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
