//! Sends HTTP requests to the local Lambda, for its Invoke API and its queues. The callers know the APIs; requests to
//! the gateway use `eg_sdk`'s client.

use std::time::Duration;

use bytes::Bytes;
use eg_sdk::__private::{HttpClient, HttpError};
use http::{Method, Request, Response};

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    /// The URL or a header cannot be sent.
    #[error(transparent)]
    Request(#[from] http::Error),
    /// No response arrived.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// The response of a function that was invoked.
pub(crate) struct Answer {
    /// The bytes that the function answered.
    pub(super) result: Bytes,
    /// The end of its log.
    pub(super) log: Vec<u8>,
    pub(super) failed: bool,
}

/// Sends a `POST` request. Waits for the response without a time limit, since a function may run for minutes.
pub(crate) async fn post(
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Response<Bytes>, PostError> {
    send(Method::POST, url, headers, body.into(), Duration::MAX).await
}

/// Sends a request and waits for the response, at most for `patience`.
pub(crate) async fn send(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: Bytes,
    patience: Duration,
) -> Result<Response<Bytes>, PostError> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Ok(HttpClient::default().send(request.body(body)?, patience).await?)
}
