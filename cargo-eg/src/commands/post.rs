//! HTTP requests to the local Lambda: its Invoke API, and its queues. Knows neither API. The gateway has a client of its
//! own.

use std::time::Duration;

use bytes::Bytes;
use eg_sdk::__private::{HttpClient, HttpError};
use http::{Request, Response};

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    /// The URL or a header cannot be sent.
    #[error(transparent)]
    Request(#[from] http::Error),
    /// No response arrived.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// Sends a `POST` request, and waits for the response for as long as it takes: a function may work for minutes.
pub(crate) async fn post(
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Response<Bytes>, PostError> {
    let mut request = Request::post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Ok(HttpClient::default().send(request.body(body.into())?, Duration::MAX).await?)
}
