//! What a test sees of a call: the answer to a request, and the failure that would be reported to Lambda. Makes no calls.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use crate::outcome::Failure;

/// The answer to an HTTP request.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The failure that would be reported to Lambda.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_type}: {error_message}")]
#[non_exhaustive]
pub struct InvocationError {
    /// `Retry`, `Reject`, `Panic`, `Timeout` or `ResponseTooLarge`.
    pub error_type: String,
    /// What went wrong.
    pub error_message: String,
}

impl From<Failure> for InvocationError {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.error_type().to_owned(), error_message: failure.message }
    }
}

impl Answer {
    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the value of a header; `None` if it is absent or no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the body as text. Invalid UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body's bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// Deserializes the body from JSON.
    ///
    /// # Errors
    /// If the body does not match the type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}
