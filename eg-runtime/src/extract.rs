//! What an expansion does with a request: arguments out of it, and a response from the result. A rejection is
//! the response it stands for.

use std::future::Future;
use std::pin::Pin;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};

/// What a function is to the runtime.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Response> + Send>>;
/// Answers a request with a function.
pub type Call = fn(Request) -> ResponseFuture;

/// Extracts an argument that does not need the body.
///
/// # Errors
/// The rejection, as the response it stands for.
pub async fn from_parts<T: FromRequestParts<()>>(parts: &mut http::request::Parts) -> Result<T, Response> {
    T::from_request_parts(parts, &()).await.map_err(IntoResponse::into_response)
}

/// Extracts the last argument, which may take the body.
///
/// # Errors
/// The rejection, as the response it stands for.
pub async fn from_request<T: FromRequest<(), Via>, Via>(request: Request) -> Result<T, Response> {
    T::from_request(request, &()).await.map_err(IntoResponse::into_response)
}

/// The function's result as a response.
pub fn into_response(result: impl IntoResponse) -> Response {
    result.into_response()
}
