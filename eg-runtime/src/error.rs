//! `Error`: what a function fails with, in two words (try again, or never again) and, for HTTP, a status.

use std::error::Error as StdError;
use std::fmt;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::outcome::{Failure, FailureKind};

/// Why a function failed, and whether trying again can help.
///
/// Any error becomes one through `?`, and then means *try again later*.
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
    /// Try again later, because of `message`.
    #[must_use]
    pub fn retry(message: impl fmt::Display) -> Self {
        Self { kind: Kind::Retry, message: message.to_string(), source: None }
    }

    /// Never try again: the event goes to the dead letters with `reason`. Over HTTP this is a 422.
    #[must_use]
    pub fn reject(reason: impl fmt::Display) -> Self {
        Self { kind: Kind::Reject, message: reason.to_string(), source: None }
    }

    /// Answers an HTTP request with `status` and `{"errors":["<message>"]}`.
    ///
    /// For an event, 408, 409, 425, 429 and 5xx mean *try again*, other statuses *never again*.
    #[must_use]
    pub fn status(status: StatusCode, message: impl fmt::Display) -> Self {
        Self { kind: Kind::Status(status), message: message.to_string(), source: None }
    }

    /// The same error, meaning *never try again*.
    #[must_use]
    pub fn into_reject(self) -> Self {
        Self { kind: Kind::Reject, ..self }
    }

    /// What middleware gave up with.
    pub(crate) fn from_layer(error: Box<dyn StdError + Send + Sync>) -> Self {
        Self { kind: Kind::Retry, message: error.to_string(), source: Some(error) }
    }

    /// The message, and those of the errors below it.
    fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut next = self.source.as_deref().and_then(StdError::source);
        while let Some(error) = next {
            let message = error.to_string();
            // Errors that quote their source in their own message would say it twice.
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

/// Written for people, because `main` prints its error in this form.
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
        // What went wrong inside is for the log, not for whoever sent the request.
        let shown = match self.kind {
            Kind::Retry => "Internal Server Error",
            Kind::Reject | Kind::Status(_) => &self.message,
        };
        let mut response = (status, Json(json!({ "errors": [shown] }))).into_response();
        response.extensions_mut().insert(Failure::new(kind, self.chain()));
        response
    }
}

/// `.reject()` on a `Result`: an error there means *never try again*.
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
    /// The same, as a rejection.
    fn reject(self) -> Result<T, Error>;
}

impl<T, E: Into<Error>> Reject<T> for Result<T, E> {
    fn reject(self) -> Result<T, Error> {
        self.map_err(|error| error.into().into_reject())
    }
}
