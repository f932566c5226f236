//! Restores the HTTP request from the event gateway's `http.request` event. Source: the original gateway's contract:
//! `data` is `{headers, query, body, host, path, method, params}`.

use std::collections::BTreeMap;

use axum::extract::Request;
use eg_grammar::Spelling;
use eg_grammar::extension::HOPS_HEADER;
use eg_sdk::{CloudEvent, Data, FromData as _};
use http::{HeaderMap, Method, header};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::PayloadError;
use super::request::{append, build, decode, query};
use crate::context::Cause;

/// The characters that need no escape in a path: `pchar` and `/` of RFC 3986 §3.3.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

#[derive(Deserialize)]
struct HttpRequest {
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    query: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    body: Option<Box<RawValue>>,
    #[serde(default)]
    params: Option<BTreeMap<String, String>>,
}

/// Builds the request. `routes` returns the functions' routes for a method; the matching one restores the escapes
/// that `data.path` has lost.
pub(crate) fn read(
    event: CloudEvent<Data>,
    routes: &dyn Fn(&Method) -> Vec<&'static str>,
) -> Result<Request, PayloadError> {
    let invalid = |reason: String| PayloadError::Family { family: "`http.request` event", reason };
    let (hops, cause) = (event.hops(), Cause::of(&event));
    let data = HttpRequest::from_data(event.data).map_err(|e| invalid(e.to_string()))?;
    let mut headers = HeaderMap::with_capacity(data.headers.len());
    for (name, value) in &data.headers {
        append(&mut headers, name, value);
    }
    if hops > 0 {
        headers.insert(HOPS_HEADER, hops.into());
    }
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let body = body(data.body.as_deref(), media_type.unwrap_or_default()).map_err(invalid)?;

    let method = Method::from_bytes(data.method.as_bytes())
        .map_err(|_| invalid(format!("method `{}`", data.method)))?;
    let params = data.params.unwrap_or_default();
    let path = routes(&method)
        .into_iter()
        .filter_map(|route| Spelling::Code.fill(route, |name| params.get(name).map(String::as_str)))
        .find(|path| decoded(path) == data.path)
        .unwrap_or_else(|| utf8_percent_encode(&data.path, PATH).to_string());
    let pairs = data.query.iter().flatten();
    let query = query(pairs.flat_map(|(name, values)| values.iter().map(|v| (name.as_str(), v.as_str()))));
    let target = if query.is_empty() { path } else { format!("{path}?{query}") };
    let mut request = build(&data.method, &target, headers, body).map_err(invalid)?;
    request.extensions_mut().insert(cause);
    Ok(request)
}

fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

/// Undoes the gateway's encoding of bodies: JSON as JSON, forms as text, everything else as base64.
fn body(body: Option<&RawValue>, media_type: &str) -> Result<Vec<u8>, String> {
    let Some(body) = body.filter(|body| body.get() != "null") else { return Ok(Vec::new()) };
    if !body.get().starts_with('"') {
        return Ok(body.get().as_bytes().to_vec());
    }
    let text: String = serde_json::from_str(body.get()).map_err(|e| format!("body: {e}"))?;
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let verbatim = ["multipart/form-data", "application/x-www-form-urlencoded"];
    if verbatim.iter().any(|verbatim| essence.eq_ignore_ascii_case(verbatim)) {
        return Ok(text.into_bytes());
    }
    decode(&text)
}
