//! The functions that macro expansions call: they extract arguments from a request and turn the result into a
//! response.

use std::future::Future;
use std::pin::Pin;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};

/// The future of a function's response.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Response> + Send>>;
/// Calls a function with a request.
pub type Call = fn(Request) -> ResponseFuture;

/// Extracts an argument from the parts of a request.
///
/// # Errors
/// The rejection, as a response.
pub async fn from_parts<T: FromRequestParts<()>>(parts: &mut http::request::Parts) -> Result<T, Response> {
    T::from_request_parts(parts, &()).await.map_err(IntoResponse::into_response)
}

/// Extracts the last argument, which may consume the body.
///
/// # Errors
/// The rejection, as a response.
pub async fn from_request<T: FromRequest<(), Via>, Via>(request: Request) -> Result<T, Response> {
    T::from_request(request, &()).await.map_err(IntoResponse::into_response)
}

/// Converts the function's result to a response.
pub fn into_response(result: impl IntoResponse) -> Response {
    result.into_response()
}
