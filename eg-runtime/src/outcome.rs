//! Decides what a function's response means for an event: done, retry, or reject. Leaves reporting to the adapters, and
//! printing to `log`.

use axum::Json;
use axum::body::{Body, HttpBody as _};
use axum::response::{IntoResponse as _, Response};
use eg_grammar::{Verdict, too_deep};
use http::StatusCode;
use http_body_util::{BodyExt as _, Collected};
use serde_json::json;

use crate::log::{Level, Line};

/// The maximum size of a body that is a message, in bytes.
const MAX_MESSAGE: u64 = 4096;

/// How an invocation failed. Carried in the response's extensions if the function returned an `Error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
    /// The place in the code, if known.
    pub(crate) place: Option<String>,
}

/// Marks the response of a failure that is in the log.
#[derive(Debug, Clone, Copy)]
struct Logged;

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
    /// A function with `#[invoke]` failed with an error of this type, for a caller that knows it.
    Named { error_type: &'static str, is_reject: bool },
}

/// The type that the function gave its error, in the response's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorType(pub(crate) &'static str);

/// Marks the response to an event that was not handled, for callers that get a response in any case.
#[derive(Clone, Copy)]
struct Unhandled;

impl FailureKind {
    /// How a function failed that answered with this status. An error that carries a status of success is
    /// retried.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match Verdict::of_status(status.as_u16()) {
            Verdict::Reject => Self::Reject,
            Verdict::Done | Verdict::Retry => Self::Retry,
        }
    }

    /// Returns the `errorType` of Lambda's error report. The gateway recognizes `Reject`.
    pub(crate) fn error_type(self) -> &'static str {
        match self {
            Self::Retry => "Retry",
            Self::Reject => "Reject",
            Self::Panic => "Panic",
            Self::Timeout => "Timeout",
            Self::TooLarge => "ResponseTooLarge",
            Self::Named { error_type, .. } => error_type,
        }
    }
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: String) -> Self {
        Self { kind, message, place: None }
    }

    /// Returns whether a retry cannot help.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.kind, FailureKind::Reject | FailureKind::Named { is_reject: true, .. })
    }

    /// Combines the outcomes of two functions for the same event: the first failure, but one that is retried goes before one
    /// that is final, because the event must come again.
    pub(crate) fn of_both<T>(first: Result<T, Self>, second: Result<T, Self>) -> Result<T, Self> {
        match (first, second) {
            (Err(first), Err(second)) if first.is_final() && !second.is_final() => Err(second),
            (Err(first), _) => Err(first),
            (Ok(_), second) => second,
        }
    }

    /// Returns the failure of `response` for a caller that gets the answer: an error status. A redirect is an answer.
    pub(crate) fn of(response: &Response) -> Option<Self> {
        let status = response.status();
        Self::recorded(response).or_else(|| {
            (status.is_client_error() || status.is_server_error()).then(|| Self::answered(status))
        })
    }

    /// Returns the failure of `response` for an event, whose emitter sees no answer: anything but success.
    pub(crate) fn of_event(response: &Response) -> Option<Self> {
        let status = response.status();
        Self::recorded(response).or_else(|| {
            (Verdict::of_status(status.as_u16()) != Verdict::Done).then(|| Self::answered(status))
        })
    }

    /// Returns the failure of `response` if it is no answer to a caller: the function panicked or missed its deadline,
    /// or did not handle an event that will be delivered again.
    pub(crate) fn without_answer(response: &Response) -> Option<Self> {
        let unhandled = response.extensions().get::<Unhandled>().is_some();
        Self::recorded(response)
            .filter(|failure| unhandled || matches!(failure.kind, FailureKind::Panic | FailureKind::Timeout))
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

    /// Builds the response for an event that was not handled, which is in the log.
    pub(crate) fn into_unhandled(self) -> Response {
        let mut response = self.into_response();
        response.extensions_mut().insert(Unhandled);
        response.extensions_mut().insert(Logged);
        response
    }

    /// Prints the failure to the function's log: that of a function, a queue or a route, or of a payload that is for none.
    pub(crate) fn log(&self, subject: Option<&str>, request_id: &str) {
        let (message, error_type) = (self.message.as_str(), Some(self.kind.error_type()));
        Line { level: Level::Error, message, subject, error_type, request_id: Some(request_id) }.print();
    }

    /// Prints the failure of an answer with a status of the server, unless it is in the log already. Returns the answer.
    pub(crate) async fn log_once(response: Response, subject: &str, request_id: &str) -> Response {
        if !response.status().is_server_error() || response.extensions().get::<Logged>().is_some() {
            return response;
        }
        let Some(failure) = Self::of(&response) else { return response };
        let (failure, mut response) = failure.explained(response).await;
        failure.log(Some(subject), request_id);
        response.extensions_mut().insert(Logged);
        response
    }

    /// Returns the failure of `response` for an event, if it is one.
    pub(crate) async fn of_unhandled(response: Response) -> Result<Response, Self> {
        match Self::of_event(&response) {
            None => Ok(response),
            Some(failure) => Err(failure.explained(response).await.0),
        }
    }

    /// Takes the body of `response` as the message if the function gave none: rejections of extractors and errors that
    /// are responses have theirs there. Returns the response unchanged.
    pub(crate) async fn explained(mut self, response: Response) -> (Self, Response) {
        let in_memory = response.body().size_hint().exact().is_some_and(|size| size <= MAX_MESSAGE);
        if Self::recorded(&response).is_some() || !in_memory {
            return (self, response);
        }
        let (parts, body) = response.into_parts();
        // A body of a known size is in memory, or fails at once.
        let bytes = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        if let Ok(text) = std::str::from_utf8(&bytes)
            && !text.trim().is_empty()
        {
            self.message = if is_depth_exceeded(text) { too_deep().to_string() } else { text.to_owned() };
        }
        (self, Response::from_parts(parts, Body::from(bytes)))
    }
}

/// Returns whether a message is that of `serde_json` about JSON that is nested too deeply, or contains it.
pub(crate) fn is_depth_exceeded(message: &str) -> bool {
    message.contains("recursion limit exceeded at line ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_again_for_each_function_that_can_still_handle_it() {
        let outcome = |kind: Option<FailureKind>| match kind {
            None => Ok(()),
            Some(kind) => Err(Failure::new(kind, String::new())),
        };
        let (retry, reject) = (Some(FailureKind::Timeout), Some(FailureKind::Reject));
        for (first, second, both) in [
            (None, None, None),
            (reject, None, reject),
            (None, reject, reject),
            (reject, retry, retry),
            (retry, reject, retry),
            (Some(FailureKind::Panic), retry, Some(FailureKind::Panic)),
        ] {
            let found = Failure::of_both(outcome(first), outcome(second)).err().map(|failure| failure.kind);
            assert_eq!(found, both, "{first:?} {second:?}");
        }
    }

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
