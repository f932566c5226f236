//! `POST /v1/spaces/<space>/replays`: stored events are delivered once more, to one subscription or to all that would
//! get them today.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_sdk::config::{Subscription, SubscriptionType};
use serde::{Deserialize, Serialize};

use super::errors::ApiError;
use super::query::read_time;
use super::routes::{Content, Doc, Routes};
use super::{ApiState, json, read_body};
use crate::activity::Activity;
use crate::clock;
use crate::decide::intake::{Intake, intake_stored};
use crate::decide::place::Place;
use crate::decide::router::Target;
use crate::metrics::Outcome;
use crate::store::{Range, StoredEvent};

/// Which events, and to whom. Without any limit it would be everything, so at least one is required.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Request {
    event_id: Option<String>,
    source: Option<String>,
    #[serde(rename = "type")]
    ty: Option<String>,
    from: Option<String>,
    to: Option<String>,
    subscription_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    replay_id: String,
    events: usize,
    deliveries: usize,
}

pub(super) fn routes() -> Routes {
    let doc = Doc::new(
        "createReplay",
        "Delivers stored events again, to one subscription or to all that match today.",
    )
    .body(Content::Other("application/json"))
    .status(StatusCode::ACCEPTED)
    .answer(Content::Other("application/json"));
    Routes::new("replays").post("/replays", create, doc)
}

/// Starts a replay. Once this answers, its deliveries are on disk.
async fn create(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    let body = read_body(body, app.body_limit).await?;
    let request: Request =
        serde_json::from_slice(&body).map_err(|e| ApiError::bad_request(format!("no replay: {e}")))?;
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
    let range = Range {
        space: space.clone(),
        id: request.event_id,
        source: request.source,
        ty: request.ty,
        from: request.from.map(|time| time_of("from", &time)).transpose()?,
        to: request.to.map(|time| time_of("to", &time)).transpose()?,
    };
    let name = clock::event_id().to_string();
    // A client that hangs up must not leave half a replay.
    let run = {
        let (app, space, name) = (Arc::clone(&app), space.clone(), name.clone());
        let (max_hops, by_host) = (app.reception.terms.max_hops, app.domain.is_some());
        let intakes = move |stored: &StoredEvent| -> Vec<Intake> {
            let routed;
            let targets = match &only {
                Some(target) if target.subscription.event_type != stored.ty => return Vec::new(),
                Some(target) => std::slice::from_ref(target),
                None => {
                    let place = Place { space: space.clone(), path: stored.path.clone(), by_host };
                    routed = snapshot.router.replayed(&place, &stored.ty, &stored.method);
                    routed.as_slice()
                }
            };
            intake_stored(targets, stored.json.clone(), max_hops)
        };
        tokio::spawn(async move { app.store.replay(range, name, clock::now_millis(), intakes).await })
    };
    let replayed = run.await.map_err(|_| ApiError::internal())??;
    app.wakeups.wake(replayed.lanes);
    let (events, deliveries) = (replayed.events, replayed.deliveries);
    app.metrics.began(&space, deliveries);
    app.metrics.ended(&space, Outcome::Filtered, replayed.filtered);
    app.metrics.ended(&space, Outcome::Dead, replayed.dead);
    app.feed.publish(|| Activity::Replayed { space, replay: name.clone(), events, deliveries });
    Ok(json(StatusCode::ACCEPTED, &Answer { replay_id: name, events, deliveries }))
}

fn time_of(name: &str, value: &str) -> Result<i64, ApiError> {
    let wrong =
        || ApiError::bad_request(format!("{name} is `{value}`: write a time such as 2026-01-31T12:00:00Z"));
    read_time(value).ok_or_else(wrong)
}
