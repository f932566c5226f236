//! `/v1/spaces/<space>/dead-letters`: the deliveries that were given up, with events and history. They can be shown,
//! tried again (as they are, or with an edited event) and discarded.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_sdk::schema::Shape;
use eg_sdk::{CloudEvent, Schema};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::errors::ApiError;
use super::query::{BEFORE, LIMIT, Query, timestamp};
use super::routes::{Component, Content, Doc, Parameter, Routes};
use super::{ApiState, answer, json, read_body, with_type};
use crate::activity::Activity;
use crate::clock;
use crate::store::{Attempt, DeadLetter, DeadLetterQuery, GivenUp};

/// The answer; the order of the fields is that of the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    dead_letter_id: i64,
    event_id: String,
    event_type: String,
    source: String,
    subscription_id: String,
    function_id: String,
    reason: String,
    accepted_at: String,
    dead_at: String,
    attempts: Vec<AttemptView>,
    event: Box<RawValue>,
}

/// One call of a function.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttemptView {
    number: u32,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<i64>,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What an action came to.
#[derive(Serialize)]
struct Outcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    redriven: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discarded: Option<usize>,
}

/// Redrives a dead letter with another event.
#[derive(Deserialize, Schema)]
struct Edited {
    /// The event that replaces the original.
    event: Box<RawValue>,
}

const FILTERS: [Parameter; 3] = [
    Parameter {
        name: "state",
        doc: "Lists dead letters (`dead`, the default), or deliveries that reached their maximum age (`expired`).",
        shape: &Shape::Words(&["dead", "expired"]),
    },
    LIMIT,
    BEFORE,
];

pub(super) fn routes() -> Routes {
    let list_doc = Doc::new("listDeadLetters", "Lists deliveries that were given up, the newest first.")
        .query(&FILTERS)
        .answer(Content::Other("application/json"));
    let discard_all_doc = Doc::new(
        "discardDeadLetters",
        "Discards all dead letters of a space. They stay in the history of their events.",
    )
    .answer(Content::Other("application/json"));
    let redrive_all_doc = Doc::new("redriveDeadLetters", "Delivers all dead letters of a space again.")
        .status(StatusCode::ACCEPTED)
        .answer(Content::Other("application/json"));
    let show_doc = Doc::new("getDeadLetter", "Returns one dead or expired delivery with its event.")
        .answer(Content::Other("application/json"));
    let discard_doc =
        Doc::new("discardDeadLetter", "Discards one dead letter.").status(StatusCode::NO_CONTENT);
    let redrive_doc = Doc::new(
        "redriveDeadLetter",
        "Delivers one dead letter again, with another event if the body has one.",
    )
    .body(Content::OptionalJson(Component::of::<Edited>("RedriveRequest")))
    .status(StatusCode::ACCEPTED)
    .answer(Content::Other("application/json"));
    Routes::new("dead-letters")
        .get("/dead-letters", list, list_doc)
        .delete("/dead-letters", discard_all, discard_all_doc)
        .post("/dead-letters/redrive", redrive_all, redrive_all_doc)
        .get("/dead-letters/{id}", show, show_doc)
        .delete("/dead-letters/{id}", discard_one, discard_doc)
        .post("/dead-letters/{id}/redrive", redrive_one, redrive_doc)
}

/// Lists the newest first; `limit` and `before=<deadLetterId>` page through them. `state=expired` lists what reached
/// the limit of its age instead.
async fn list(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    query: Query,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List {
        dead_letters: Vec<View>,
    }
    let expired = match query.text("state").as_deref() {
        None | Some("dead") => false,
        Some("expired") => true,
        Some(_) => return Err(ApiError::bad_query("state", "dead or expired")),
    };
    let before = query.cursor("before", "a deadLetterId")?;
    let limit = query.limit()?;
    let letters = app.store.dead_letters(DeadLetterQuery { space, expired, before, limit }).await?;
    let dead_letters = letters.into_iter().map(view).collect::<Option<_>>().ok_or_else(ApiError::internal)?;
    Ok(json(StatusCode::OK, &List { dead_letters }))
}

