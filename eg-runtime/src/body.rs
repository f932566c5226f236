//! Limits the bodies of HTTP requests, and corrects the length of answers that have no body. `reply` limits the answers to
//! Lambda.

use axum::body::{Body, HttpBody as _};
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{IntoResponse as _, Response};
use eg_grammar::{limits, too_deep};
use http::{StatusCode, header};
use http_body_util::{BodyExt as _, Collected, Limited};

use crate::context::Scope;
use crate::error::Error;
use crate::outcome::is_depth_exceeded;

/// Turns axum's own limit of 2 MB off, for a request whose body is limited otherwise.
pub(crate) fn without_default_limit(request: &mut Request) {
    DefaultBodyLimit::disable().apply(request);
}

/// The limit for the body of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    bytes: usize,
    /// The function whose own limit it is; `None` for that of the app.
    function: Option<&'static str>,
}

impl Limit {
    /// Returns the limit of the app that got the request.
    pub(crate) fn of(request: &Request) -> Self {
        let bytes =
            request.extensions().get::<Scope>().map_or(limits::PAYLOAD, |scope| scope.shared.payload_limit);
        Self { bytes, function: None }
    }

    /// Returns the limit of a function, if it has one of its own.
    pub(crate) fn or_own(self, function: &'static str, bytes: Option<u32>) -> Self {
        let own = bytes.and_then(|bytes| usize::try_from(bytes).ok());
        own.map_or(self, |bytes| Self { bytes, function: Some(function) })
    }
}

/// Returns the request if its body is within the limit. A body whose size is not known yet is limited while the function
/// reads it.
pub(crate) fn admit(mut request: Request, limit: Limit) -> Option<Request> {
    without_default_limit(&mut request);
    let size = request.body().size_hint();
    if size.lower() > u64::try_from(limit.bytes).unwrap_or(u64::MAX) {
        return None;
    }
    if size.exact().is_some() {
        return Some(request);
    }
    Some(request.map(|body| Body::new(Limited::new(body, limit.bytes))))
}

/// Builds the answer to a request whose body is too large: a 413 that names the limit.
pub(crate) fn refusal(limit: Limit) -> Response {
    Error::status(StatusCode::PAYLOAD_TOO_LARGE, limit.exceeded()).into_response()
}

/// Replaces the rejection of an extractor of axum that does not name the limit which the body exceeds.
pub(crate) async fn explain(response: Response, limit: Limit) -> Response {
    let status = response.status();
    if !matches!(status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::BAD_REQUEST) || !is_short_text(&response)
    {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    match std::str::from_utf8(&text) {
        Ok(text) if text.ends_with(LENGTH_EXCEEDED) => refusal(limit),
        Ok(text) if is_depth_exceeded(text) => Error::status(status, too_deep()).into_response(),
        _ => Response::from_parts(parts, Body::from(text)),
    }
}

/// Returns whether the body is text that an extractor may have written.
fn is_short_text(response: &Response) -> bool {
    let media_type = response.headers().get(header::CONTENT_TYPE);
    media_type.is_some_and(|media_type| media_type.as_bytes().starts_with(b"text/plain"))
        && response.body().size_hint().exact().is_some_and(|size| size <= 1024)
}

/// The end of axum's message about a body beyond its limit.
const LENGTH_EXCEEDED: &str = "length limit exceeded";

impl Limit {
    /// Returns the message about a request body beyond the limit.
    fn exceeded(self) -> String {
        let Self { bytes, function } = self;
        let raise = match function {
            Some(function) => format!("`body_limit` of `{function}`"),
            None => "`App::payload_limit` (not beyond 6 MB on Lambda)".to_owned(),
        };
        format!(
            "the request body is larger than {bytes} bytes: send it in parts, or raise the limit with {raise}"
        )
    }
}

/// Removes the length from an answer that has no body by its status. axum sets it for every answer. Source: RFC 9110
/// §8.6.
pub(crate) fn fit(mut response: Response) -> Response {
    let status = response.status();
    let length = response.headers().get(header::CONTENT_LENGTH);
    let wrong = match status {
        StatusCode::NO_CONTENT => length.is_some(),
        // The length, if any, is that of the body which the client has.
        StatusCode::NOT_MODIFIED => length.is_some_and(|length| length == "0"),
        _ => status.is_informational() && length.is_some(),
    };
    if wrong {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}
