//! Responses as Lambda answers them: `{statusCode, headers, body, isBase64Encoded}`, which the gateway, API
//! Gateway and function URLs understand alike.

use std::collections::BTreeMap;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::outcome::{Failure, FailureKind};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    status_code: u16,
    headers: BTreeMap<String, String>,
    // Set-Cookie is the one header whose values cannot be joined (RFC 6265 §3).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    body: String,
    is_base64_encoded: bool,
}

/// The reply that `response` is.
///
/// # Errors
/// When the function's body breaks off.
pub(crate) async fn write(response: Response) -> Result<Box<RawValue>, Failure> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|e| broken(&e))?.to_bytes();
    let (body, is_base64_encoded) = match String::from_utf8(body.into()) {
        Ok(text) => (text, false),
        Err(binary) => (STANDARD.encode(binary.as_bytes()), true),
    };
    let reply = Reply {
        status_code: parts.status.as_u16(),
        headers: headers(&parts.headers),
        cookies: parts.headers.get_all(header::SET_COOKIE).iter().map(text).collect(),
        body,
        is_base64_encoded,
    };
    serde_json::value::to_raw_value(&reply).map_err(|e| broken(&e))
}

fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| *name != header::SET_COOKIE) {
        let all = joined.entry(name.as_str().to_owned()).or_default();
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(&text(value));
    }
    joined
}

fn text(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure { kind: FailureKind::Retry, message: format!("the body of the response broke off: {error}") }
}
