//! What calls return: a receipt for an event, the answer to a request. Sends nothing.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::Error;

/// Proof that the gateway accepted an event and will deliver it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The event's `id`.
    pub id: String,
    /// Whether the gateway had accepted an event with this `source` and `id` before, and did not store this one. It
    /// checks the events of its dedupe window. Always `false` for gateways that do not report it, and for EventBridge.
    pub duplicate: bool,
    /// Whether that event has another payload: then two events have one id, and the gateway has ignored the second one.
    pub conflict: bool,
}

/// The answer of a synchronous subscriber.
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
    /// Deserializes the body from JSON.
    ///
    /// # Errors
    /// [`Error::Answer`] if the body does not match the type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|e| Error::Answer {
            action: self.action.clone(),
            url: self.url.clone(),
            reason: e.to_string(),
        })
    }
}
