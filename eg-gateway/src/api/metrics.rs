//! `GET /v1/metrics`: the metrics in the text format of Prometheus. `metrics` collects them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::errors::ApiError;
use super::routes::{Content, Doc, Routes};
use super::{ApiState, answer, with_type};
use crate::clock;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn routes() -> Routes {
    let doc = Doc::new("getMetrics", "Returns the metrics in the text format of Prometheus.");
    Routes::new("gateway").get("/metrics", show, doc.answer(Content::Text(TEXT)))
}

async fn show(State(app): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    let backlog = app.store.backlog().await?;
    let catalog = &app.configuration.current().catalog;
    let text = app.metrics.text(catalog, &backlog, clock::timestamp()).ok_or_else(ApiError::internal)?;
    Ok(with_type(answer(StatusCode::OK, Body::from(text)), TEXT))
}
