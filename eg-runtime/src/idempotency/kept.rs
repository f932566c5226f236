//! Stores answers as bytes, so that duplicates can get them.

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::outcome::{Failure, FailureKind};

#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    /// Base64, because bodies and header values need not be text.
    body: String,
    /// The reason, if the event was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rejected: Option<String>,
}

/// Buffers an answer. Returns it with its stored form.
///
/// # Errors
/// If the body ends with an error.
pub(super) async fn write(response: Response) -> Result<(Response, Vec<u8>), Error> {
    let rejected = response.extensions().get::<Failure>().map(|failure| failure.message.clone());
    let (parts, body) = response.into_parts();
    let body = body.collect().await;
    let body = body.map_err(|e| Error::retry(format!("the body of the response broke off: {e}")))?.to_bytes();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), STANDARD.encode(value)));
    let kept = Kept {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body: STANDARD.encode(&body),
        rejected,
    };
    let kept = serde_json::to_vec(&kept)?;
    Ok((Response::from_parts(parts, Body::from(body)), kept))
}

/// Restores the answer from its stored form.
///
/// # Errors
/// If the stored form is invalid.
pub(super) fn read(kept: &[u8]) -> Result<Response, Error> {
    let Kept { status, headers, body, rejected } = serde_json::from_slice(kept)?;
    let mut response = Response::new(Body::from(STANDARD.decode(body)?));
    *response.status_mut() = StatusCode::from_u16(status)?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes())?;
        response.headers_mut().append(name, HeaderValue::from_bytes(&STANDARD.decode(value)?)?);
    }
    if let Some(reason) = rejected {
        response.extensions_mut().insert(Failure::new(FailureKind::Reject, reason));
    }
    Ok(response)
}
