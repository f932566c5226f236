//! `Error`: the error of a function. It means *retry* or *reject*, and sets the status over HTTP.

use std::error::Error as StdError;
use std::fmt;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::outcome::{Failure, FailureKind};

/// Why a function failed, and whether a retry can help.
///
/// Any error converts to it through `?`, and then means *retry later*.
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Retry,
    Reject,
    Status(StatusCode),
}

impl Error {
    /// Creates an error that means *retry later*.
    #[must_use]
    pub fn retry(message: impl fmt::Display) -> Self {
        Self { kind: Kind::Retry, message: message.to_string(), source: None }
    }

    /// Creates an error that means *do not retry*: the event becomes a dead letter with `reason`. Over HTTP this is a
    /// 422.
    #[must_use]
    pub fn reject(reason: impl fmt::Display) -> Self {
        Self { kind: Kind::Reject, message: reason.to_string(), source: None }
    }

    /// Creates an error that answers an HTTP request with `status` and `{"errors":["<message>"]}`.
    ///
    /// For an event, 408, 409, 425, 429 and 5xx mean *retry*, other statuses mean *reject*.
    #[must_use]
    pub fn status(status: StatusCode, message: impl fmt::Display) -> Self {
        Self { kind: Kind::Status(status), message: message.to_string(), source: None }
    }

    /// Turns the error into a rejection.
    #[must_use]
    pub fn into_reject(self) -> Self {
        Self { kind: Kind::Reject, ..self }
    }

    /// Converts an error of a layer.
    pub(crate) fn from_layer(error: Box<dyn StdError + Send + Sync>) -> Self {
        Self { kind: Kind::Retry, message: error.to_string(), source: Some(error) }
    }

    /// Joins the messages of an error and its sources.
    fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut next = self.source.as_deref().and_then(StdError::source);
        while let Some(error) = next {
            let message = error.to_string();
            // Skips a source whose message is already part of the error's message.
            if !text.contains(&message) {
                text.push_str(": ");
                text.push_str(&message);
            }
            next = error.source();
        }
        text
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self { kind: Kind::Retry, message: error.to_string(), source: Some(Box::new(error)) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain())
    }
}

/// Readable output, because `main` prints its error with `Debug`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, kind) = match self.kind {
            Kind::Retry => (StatusCode::INTERNAL_SERVER_ERROR, FailureKind::Retry),
            Kind::Reject => (StatusCode::UNPROCESSABLE_ENTITY, FailureKind::Reject),
            Kind::Status(status) => (status, FailureKind::of_status(status)),
        };
        // Internal errors belong in the log, not in the response.
        let shown = match self.kind {
            Kind::Retry => "Internal Server Error",
            Kind::Reject | Kind::Status(_) => &self.message,
        };
        let mut response = (status, Json(json!({ "errors": [shown] }))).into_response();
        response.extensions_mut().insert(Failure::new(kind, self.chain()));
        response
    }
}

/// `.reject()` on a `Result`: turns its error into a rejection.
///
/// ```
/// use eg_runtime::{Error, Reject as _};
///
/// fn quantity(text: &str) -> Result<u32, Error> {
///     Ok(text.parse::<u32>().reject()?)
/// }
/// ```
pub trait Reject<T> {
    /// Turns the error into one that is never retried.
    ///
    /// # Errors
    /// Converts the error to a rejection.
    fn reject(self) -> Result<T, Error>;
}

impl<T, E: Into<Error>> Reject<T> for Result<T, E> {
    fn reject(self) -> Result<T, Error> {
        self.map_err(|error| error.into().into_reject())
    }
}
