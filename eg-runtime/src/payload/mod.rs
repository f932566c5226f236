//! What a Lambda payload is, told by the fields that define each family and never by trying. Reads payloads;
//! calls nothing.

mod api_gateway;
mod eventbridge;
mod gateway;
mod request;

use axum::extract::Request;
use eg_sdk::{CloudEvent, Data, InvalidEvent};
use serde::Deserialize;
use serde_json::value::RawValue;

pub(crate) use self::gateway::read as read_gateway_request;

/// A payload, understood.
#[derive(Debug)]
pub(crate) enum Payload {
    /// An event, as the gateway or EventBridge sends it.
    Event(CloudEvent<Data>),
    /// An HTTP request through API Gateway (HTTP API, payload format 2.0) or a function URL.
    Http(Request),
}

/// Why a payload cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PayloadError {
    #[error("the payload is not a JSON object: {0}")]
    NotAnObject(serde_json::Error),
    #[error("the payload is not a valid CloudEvent: {0}")]
    Event(#[from] InvalidEvent),
    #[error("the payload is not a valid {family}: {reason}")]
    Family { family: &'static str, reason: String },
    #[error(
        "unknown payload with the keys {0}; known are CloudEvents, EventBridge events, and HTTP requests of API \
         Gateway (format 2.0) and function URLs"
    )]
    Unknown(String),
}

/// The keys by which families differ. Their values stay unread.
#[derive(Deserialize)]
struct Keys<'a> {
    #[serde(borrow, rename = "specversion")]
    spec_version: Option<&'a RawValue>,
    #[serde(borrow, rename = "cloudEventsVersion")]
    cloud_events_version: Option<&'a RawValue>,
    #[serde(borrow, rename = "detail-type")]
    detail_type: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow, rename = "rawPath")]
    raw_path: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestContext")]
    request_context: Option<&'a RawValue>,
}

/// Reads a payload.
pub(crate) fn read(json: &str) -> Result<Payload, PayloadError> {
    let keys: Keys<'_> = serde_json::from_str(json).map_err(PayloadError::NotAnObject)?;
    if keys.spec_version.is_some() || keys.cloud_events_version.is_some() {
        return Ok(Payload::Event(CloudEvent::from_json(json.as_bytes())?));
    }
    if keys.detail_type.is_some() && keys.detail.is_some() {
        return eventbridge::read(json).map(Payload::Event);
    }
    let format_2 = keys.version.is_some_and(|version| version.get() == "\"2.0\"");
    if format_2 && keys.raw_path.is_some() && keys.request_context.is_some() {
        return api_gateway::read(json).map(Payload::Http);
    }
    Err(unknown(json))
}

fn unknown(json: &str) -> PayloadError {
    let keys: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(json);
    match keys {
        Ok(keys) if keys.is_empty() => PayloadError::Unknown("(none)".to_owned()),
        Ok(keys) => {
            let keys: Vec<_> = keys.keys().take(12).map(|key| format!("`{key}`")).collect();
            PayloadError::Unknown(keys.join(", "))
        }
        Err(e) => PayloadError::NotAnObject(e),
    }
}

#[cfg(test)]
mod tests;
