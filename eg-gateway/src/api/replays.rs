//! `POST /v1/spaces/<space>/replays`: delivers stored events again, to one subscription or to all that match them
//! now. `crate::jobs` does the work.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_grammar::without_bom;
use eg_sdk::config::{Subscription, SubscriptionType};
use eg_sdk::history::{Replay, ReplayRequest};

use super::errors::ApiError;
use super::jobs::unfinished;
use super::received::Received;
use super::routes::{Content, Doc, Routes};
use super::{ApiState, jobs, json};
use crate::clock;
use crate::decide::size;
use crate::store::Work;

pub(super) fn routes() -> Routes {
    let doc = Doc::new(
        "createReplay",
        "Delivers stored events again, to one subscription or to all that match today. Many events are a job, which \
         the answer names.",
    )
    .body(Content::json::<ReplayRequest>("ReplayRequest"))
    .status(StatusCode::ACCEPTED)
    .answer(Content::json::<Replay>("Replay"));
    Routes::new("replays").post("/replays", create, doc)
}

/// Starts a replay. The deliveries that it counts are on disk; if there are more, a job creates them.
async fn create(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    body: Received,
) -> Result<Response, ApiError> {
    let request: ReplayRequest = serde_json::from_slice(without_bom(&body))
        .map_err(|e| ApiError::bad_request(format!("no replay: {e}")))?;
    if request.event_id.is_none() && request.from.is_none() {
        return Err(ApiError::bad_request(
            "a replay needs eventId, or from (a time), so that it is not everything",
        ));
    }
    if let Some(id) = &request.subscription_id {
        let snapshot = app.configuration.current();
        let subscription = snapshot.catalog.table::<Subscription>().find(&space, id)?;
        if subscription.kind == SubscriptionType::Sync {
            return Err(ApiError::bad_request(format!("subscription \"{id}\" is sync: it answers emitters")));
        }
        if let Some(event) = &request.event_id {
            let (source, ty) = (request.source.clone(), request.ty.clone());
            let stored = app.store.event(space.clone(), event.clone(), source, ty).await?;
            let size = stored.map_or(0, |stored| stored.event.event.get().len());
            size::check(&snapshot.catalog, &space, [subscription.function_id.as_str()], size)?;
        }
    }
    let name = clock::event_id().to_string();
    let job = jobs::begin(&app, space, Work::Replay { name: name.clone(), request }).await?;
    let (events, deliveries, job_id) = (job.events, job.deliveries, unfinished(&job));
    Ok(json(StatusCode::ACCEPTED, &Replay { replay_id: name, events, deliveries, job_id }))
}
