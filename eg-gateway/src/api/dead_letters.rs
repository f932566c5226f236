//! `/v1/spaces/<space>/dead-letters`: shows, redrives and discards the deliveries that were given up. A redrive may
//! replace the event with an edited one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_grammar::without_bom;
use eg_sdk::CloudEvent;
use eg_sdk::Schema as _;
use eg_sdk::history::{DeadLetter, DeadLetterPage, Discarded, Loss, RedriveRequest, Redriven};

use super::errors::ApiError;
use super::query::{BEFORE, LIMIT, Query};
use super::received::Received;
use super::routes::{Component, Content, Doc, Parameter, Routes};
use super::{ApiState, answer, json, with_type};
use crate::activity::Activity;
use crate::clock;
use crate::store::{DeadLetterQuery, GivenUp};

const FILTERS: [Parameter; 3] = [
    Parameter {
        name: "state",
        doc: "Lists dead letters (`dead`, the default), or deliveries that reached their maximum age (`expired`).",
        shape: Loss::SHAPE,
    },
    LIMIT,
    BEFORE,
];

pub(super) fn routes() -> Routes {
    let list_doc = Doc::new("listDeadLetters", "Lists deliveries that were given up, the newest first.")
        .query(&FILTERS)
        .answer(Content::json::<DeadLetterPage>("DeadLetterPage"));
    let discard_all_doc = Doc::new(
        "discardDeadLetters",
        "Discards all dead letters of a space. They stay in the history of their events.",
    )
    .answer(Content::json::<Discarded>("Discarded"));
    let redrive_all_doc = Doc::new("redriveDeadLetters", "Delivers all dead letters of a space again.")
        .status(StatusCode::ACCEPTED)
        .answer(Content::json::<Redriven>("Redriven"));
    let show_doc = Doc::new("getDeadLetter", "Returns one dead or expired delivery with its event.")
        .answer(Content::json::<DeadLetter>("DeadLetter"));
    let discard_doc =
        Doc::new("discardDeadLetter", "Discards one dead letter.").status(StatusCode::NO_CONTENT);
    let redrive_doc = Doc::new(
        "redriveDeadLetter",
        "Delivers one dead letter again, with another event if the body has one.",
    )
    .body(Content::OptionalJson(Component::of::<RedriveRequest>("RedriveRequest")))
    .status(StatusCode::ACCEPTED)
    .answer(Content::json::<Redriven>("Redriven"));
    Routes::new("dead-letters")
        .get("/dead-letters", list, list_doc)
        .delete("/dead-letters", discard_all, discard_all_doc)
        .post("/dead-letters/redrive", redrive_all, redrive_all_doc)
        .get("/dead-letters/{id}", show, show_doc)
        .delete("/dead-letters/{id}", discard_one, discard_doc)
        .post("/dead-letters/{id}/redrive", redrive_one, redrive_doc)
}

/// Lists the newest first; `limit` and `before=<next>` page through them. `state=expired` lists the deliveries that
/// reached their maximum age instead.
async fn list(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    query: Query,
) -> Result<Response, ApiError> {
    let loss = query.text("state").map_or(Ok(Loss::Dead), |state| state.parse());
    let loss = loss.map_err(|_| ApiError::bad_query("state", "dead or expired"))?;
    let before = query.cursor("before", "the `next` of an earlier page")?;
    let limit = query.limit()?;
    let page = app.store.dead_letters(DeadLetterQuery { space, loss, before, limit }).await?;
    Ok(json(StatusCode::OK, &page))
}

/// Shows one given-up delivery, dead or expired.
async fn show(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let letter = app.store.dead_letter(space, number(&id)?).await?.ok_or_else(|| missing(&id))?;
    Ok(json(StatusCode::OK, &letter))
}

async fn redrive_one(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
    body: Received,
) -> Result<Response, ApiError> {
    redrive(&app, space, Some(id), body).await
}

async fn redrive_all(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    body: Received,
) -> Result<Response, ApiError> {
    redrive(&app, space, None, body).await
}

/// Redrives one, or all the dead letters of the space. With a single one, a body `{"event": {…}}` replaces its event.
async fn redrive(
    app: &ApiState,
    space: String,
    id: Option<String>,
    body: Received,
) -> Result<Response, ApiError> {
    let edited = edited(&body)?;
    if edited.is_some() && id.is_none() {
        return Err(ApiError::bad_request("an edited event goes to one dead letter: name it in the path"));
    }
    let one = id.as_deref().map(number).transpose()?;
    let redriven =
        app.store.redrive(GivenUp { space: space.clone(), one }, edited, clock::timestamp()).await?;
    if let Some(id) = &id {
        match (redriven.redriven, redriven.skipped) {
            (0, 0) => return Err(missing(id)),
            (0, _) => return Err(ApiError::subscription_inactive(id)),
            _ => {}
        }
    }
    app.wakeups.wake(redriven.lanes);
    let deliveries = redriven.redriven;
    app.metrics.began(&space, deliveries);
    app.feed.publish(|| Activity::Redriven { space, deliveries });
    Ok(json(StatusCode::ACCEPTED, &Redriven { redriven: deliveries, skipped: redriven.skipped }))
}

async fn discard_one(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    discard(&app, space, Some(id)).await
}

async fn discard_all(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
) -> Result<Response, ApiError> {
    discard(&app, space, None).await
}

/// Discards one, or all the dead letters of the space.
async fn discard(app: &ApiState, space: String, id: Option<String>) -> Result<Response, ApiError> {
    let one = id.as_deref().map(number).transpose()?;
    let deliveries = app.store.discard(GivenUp { space: space.clone(), one }, clock::timestamp()).await?;
    if deliveries > 0 {
        app.feed.publish(|| Activity::Discarded { space, deliveries });
    }
    match id {
        Some(id) if deliveries == 0 => Err(missing(&id)),
        Some(_) => Ok(with_type(answer(StatusCode::NO_CONTENT, Body::empty()), "application/json")),
        None => Ok(json(StatusCode::OK, &Discarded { discarded: deliveries })),
    }
}

fn edited(body: &[u8]) -> Result<Option<Vec<u8>>, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let wrong = |e: &dyn std::fmt::Display| {
        ApiError::bad_request(format!("the body must be {{\"event\": {{…}}}}: {e}"))
    };
    let edited: RedriveRequest = serde_json::from_slice(without_bom(body)).map_err(|e| wrong(&e))?;
    let event = CloudEvent::from_json(edited.event.get().as_bytes()).map_err(|e| wrong(&e))?;
    Ok(Some(event.to_json().map_err(|e| wrong(&e))?))
}

fn number(id: &str) -> Result<i64, ApiError> {
    id.parse().map_err(|_| missing(id))
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Dead letter \"{id}\" not found."))
}