/// Shows one, dead or expired.
async fn show(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let letter = app.store.dead_letter(space, number(&id)?).await?.ok_or_else(|| missing(&id))?;
    Ok(json(StatusCode::OK, &view(letter).ok_or_else(ApiError::internal)?))
}

async fn redrive_one(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
    body: Body,
) -> Result<Response, ApiError> {
    redrive(&app, space, Some(id), body).await
}

async fn redrive_all(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    redrive(&app, space, None, body).await
}

/// Tries one again, or all the dead ones of the space. A body `{"event": {…}}` replaces the event of that one.
async fn redrive(
    app: &ApiState,
    space: String,
    id: Option<String>,
    body: Body,
) -> Result<Response, ApiError> {
    let body = read_body(body, app.body_limit).await?;
    let edited = edited(&body)?;
    if edited.is_some() && id.is_none() {
        return Err(ApiError::bad_request("an edited event goes to one dead letter: name it in the path"));
    }
    let one = id.as_deref().map(number).transpose()?;
    let redriven =
        app.store.redrive(GivenUp { space: space.clone(), one }, edited, clock::now_millis()).await?;
    if let Some(id) = &id {
        match (redriven.redriven, redriven.skipped) {
            (0, 0) => return Err(missing(id)),
            (0, _) => {
                return Err(ApiError::conflict(format!(
                    "the subscription of dead letter {id} is deleted or disabled: create or enable it first"
                )));
            }
            _ => {}
        }
    }
    app.wakeups.wake(redriven.lanes);
    let deliveries = redriven.redriven;
    app.metrics.began(&space, deliveries);
    app.feed.publish(|| Activity::Redriven { space, deliveries });
    let outcome = Outcome { redriven: Some(deliveries), skipped: Some(redriven.skipped), discarded: None };
    Ok(json(StatusCode::ACCEPTED, &outcome))
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

/// Takes one off the list, or all the dead ones of the space.
async fn discard(app: &ApiState, space: String, id: Option<String>) -> Result<Response, ApiError> {
    let one = id.as_deref().map(number).transpose()?;
    let deliveries = app.store.discard(GivenUp { space: space.clone(), one }, clock::now_millis()).await?;
    if deliveries > 0 {
        app.feed.publish(|| Activity::Discarded { space, deliveries });
    }
    match id {
        Some(id) if deliveries == 0 => Err(missing(&id)),
        Some(_) => Ok(with_type(answer(StatusCode::NO_CONTENT, Body::empty()), "application/json")),
        None => {
            let outcome = Outcome { redriven: None, skipped: None, discarded: Some(deliveries) };
            Ok(json(StatusCode::OK, &outcome))
        }
    }
}

fn edited(body: &[u8]) -> Result<Option<Vec<u8>>, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let wrong = |e: &dyn std::fmt::Display| {
        ApiError::bad_request(format!("the body must be {{\"event\": {{…}}}}: {e}"))
    };
    let edited: Edited = serde_json::from_slice(body).map_err(|e| wrong(&e))?;
    let event = CloudEvent::from_json(edited.event.get().as_bytes()).map_err(|e| wrong(&e))?;
    Ok(Some(event.to_json().map_err(|e| wrong(&e))?))
}

fn number(id: &str) -> Result<i64, ApiError> {
    id.parse().map_err(|_| missing(id))
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Dead letter \"{id}\" not found."))
}

fn view(letter: DeadLetter) -> Option<View> {
    Some(View {
        dead_letter_id: letter.delivery,
        event_id: letter.event_id,
        event_type: letter.event_type,
        source: letter.source,
        subscription_id: letter.subscription_id,
        function_id: letter.function_id,
        reason: letter.reason,
        accepted_at: timestamp(letter.accepted_at),
        dead_at: timestamp(letter.ended_at),
        attempts: letter.attempts.into_iter().map(attempt).collect(),
        event: serde_json::from_slice(&letter.json).ok()?,
    })
}

pub(super) fn attempt(attempt: Attempt) -> AttemptView {
    AttemptView {
        number: attempt.number,
        started_at: timestamp(attempt.started_at),
        duration_ms: attempt.duration_ms,
        outcome: attempt.outcome,
        error: attempt.error,
    }
}
