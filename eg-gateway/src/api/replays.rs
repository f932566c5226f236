//! `POST /v1/spaces/<space>/replays`: delivers stored events again, to one subscription or to all that match them
//! now. `store` creates the deliveries.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_grammar::without_bom;
use eg_sdk::config::{Subscription, SubscriptionType};
use eg_sdk::history::{Replay, ReplayRequest};

use super::errors::ApiError;
use super::received::Received;
use super::routes::{Content, Doc, Routes};
use super::{ApiState, json};
use crate::activity::Activity;
use crate::clock;
use crate::decide::intake::{Intake, intake_stored};
use crate::decide::place::{Named, Place};
use crate::decide::router::Target;
use crate::metrics::Outcome;
use crate::store::{Range, StoredEvent};

pub(super) fn routes() -> Routes {
    let doc = Doc::new(
        "createReplay",
        "Delivers stored events again, to one subscription or to all that match today.",
    )
    .body(Content::json::<ReplayRequest>("ReplayRequest"))
    .status(StatusCode::ACCEPTED)
    .answer(Content::json::<Replay>("Replay"));
    Routes::new("replays").post("/replays", create, doc)
}

/// Starts a replay. When this answers, the deliveries are on disk.
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
    let snapshot = app.configuration.current();
    let only = match &request.subscription_id {
        None => None,
        Some(id) => {
            let subscription = snapshot.catalog.table::<Subscription>().find(&space, id)?;
            if subscription.kind == SubscriptionType::Sync {
                return Err(ApiError::bad_request(format!(
                    "subscription \"{id}\" is sync: it answers emitters"
                )));
            }
            Some(Arc::new(Target::new(subscription)))
        }
    };
    let range = Range { space: space.clone(), request };
    let name = clock::event_id().to_string();
    // Spawned, so that the replay is completed even if the client hangs up.
    let run = {
        let (app, space, name) = (Arc::clone(&app), space.clone(), name.clone());
        let max_hops = app.reception.terms.max_hops;
        let named = if app.domain.is_some() { Named::Host } else { Named::Path };
        let intakes = move |stored: &StoredEvent| -> Vec<Intake> {
            let routed;
            let targets = match &only {
                Some(target) if target.subscription.event_type != stored.ty => return Vec::new(),
                Some(target) => std::slice::from_ref(target),
                None => {
                    let place = Place { space: space.clone(), path: stored.path.clone(), named };
                    routed = snapshot.router.replayed(&place, &stored.ty, &stored.method);
                    routed.as_slice()
                }
            };
            intake_stored(targets, stored.json.clone(), max_hops)
        };
        tokio::spawn(async move { app.store.replay(range, name, clock::timestamp(), intakes).await })
    };
    let replayed = run.await.map_err(|_| ApiError::internal())??;
    app.wakeups.wake(replayed.lanes);
    let (events, deliveries) = (replayed.events, replayed.deliveries);
    app.metrics.began(&space, deliveries);
    app.metrics.ended(&space, Outcome::Filtered, replayed.filtered);
    app.metrics.ended(&space, Outcome::Dead, replayed.dead);
    app.feed.publish(|| Activity::Replayed { space, replay: name.clone(), events, deliveries });
    Ok(json(StatusCode::ACCEPTED, &Replay { replay_id: name, events, deliveries }))
}
