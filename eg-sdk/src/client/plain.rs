//! Sends plain HTTP requests over the client's connections, for programs of this project that call other local APIs.
//! Retries and the meaning of responses are left to the caller.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use super::Error;
use super::connection::RequestBody;
use super::transport::{Transport, TransportError};
use super::url::parse_url;

/// A client of any HTTP API; it keeps idle connections.
#[derive(Debug, Default)]
pub struct HttpClient {
    transport: Transport,
}

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The request's URL cannot be used.
    #[error("`{url}` is not a usable URL: {reason}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The connection failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl HttpClient {
    /// Sends `request`, whose URI must be absolute, and reads the whole response within `timeout`.
    ///
    /// # Errors
    /// If the URI cannot be used or no response arrives in time. A response with an error status is not an error.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> Result<Response<Bytes>, HttpError> {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let url = parse_url(&request.uri().to_string()).map_err(|error| match error {
            Error::Url { url, reason } => HttpError::Url { url, reason },
            error => HttpError::Url { url: request.uri().to_string(), reason: error.to_string() },
        })?;
        let url = url.with_target(target);
        Ok(self.transport.send(request.map(RequestBody::from), &url, timeout).await?)
    }
}
