//! `/v1/statistics` and `/v1/spaces/<space>/statistics`: what the last minutes brought. `recent` counts it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_grammar::DeliveryPolicy;
use eg_sdk::config::{Function, RetryLimits};
use eg_sdk::history::{GatewayStatistics, SpaceStatistics};

use super::errors::ApiError;
use super::routes::{Content, Doc, Routes};
use super::{ApiState, json};
use crate::clock;
use crate::timestamp::Timestamp;

pub(super) fn routes() -> Routes {
    let doc = Doc::new(
        "getStatistics",
        "Returns what happened in each minute of the last hour, what waits, and the size of the store.",
    );
    let doc = doc.answer(Content::json::<GatewayStatistics>("GatewayStatistics"));
    Routes::new("gateway").get("/statistics", show, doc)
}

pub(super) fn of_space() -> Routes {
    let doc = Doc::new(
        "getFunctionStatistics",
        "Returns for each function of a space its calls and failures of the last 15 minutes, how long its last calls took, \
         and its last failure.",
    );
    let doc = doc.answer(Content::json::<SpaceStatistics>("SpaceStatistics"));
    Routes::new("functions").get("/statistics", functions, doc)
}

async fn show(State(app): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    let (backlog, now) = (app.store.backlog().await?, clock::timestamp());
    let recent = &app.recent;
    let statistics = GatewayStatistics {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: recent.started().date_time(),
        minutes: recent.minutes(now),
        backlog: u64::try_from(backlog.deliveries).unwrap_or_default(),
        oldest_waiting_since: backlog.oldest.map(Timestamp::date_time),
        store_bytes: backlog.bytes,
        store_limit_bytes: app.store_limit,
    };
    Ok(json(StatusCode::OK, &statistics))
}

async fn functions(State(app): State<Arc<ApiState>>, Path(space): Path<String>) -> Response {
    let (now, snapshot) = (clock::timestamp(), app.configuration.current());
    let ids = snapshot.catalog.table::<Function>().of_space(&space).map(|known| known.function_id.as_str());
    let functions = app.recent.functions(&space, ids, now);
    json(
        StatusCode::OK,
        &SpaceStatistics {
            window: app.recent.window(now),
            default_retry: limits(&app.default_retry),
            functions,
        },
    )
}

fn limits(policy: &DeliveryPolicy) -> RetryLimits {
    let millis = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut limits = RetryLimits::new();
    limits.attempts = Some(policy.attempts);
    limits.min_backoff_ms = Some(millis(policy.min_backoff));
    limits.max_backoff_ms = Some(millis(policy.max_backoff));
    limits.max_age_ms = Some(millis(policy.max_age));
    limits
}
