//! Checks that a request may use an API: that it names one host, and carries the access key that it needs. The rules for
//! keys are in `decide::access`, those for web pages in `screening`.

use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::uri::Authority;
use axum::http::{Extensions, HeaderMap, Method, Uri, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::ApiState;
use super::errors::ApiError;
use crate::decide::access::{is_local, presented};
use crate::server::Peer;

/// Headers with which a proxy forwards another client's request.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Checks that a request names exactly one valid host, so that every reader assigns it to the same space. A target in
/// absolute form names a host, too: the same.
pub(super) fn one_host(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    let target = uri.authority().map(Authority::as_str);
    let is_valid = |host: &str| {
        // Most names are plain, and parsing costs more than looking at them.
        let named = is_plain(host) || !host.contains('@') && host.parse::<Authority>().is_ok();
        (host.is_empty() || named) && target.is_none_or(|target| target.eq_ignore_ascii_case(host))
    };
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version < Version::HTTP_11 && target.is_none_or(is_valid) => Ok(()),
        (Some(host), None) if host.to_str().is_ok_and(is_valid) => Ok(()),
        _ => Err(ApiError::bad_host()),
    }
}

/// Returns whether a host is a name or an IPv4 address, perhaps with a port of up to four digits.
fn is_plain(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-')
        && (1..=4).contains(&port.len())
        && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// A layer of the Config API: passes a request on if the client may configure the space in the path, or the whole
/// gateway if the path has no space.
pub(super) async fn configure(
    State(app): State<Arc<ApiState>>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(parameters) = parameters else { return ApiError::bad_path().into_response() };
    let space = parameters.iter().find(|(name, _)| *name == "space").map(|(_, space)| space);
    match may_configure(&app, space, request.method(), request.headers(), request.extensions()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Checks that a client may configure `space`; `None` stands for everything that belongs to no space.
fn may_configure(
    app: &ApiState,
    space: Option<&str>,
    method: &Method,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<(), ApiError> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    app.access_keys.configure(space, key(headers), is_local_request(headers, extensions), reads)?;
    if app.access_keys.protect(space) { Ok(()) } else { app.screening.config(method, headers) }
}

/// Returns whether a client that may read `space` may also change it.
pub(super) fn may_change(app: &ApiState, space: &str, headers: &HeaderMap) -> bool {
    // A client that needs no key has passed the other checks.
    app.access_keys.configure(Some(space), key(headers), true, false).is_ok()
}

/// Returns whether a request is from this machine.
pub(super) fn is_local_request(headers: &HeaderMap, extensions: &Extensions) -> bool {
    let forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
    let peer = extensions.get::<Peer>().map(|peer| peer.0.ip());
    is_local(peer, forwarded)
}

/// Checks that a client may emit events into `space`. Removes the key from `headers`, because functions receive them.
pub(super) fn emit(app: &ApiState, space: &str, headers: &mut HeaderMap) -> Result<(), ApiError> {
    app.access_keys.emit(space, key(headers))?;
    if app.access_keys.events {
        headers.remove(AUTHORIZATION);
    }
    Ok(())
}

fn key(headers: &HeaderMap) -> Option<&str> {
    presented(headers.get(AUTHORIZATION)?.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_is_valid() {
        for (host, plain) in [
            ("localhost", true),
            ("localhost:4000", true),
            ("127.0.0.1:80", true),
            ("a-b.example", true),
            ("localhost:40000", false),
            ("localhost:", false),
            ("", false),
            (":80", false),
            ("[::1]:80", false),
            ("user@host", false),
            ("a_b", false),
            ("a:8o", false),
        ] {
            assert_eq!(is_plain(host), plain, "{host}");
            assert!(!plain || host.parse::<Authority>().is_ok(), "{host}");
        }
    }
}
