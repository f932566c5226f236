//! Builds an HTTP request from the pieces that a payload has of it. Hostile pieces are errors, never panics.

use axum::body::Body;
use axum::extract::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

/// The request, or what is wrong with a piece.
pub(super) fn build(
    method: &str,
    path_and_query: &str,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<Request, String> {
    let mut request = Request::new(Body::from(body));
    *request.method_mut() =
        Method::from_bytes(method.as_bytes()).map_err(|_| format!("method `{method}`"))?;
    *request.uri_mut() = Uri::builder()
        .path_and_query(path_and_query)
        .build()
        .map_err(|e| format!("path and query `{path_and_query}`: {e}"))?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Adds a header. Names and values that HTTP does not know are left out, as a server would refuse them.
pub(super) fn append(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
        headers.append(name, value);
    }
}

/// Decodes standard base64.
pub(super) fn decode(base64: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(base64).map_err(|e| format!("body: not base64: {e}"))
}
