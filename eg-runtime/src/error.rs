//! `Error`: the error of a function. It means *retry* or *reject*, and sets the status over HTTP.

use std::error::Error as StdError;
use std::fmt;

use axum::Json;
use axum::response::{IntoResponse, Response};
use eg_sdk::Verdict;
use http::StatusCode;
use serde_json::json;

use crate::outcome::{ErrorType, Failure, FailureKind};
use crate::start;

/// An error of any type, as the standard library boxes it.
type Boxed = Box<dyn StdError + Send + Sync>;

/// Why a function failed, and whether a retry can help.
///
/// Through `?`, every error that is `Send` and `Sync` converts to it, and so do `anyhow::Error`,
/// `eyre::Report`, boxed errors and texts. It then means *retry later*; [`ResultExt`] decides otherwise.
///
/// ```
/// use eg_runtime::{Error, Verdict};
///
/// fn quantity(text: &str) -> Result<u32, Error> {
///     let quantity = text.parse()?;
///     if quantity == 0 { Err("nothing was ordered")? }
///     Ok(quantity)
/// }
///
/// let error = quantity("many").unwrap_err();
/// assert_eq!((error.verdict(), error.message()), (Verdict::Retry, "invalid digit found in string"));
/// assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
/// assert_eq!(quantity("0").unwrap_err().message(), "nothing was ordered");
/// ```
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Boxed>,
    error_type: Option<&'static str>,
}

/// An error that converts to [`Error`] with `?`: every type that converts to `Box<dyn std::error::Error + Send + Sync>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not convert to `eg_runtime::Error`",
    label = "this error is not `Send` and `Sync`: write `.map_err(Error::retry)?` or `.map_err(Error::reject)?`"
)]
pub trait IntoError {
    /// Boxes the error.
    fn into_boxed(self) -> Box<dyn StdError + Send + Sync>;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Boxed>> IntoError for E {
    fn into_boxed(self) -> Boxed {
        self.into()
    }
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
        Self { kind: Kind::Retry, message: message.to_string(), source: None, error_type: None }.noted()
    }

    /// Creates an error that means *do not retry*: the event becomes a dead letter with `reason`. Over HTTP this is a
    /// 422.
    #[must_use]
    pub fn reject(reason: impl fmt::Display) -> Self {
        Self { kind: Kind::Reject, message: reason.to_string(), source: None, error_type: None }.noted()
    }

    /// Creates an error that answers an HTTP request with `status` and `{"errors":["<message>"]}`.
    ///
    /// For an event, 408, 409, 425, 429 and 5xx mean *retry*, other statuses mean *reject*.
    #[must_use]
    pub fn status(status: StatusCode, message: impl fmt::Display) -> Self {
        Self { kind: Kind::Status(status), message: message.to_string(), source: None, error_type: None }
            .noted()
    }

    /// Sets the `errorType` that the caller of a function with [`#[invoke]`](macro@crate::invoke) gets, for example for
    /// `ErrorEquals` of Step Functions: a word of letters, digits, `.`, `_` and `-`. Other functions do not use it: for
    /// their events, only *retry* and *reject* count.
    ///
    /// ```
    /// use eg_runtime::Error;
    ///
    /// let error = Error::reject("3 lamps are left").with_type("OutOfStock");
    /// assert_eq!(error.error_type(), Some("OutOfStock"));
    /// ```
    #[must_use]
    pub fn with_type(self, error_type: &'static str) -> Self {
        Self { error_type: Some(error_type), ..self }
    }

