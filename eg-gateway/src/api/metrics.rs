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
    // A store that cannot be read must not hide the metric that tells so.
    let backlog = app.store.backlog().await;
    let backlog = backlog.inspect_err(|error| tracing::error!(%error, "cannot count the deliveries")).ok();
    let (catalog, store) = (&app.configuration.current().catalog, app.store.state());
    let text = app.metrics.text(catalog, &store, backlog.as_ref(), clock::timestamp(), clock::ahead());
    let text = text.ok_or_else(ApiError::internal)?;
    Ok(with_type(answer(StatusCode::OK, Body::from(text)), TEXT))
}
