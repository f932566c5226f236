//! What comes back: a receipt for an event, the answer to a request. Sends nothing.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::Error;

/// The event has been accepted: it will be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The event's `id`.
    pub id: String,
}

/// What a sync subscriber answered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status, 2xx or 3xx.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: Option<String>,
    /// The body.
    pub body: Bytes,
    pub(super) action: String,
    pub(super) url: String,
}

impl Answer {
    /// The body, read as JSON.
    ///
    /// # Errors
    /// [`Error::Answer`] when it is no such JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|e| Error::Answer {
            action: self.action.clone(),
            url: self.url.clone(),
            reason: e.to_string(),
        })
    }
}
