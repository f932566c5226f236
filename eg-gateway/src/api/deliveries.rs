//! `/v1/spaces/<space>/deliveries`: attempts deliveries at once that wait for their next attempt. What was given up is in
//! `dead_letters`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_sdk::history::Redriven;

use super::errors::ApiError;
use super::routes::{Content, Doc, Routes};
use super::{ApiState, json};
use crate::activity::Activity;
use crate::clock;

pub(super) fn routes() -> Routes {
    let doc = Doc::new(
        "retryDelivery",
        "Attempts a delivery at once that waits for its next attempt, and counts its attempts anew. Its maximum age stays.",
    );
    let doc = doc.status(StatusCode::ACCEPTED).answer(Content::json::<Redriven>("Redriven"));
    Routes::new("deliveries").post("/deliveries/{id}/retry", retry, doc)
}

async fn retry(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found(format!("No delivery \"{id}\" waits for its next attempt."));
    let delivery = id.parse().map_err(|_| missing())?;
    let lane = app.store.hasten(space.clone(), delivery, clock::timestamp()).await?.ok_or_else(missing)?;
    app.wakeups.wake([lane]);
    app.feed.publish(|| Activity::Redriven { space, deliveries: 1 });
    Ok(json(StatusCode::ACCEPTED, &Redriven { redriven: 1, skipped: 0, job_id: None }))
}
