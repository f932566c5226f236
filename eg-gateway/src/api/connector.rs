//! The original's Connections API, for deployment tools that query it: it lists no connections and creates none.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::errors::{self, ApiError};
use super::{ApiState, guard, json};

/// Returns the service for the port of the Connections API.
pub(crate) fn service(app: Arc<ApiState>) -> Router {
    Router::new()
        .route("/v1/spaces/{space}/connections", get(list).post(create))
        .route_layer(from_fn_with_state(Arc::clone(&app), guard::configure))
        .route("/v1/status", get(async || StatusCode::OK))
        .method_not_allowed_fallback(async || errors::not_found())
        .fallback(async || errors::not_found())
        .with_state(app)
}

async fn list() -> Response {
    json(StatusCode::OK, &json!({ "connections": [] }))
}

async fn create() -> ApiError {
    ApiError::no_connectors()
}
