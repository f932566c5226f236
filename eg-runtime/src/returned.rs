//! The functions that macro expansions call to turn a function's result into a response, so that an `Err` of any type is
//! a failure, and the compiler's messages about results that cannot be one. Leaves what a response means to `outcome`.

use std::convert::Infallible;

use axum::Json;
use axum::body::HttpBody as _;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::error::Error;
use crate::outcome::{Failure, FailureKind};

/// The result of a function. A `Result` is split by its own function, every other type by that of [`NoResult`].
#[derive(Debug)]
pub struct Returned<T>(pub T);

impl<T, E> Returned<Result<T, E>> {
    /// Returns the result.
    ///
    /// # Errors
    /// The function's error.
    pub fn split(self) -> Result<T, E> {
        self.0
    }
}

/// A result that cannot be an error.
pub trait NoResult {
    /// The type of the result.
    type Value;

    /// Returns the result.
    ///
    /// # Errors
    /// None.
    fn split(self) -> Result<Self::Value, Infallible>;
}

impl<T> NoResult for Returned<T> {
    type Value = T;

    fn split(self) -> Result<T, Infallible> {
        Ok(self.0)
    }
}

/// A value that a function returns with success.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a function",
    label = "not a response",
    note = "to answer with JSON, return `Json<{Self}>`; to answer nothing, return `()`",
    note = "a function that can fail returns `Result<_, eg_runtime::Error>`"
)]
pub trait Reply: IntoResponse {}

#[diagnostic::do_not_recommend]
impl<T: IntoResponse> Reply for T {}

/// Turns the value of a success into a response.
pub fn reply(value: impl Reply) -> Response {
    value.into_response()
}

/// Checks that a value of success contains no second `Result`, whose `Err` would count as success.
#[derive(Debug)]
pub struct Success<'a, T>(pub &'a T);

impl<T: ContainsResult> Success<'_, T> {
    /// Never compiles.
    pub fn check(&self)
    where
        T: WithoutResult,
    {
    }
}

/// The default: other types contain no `Result`.
pub trait OneResult {
    /// Does nothing.
    fn check(&self) {}
}

impl<T> OneResult for Success<'_, T> {}

/// A type that contains a `Result`, and is a response nevertheless.
pub trait ContainsResult {}

impl<T, E> ContainsResult for Result<T, E> {}
impl<T, E> ContainsResult for Json<Result<T, E>> {}
impl<A, T, E> ContainsResult for (A, Result<T, E>) {}
impl<A, B, T, E> ContainsResult for (A, B, Result<T, E>) {}
impl<A, B, C, T, E> ContainsResult for (A, B, C, Result<T, E>) {}

/// No type has this trait. It lets the compiler explain why a `Result` within the result is refused.
#[diagnostic::on_unimplemented(
    message = "a function cannot return a `Result` inside another value",
    label = "an `Err` in there would count as success",
    note = "let the function itself return the `Result`: `Result<_, eg_runtime::Error>`, with `?` on the inner one"
)]
pub trait WithoutResult {}

/// The error of a function, by reference, to choose how it becomes a response: as itself, as an [`Error`], or not at all.
#[derive(Debug)]
pub struct Failed<'a, E>(pub &'a E);

/// The error is a response.
#[derive(Debug)]
pub struct IsResponse;

/// The error converts to an [`Error`].
#[derive(Debug)]
pub struct IsError;

/// The error is neither.
#[derive(Debug)]
pub struct IsNeither;

impl<E: IntoResponse> Failed<'_, E> {
    /// Returns how the error becomes a response.
    #[must_use]
    pub fn kind(&self) -> IsResponse {
        IsResponse
    }
}

/// Errors that convert to an [`Error`].
pub trait ByConversion {
    /// Returns how the error becomes a response.
    fn kind(&self) -> IsError {
        IsError
    }
}

impl<E: Into<Error>> ByConversion for Failed<'_, E> {}

/// All other errors.
pub trait InNoWay {
    /// Returns how the error becomes a response.
    fn kind(&self) -> IsNeither {
        IsNeither
    }
}

impl<E> InNoWay for &Failed<'_, E> {}

impl IsResponse {
    /// Returns the response that `error` is. A status of success becomes a 500: an `Err` is a failure.
    pub fn response(self, error: impl IntoResponse) -> Response {
        let mut response = error.into_response();
        if response.status().is_informational() || response.status().is_success() {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            if response.body().size_hint().exact() == Some(0) {
                let failure =
                    Failure::new(FailureKind::Retry, "it returned an `Err` without a message".to_owned());
                response.extensions_mut().get_or_insert(failure);
            }
        }
        response
    }
}

impl IsError {
    /// Returns the response of the [`Error`] that `error` becomes with `?`.
    pub fn response(self, error: impl Into<Error>) -> Response {
        error.into().into_response()
    }
}

/// No type has this trait. It lets the compiler explain which errors a function can return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a function",
    label = "neither a response nor convertible to `eg_runtime::Error`",
    note = "return `Result<_, eg_runtime::Error>`: `?` converts every error that is `Send + Sync`; for any other error that implements `Display`, write `.map_err(Error::retry)?` or `.map_err(Error::reject)?`"
)]
pub trait ErrorOfAFunction: Into<Error> {}

impl IsNeither {
    /// Never compiles.
    pub fn response(self, error: impl ErrorOfAFunction) -> Response {
        error.into().into_response()
    }
}
