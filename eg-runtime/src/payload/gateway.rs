//! Restores the HTTP request from the event gateway's `http.request` event. Source: the original gateway's contract:
//! `data` is `{headers, query, body, host, path, method, params}`. The gateway adds `isBase64Encoded`, `bodyWhitespace`
//! and `rawQuery` where these members cannot tell what the client sent.

use std::collections::BTreeMap;

use axum::extract::Request;
use eg_grammar::extension::HOPS_HEADER;
use eg_grammar::{Segment, Spelling};
use eg_sdk::{CloudEvent, Data, FromData as _};
use http::{HeaderMap, Method, header};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::PayloadError;
use super::request::{Pairs, append, build, decode, query};
use crate::caller::Caller;
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
    host: Option<String>,
    #[serde(default)]
    headers: Pairs<String>,
    /// The query as it was sent, if `query` would be written differently.
    #[serde(default, rename = "rawQuery")]
    raw_query: Option<String>,
    #[serde(default)]
    query: Option<Pairs<Vec<String>>>,
    /// `null` is a body, unlike a missing member.
    #[serde(default, deserialize_with = "present")]
    body: Option<Box<RawValue>>,
    #[serde(default, rename = "isBase64Encoded")]
    is_base64_encoded: Option<bool>,
    /// What was before and after the JSON in `body`.
    #[serde(default, rename = "bodyWhitespace")]
    white_space: Option<[String; 2]>,
    #[serde(default)]
    params: Option<BTreeMap<String, String>>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// Builds the request. `routes` returns the functions' routes for a method; the matching one restores the escapes
/// that `data.path` has lost.
pub(crate) fn read(
    event: CloudEvent<Data>,
    routes: &dyn Fn(&Method) -> Vec<&'static str>,
) -> Result<Request, PayloadError> {
    let invalid = |reason: String| PayloadError::Family { family: "`http.request` event", reason };
    let (hops, cause, caller) = (event.hops(), Cause(event.identity()), Caller::of_gateway(&event));
    let data = HttpRequest::from_data(event.data).map_err(|e| invalid(e.to_string()))?;
    let mut headers = HeaderMap::with_capacity(data.headers.len() + 1);
    for (name, value) in data.headers.iter() {
        append(&mut headers, name, value);
    }
    // The original leaves it out of the headers.
    if let Some(host) = data.host.filter(|host| !host.is_empty())
        && !headers.contains_key(header::HOST)
    {
        append(&mut headers, header::HOST.as_str(), &host);
    }
    if hops > 0 {
        headers.insert(HOPS_HEADER, hops.into());
    }
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let base64 = data.is_base64_encoded.unwrap_or_default();
    let mut body = body(data.body.as_deref(), media_type.unwrap_or_default(), base64).map_err(invalid)?;
    if let Some([before, after]) = &data.white_space {
        body = [before.as_bytes(), &body, after.as_bytes()].concat();
    }

    let method = Method::from_bytes(data.method.as_bytes())
        .map_err(|_| invalid(format!("method `{}`", data.method)))?;
    let params = data.params.unwrap_or_default();
    let path = routes(&method)
        .into_iter()
        // The gateway has chosen among the routes, and its choice has exactly these parameters.
        .filter(|route| Spelling::Code.segments(route).filter_map(Segment::name).count() == params.len())
        .filter_map(|route| Spelling::Code.fill(route, |name| params.get(name).map(String::as_str)))
        .find(|path| decoded(path) == data.path)
        .unwrap_or_else(|| utf8_percent_encode(&data.path, PATH).to_string());
    let query = data.raw_query.unwrap_or_else(|| {
        let pairs = data.query.iter().flat_map(Pairs::iter);
        query(pairs.flat_map(|(name, values)| values.iter().map(move |v| (name, v.as_str()))))
    });
    let target = if query.is_empty() { path } else { format!("{path}?{query}") };
    let mut request = build(&data.method, &target, headers, body).map_err(invalid)?;
    request.extensions_mut().insert(cause);
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    Ok(request)
}

fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

/// Undoes the gateway's encoding of bodies: JSON as JSON, forms as text, everything else as base64. `base64` marks
/// forms that are base64, too.
fn body(body: Option<&RawValue>, media_type: &str, base64: bool) -> Result<Vec<u8>, String> {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let is = |other: &str| essence.eq_ignore_ascii_case(other);
    let Some(body) = body else { return Ok(Vec::new()) };
    if body.get() == "null" {
        // The body of a request without one is `""`; that of one whose JSON is `null` is `null`.
        let json = is("application/json") || essence.to_ascii_lowercase().ends_with("+json");
        return Ok(if json { b"null".to_vec() } else { Vec::new() });
    }
    if !body.get().starts_with('"') {
        return Ok(body.get().as_bytes().to_vec());
    }
    let text: String = serde_json::from_str(body.get()).map_err(|e| format!("body: {e}"))?;
    let form = is("multipart/form-data") || is("application/x-www-form-urlencoded");
    if form && !base64 { Ok(text.into_bytes()) } else { decode(&text) }
}
