//! Reads and writes CloudEvents as HTTP messages in structured, binary and batch mode (HTTP binding 1.0.2; for 0.1
//! the headers of the original gateway). Works on the types of the `http` crate; sends nothing.
//!
//! ```
//! use eg_sdk::{CloudEvent, Data, http::Mode};
//! use serde_json::json;
//!
//! let event = CloudEvent::of_type("user.created", "/services/users", json!({"id": 10})).with_id("1").encode()?;
//!
//! let (headers, body) = event.to_http_binary()?;
//! assert_eq!(headers["ce-type"], "user.created");
//! assert_eq!(headers["content-type"], "application/json");
//! assert_eq!(body, r#"{"id":10}"#);
//!
//! assert_eq!(Mode::of(&headers), Some(Mode::Binary));
//! assert_eq!(CloudEvent::from_http(&headers, body)?, event);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod binary;
mod header;

use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use bytes::Bytes;

use crate::{CloudEvent, Data, InvalidEvent, media};

/// The media type of one event in the JSON format.
pub const CLOUD_EVENT: &str = "application/cloudevents+json";
/// The media type of a batch of events in the JSON format.
pub const CLOUD_EVENT_BATCH: &str = "application/cloudevents-batch+json";

/// How an HTTP message carries events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The body is one event; the content type begins with `application/cloudevents`.
    Structured,
    /// The headers are the attributes, the body is the payload.
    Binary,
    /// The body is an array of events; the content type begins with `application/cloudevents-batch`.
    Batch,
}

impl Mode {
    /// Returns the mode that the headers announce; `None` if they announce no event.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let content_type = content_type(headers).unwrap_or_default();
        let essence = media::essence(content_type);
        let named = |name: &str| {
            essence
                .get(..name.len())
                .filter(|start| start.eq_ignore_ascii_case(name))
                .is_some_and(|_| matches!(essence.as_bytes().get(name.len()), None | Some(b'+')))
        };
        if named("application/cloudevents-batch") {
            Some(Self::Batch)
        } else if named("application/cloudevents") {
            Some(Self::Structured)
        } else if headers.contains_key(&header::SPECVERSION) || headers.contains_key(&header::V0_1_VERSION) {
            Some(Self::Binary)
        } else {
            None
        }
    }
}

impl CloudEvent<Data> {
    /// Reads the event of an HTTP message in structured or binary mode. If the headers announce no event, a body
    /// without a content type or of type `application/json` is read as a structured event.
    ///
    /// In binary mode, a JSON payload keeps its bytes, `text/*` in UTF-8 becomes a JSON string like in structured
    /// mode, and any other payload becomes [`Data::Binary`]. Extensions are strings, because headers have no other
    /// type.
    ///
    /// # Errors
    /// If the message carries no event, several, or an invalid one.
    pub fn from_http(headers: &HeaderMap, body: Bytes) -> Result<Self, InvalidEvent> {
        match Mode::of(headers) {
            Some(Mode::Structured) => {
                only_json(headers)?;
                Self::from_json(&body)
            }
            Some(Mode::Binary) => binary::read(headers, body),
            Some(Mode::Batch) => Err(InvalidEvent::Batch),
            None if content_type(headers).is_none_or(media::is_json) => Self::from_json(&body),
            None => Err(InvalidEvent::NoVersion),
        }
    }

    /// Writes the event in structured mode: everything in the body.
    ///
    /// # Errors
    /// If an attribute is invalid.
    pub fn to_http_structured(&self) -> Result<(HeaderMap, Bytes), InvalidEvent> {
        Ok((typed(CLOUD_EVENT), self.to_json()?.into()))
    }

    /// Writes the event in binary mode: attributes as headers, the payload as the body.
    ///
    /// # Errors
    /// If an attribute is invalid, or cannot be a header value (only in 0.1, which has no escapes).
    pub fn to_http_binary(&self) -> Result<(HeaderMap, Bytes), InvalidEvent> {
        crate::rules::check(&self.attributes)?;
        binary::write(self)
    }
}

/// Reads all events of an HTTP message, in any mode.
///
/// # Errors
/// As [`CloudEvent::from_http`]; of a batch, all events must be valid.
pub fn events_from_http(headers: &HeaderMap, body: Bytes) -> Result<Vec<CloudEvent>, InvalidEvent> {
    match Mode::of(headers) {
        Some(Mode::Batch) => {
            only_json(headers)?;
            CloudEvent::batch_from_json(&body)
        }
        _ => CloudEvent::from_http(headers, body).map(|event| vec![event]),
    }
}

/// Writes events in batch mode.
///
/// # Errors
/// If an event is invalid.
pub fn batch_to_http(events: &[CloudEvent]) -> Result<(HeaderMap, Bytes), InvalidEvent> {
    Ok((typed(CLOUD_EVENT_BATCH), CloudEvent::batch_to_json(events)?.into()))
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

fn typed(media_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media_type))])
}

/// Refuses structured formats other than JSON.
fn only_json(headers: &HeaderMap) -> Result<(), InvalidEvent> {
    let content_type = content_type(headers).unwrap_or_default();
    if media::is_json(content_type) { Ok(()) } else { Err(InvalidEvent::Format(content_type.to_owned())) }
}
