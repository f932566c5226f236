//! `GET /v1/metrics`, and the counting of requests to the Config API.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::errors::ApiError;
use super::paths::Path;
use super::{App, answer, with_type};
use crate::clock;
use crate::decide::refusal::Kind;
use crate::metrics::Metrics;

/// The metrics as Prometheus reads them.
pub(super) async fn text(app: &App) -> Result<Response, ApiError> {
    let backlog = app.store.backlog().await?;
    let catalog = &app.configuration.current().catalog;
    let text = app.metrics.text(catalog, &backlog, clock::now_millis()).ok_or_else(ApiError::internal)?;
    Ok(with_type(answer(StatusCode::OK, Body::from(text)), "text/plain; version=0.0.4; charset=utf-8"))
}

/// Counts a request that operates on a resource.
pub(super) fn count(metrics: &Metrics, method: &Method, path: &Path) {
    let (space, kind, operation) = match (method.as_str(), path) {
        ("GET", Path::Collection { space, kind }) => (space, kind, "list"),
        ("POST", Path::Collection { space, kind }) => (space, kind, "create"),
        ("GET", Path::Item { space, kind, .. }) => (space, kind, "get"),
        ("PUT", Path::Item { space, kind, .. }) => (space, kind, "update"),
        ("DELETE", Path::Item { space, kind, .. }) => (space, kind, "delete"),
        ("POST", Path::Replacement { space }) => (space, &Kind::Subscription, "replace"),
        _ => return,
    };
    let resource = match kind {
        Kind::EventType => "eventtype",
        Kind::Function => "function",
        Kind::Subscription => "subscription",
        Kind::Cors => "cors",
    };
    metrics.config_request(space, resource, operation);
}