    /// Returns the type that was set with [`with_type`](Self::with_type).
    #[must_use]
    pub fn error_type(&self) -> Option<&'static str> {
        self.error_type
    }

    /// Turns the error into one that means *retry later*.
    #[must_use]
    pub fn into_retry(self) -> Self {
        Self { kind: Kind::Retry, ..self }
    }

    /// Turns the error into a rejection.
    #[must_use]
    pub fn into_reject(self) -> Self {
        Self { kind: Kind::Reject, ..self }
    }

    /// Returns whether a retry can help: [`Verdict::Retry`] or [`Verdict::Reject`].
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.failure_kind() {
            FailureKind::Reject => Verdict::Reject,
            _ => Verdict::Retry,
        }
    }

    /// Returns the status with which an HTTP request is answered.
    #[must_use]
    pub fn http_status(&self) -> StatusCode {
        match self.kind {
            Kind::Retry => StatusCode::INTERNAL_SERVER_ERROR,
            Kind::Reject => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Status(status) => status,
        }
    }

    /// Returns the message without those of the sources. `Display` joins them.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the error that was converted; `None` if this one was created from a message.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.source.as_deref()
    }

    /// Returns the error that was converted, if it is an `E`.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.source.as_deref()?.downcast_ref()
    }

    fn failure_kind(&self) -> FailureKind {
        match self.kind {
            Kind::Retry => FailureKind::Retry,
            Kind::Reject => FailureKind::Reject,
            Kind::Status(status) => FailureKind::of_status(status),
        }
    }

    /// Notes an error that may end `main` before `App::run`.
    fn noted(self) -> Self {
        start::failed(|| self.chain());
        self
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

impl<E: IntoError> From<E> for Error {
    fn from(error: E) -> Self {
        let error = error.into_boxed();
        Self { kind: Kind::Retry, message: error.to_string(), source: Some(error), error_type: None }.noted()
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
        let (status, kind) = (self.http_status(), self.failure_kind());
        // Internal errors belong in the log, not in the response.
        let shown = match self.kind {
            Kind::Retry => "Internal Server Error",
            Kind::Reject | Kind::Status(_) => &self.message,
        };
        let mut response = (status, Json(json!({ "errors": [shown] }))).into_response();
        response.extensions_mut().insert(Failure::new(kind, self.chain()));
        if let Some(error_type) = self.error_type {
            response.extensions_mut().insert(ErrorType(error_type));
        }
        response
    }
}

/// `.retry()` and `.reject()` on every `Result` whose error converts to [`Error`].
///
/// ```
/// use eg_runtime::{Error, ResultExt as _};
///
/// /// What cannot be read now cannot be read later, but a lost connection may return.
/// fn quantity(text: &str, stock: Result<u32, Error>) -> Result<u32, Error> {
///     Ok(text.parse::<u32>().reject()?.min(stock.retry()?))
/// }
///
/// assert_eq!(quantity("many", Ok(1)).unwrap_err().verdict(), eg_runtime::Verdict::Reject);
/// assert_eq!(quantity("2", Err(Error::reject("closed"))).unwrap_err().verdict(), eg_runtime::Verdict::Retry);
/// ```
///
/// For an error that is not `Send` and `Sync`, write `.map_err(Error::reject)`, which keeps its text.
pub trait ResultExt<T, E> {
    /// Turns the error into one that means *retry later*, whatever it meant before.
    ///
    /// # Errors
    /// The error, if there is one.
    fn retry(self) -> Result<T, Error>
    where
        E: Convertible;

    /// Turns the error into one that means *do not retry*, whatever it meant before.
    ///
    /// # Errors
    /// The error, if there is one.
    fn reject(self) -> Result<T, Error>
    where
        E: Convertible;
}

impl<T, E> ResultExt<T, E> for Result<T, E> {
    fn retry(self) -> Result<T, Error>
    where
        E: Convertible,
    {
        self.map_err(|error| error.into().into_retry())
    }

    fn reject(self) -> Result<T, Error>
    where
        E: Convertible,
    {
        self.map_err(|error| error.into().into_reject())
    }
}

/// An error that converts to [`Error`], or is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not convert to `eg_runtime::Error`",
    label = "this error is not `Send` and `Sync`: write `.map_err(Error::retry)` or `.map_err(Error::reject)`"
)]
pub trait Convertible: Into<Error> {}

#[diagnostic::do_not_recommend]
impl<E: Into<Error>> Convertible for E {}
