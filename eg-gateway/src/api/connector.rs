//! The port of the original's connector, for deployment tools that insist on asking it: there are no connections.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::errors::{self, ApiError};
use super::{App, answer, guard, json};

/// The service for the port of the connector.
pub(crate) fn service(app: Arc<App>) -> Router {
    Router::new().fallback(handle).with_state(app)
}

async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let space = match segments.as_slice() {
        ["v1", "status"] if method == Method::GET => return answer(StatusCode::OK, Body::empty()),
        ["v1", "spaces", space, "connections", ..] => *space,
        _ => return errors::not_found(),
    };
    if let Err(error) = guard::configure(&app, Some(space), request.headers(), request.extensions()) {
        return error.into_response();
    }
    match (method.as_str(), segments.len()) {
        ("GET", 4) => json(StatusCode::OK, &json!({ "connections": [] })),
        ("POST", 4) => ApiError::no_connectors().into_response(),
        _ => errors::not_found(),
    }
}
