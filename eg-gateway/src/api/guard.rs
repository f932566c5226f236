//! Lets requests through to an API, or answers why not. Who may what is decided in `decide`.

use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::uri::Authority;
use axum::http::{Extensions, HeaderMap, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::ApiState;
use super::errors::ApiError;
use crate::decide::access::{is_local, presented};
use crate::server::Peer;

/// Headers by which a proxy says that it speaks for another client.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Checks that one host is named, and only one: which space a request belongs to must not depend on who reads it.
pub(super) fn one_host(version: Version, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version < Version::HTTP_11 => Ok(()),
        (Some(host), None)
            if host.to_str().is_ok_and(|host| host.is_empty() || host.parse::<Authority>().is_ok()) =>
        {
            Ok(())
        }
        _ => Err(ApiError::bad_host()),
    }
}

/// Layer of the Config API: lets a request through to the handler of its route if its client may configure the space in
/// the path, or the gateway where the path has no space.
pub(super) async fn configure(
    State(app): State<Arc<ApiState>>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(parameters) = parameters else { return ApiError::bad_path().into_response() };
    let space = parameters.iter().find(|(name, _)| *name == "space").map(|(_, space)| space);
    match may_configure(&app, space, request.headers(), request.extensions()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Checks a request to the Config API that is about `space`; `None` is what belongs to no space.
pub(super) fn may_configure(
    app: &ApiState,
    space: Option<&str>,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<(), ApiError> {
    let forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
    let peer = extensions.get::<Peer>().map(|peer| peer.0.ip());
    Ok(app.access_keys.configure(space, key(headers), is_local(peer, forwarded))?)
}

/// Checks a request to the Events API, and takes a key out of it: functions get to see the other headers.
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
