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
use serde_json::value::RawValue;

use super::errors::ApiError;
use super::jobs::unfinished;
use super::query::{BEFORE, LIMIT, Query};
use super::received::Received;
use super::routes::{Component, Content, Doc, Parameter, Routes};
use super::{ApiState, answer, jobs, json, with_type};
use crate::activity::Activity;
use crate::clock;
use crate::decide::secrets::Veil;
use crate::decide::size;
use crate::store::{DeadLetterQuery, Redrive, StoreError, Work};

const STATE: Parameter = Parameter {
    name: "state",
    doc: "Selects dead letters (`dead`, the default), or deliveries that reached their maximum age (`expired`).",
    shape: Loss::SHAPE,
};

const FILTERS: [Parameter; 3] = [STATE, LIMIT, BEFORE];

pub(super) fn routes() -> Routes {
    let list_doc = Doc::new("listDeadLetters", "Lists deliveries that were given up, the newest first.")
        .query(&FILTERS)
        .answer(Content::json::<DeadLetterPage>("DeadLetterPage"));
    let discard_all_doc = Doc::new(
        "discardDeadLetters",
        "Discards all dead letters of a space. They stay in the history of their events. Many of them are a job, which \
         the answer names.",
    )
    .query(&[STATE])
    .answer(Content::json::<Discarded>("Discarded"));
    let redrive_all_doc = Doc::new(
        "redriveDeadLetters",
        "Delivers all dead letters of a space again. Many of them are a job, which the answer names.",
    )
    .query(&[STATE])
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
    let loss = loss(&query)?;
    let before = query.cursor("before", "the `next` of an earlier page")?;
    let limit = query.limit()?;
    let mut page =
        app.store.dead_letters(DeadLetterQuery { space: space.clone(), loss, before, limit }).await?;
    let snapshot = app.configuration.current();
    let mut veil = Veil::new(&snapshot.catalog, &space);
    page.dead_letters.iter_mut().for_each(|letter| veil.hide(&mut letter.event));
    Ok(json(StatusCode::OK, &page))
}

/// Shows one given-up delivery, dead or expired.
async fn show(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let letter = app.store.dead_letter(space.clone(), number(&id)?).await?;
    let mut letter = letter.ok_or_else(|| missing(&id))?;
    let snapshot = app.configuration.current();
    Veil::new(&snapshot.catalog, &space).hide(&mut letter.event);
    Ok(json(StatusCode::OK, &letter))
}

/// Redrives a single one. A body `{"event": {…}}` replaces its event.
async fn redrive_one(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
    body: Received,
) -> Result<Response, ApiError> {
    let (edited, letter) = (edited(&body)?, number(&id)?);
    let stored = app.store.dead_letter(space.clone(), letter).await?;
    let snapshot = app.configuration.current();
    let edited = match (edited, &stored) {
        (Some(edited), Some(stored)) => {
            let mut veil = Veil::new(&snapshot.catalog, &space);
            Some(veil.restored(edited, &stored.event).map_err(ApiError::bad_request)?)
        }
        (edited, _) => edited,
    };
    let edited = edited.map(|edited| event_json(&edited)).transpose()?;
    let stored = stored.ok_or_else(|| missing(&id))?;
    let size = edited.as_ref().map_or(stored.event.get().len(), Vec::len);
    size::check(&snapshot.catalog, &space, [stored.function_id.as_str()], size)?;
    match app.store.redrive(space.clone(), letter, edited, clock::timestamp()).await? {
        Redrive::Missing => Err(missing(&id)),
        Redrive::Inactive => Err(ApiError::subscription_inactive(&id)),
        Redrive::GivingUp(job) => Err(StoreError::GivingUp(job).into()),
        Redrive::Due(lane) => {
            app.wakeups.wake([lane]);
            app.metrics.began(&space, 1);
            app.feed.publish(|| Activity::Redriven { space, deliveries: 1 });
            Ok(json(StatusCode::ACCEPTED, &Redriven { redriven: 1, skipped: 0, job_id: None }))
        }
    }
}

/// Redrives all of the space: the dead letters or, with `state=expired`, the expired deliveries.
async fn redrive_all(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    query: Query,
    body: Received,
) -> Result<Response, ApiError> {
    let loss = loss(&query)?;
    if edited(&body)?.is_some() {
        return Err(ApiError::bad_request("an edited event goes to one dead letter: name it in the path"));
    }
    let job = jobs::begin(&app, space, Work::Redrive { loss }).await?;
    let (redriven, skipped, job_id) = (job.deliveries, job.skipped, unfinished(&job));
    Ok(json(StatusCode::ACCEPTED, &Redriven { redriven, skipped, job_id }))
}

async fn discard_one(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    if !app.store.discard(space.clone(), number(&id)?, clock::timestamp()).await? {
        return Err(missing(&id));
    }
    app.feed.publish(|| Activity::Discarded { space, deliveries: 1 });
    Ok(with_type(answer(StatusCode::NO_CONTENT, Body::empty()), "application/json"))
}

/// Discards all of the space: the dead letters or, with `state=expired`, the expired deliveries.
async fn discard_all(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    query: Query,
) -> Result<Response, ApiError> {
    let loss = loss(&query)?;
    let job = jobs::begin(&app, space, Work::Discard { loss }).await?;
    let (discarded, job_id) = (job.deliveries, unfinished(&job));
    Ok(json(StatusCode::OK, &Discarded { discarded, job_id }))
}

/// Reads which deliveries a request is about: dead ones, unless it says otherwise.
fn loss(query: &Query) -> Result<Loss, ApiError> {
    let loss = query.text("state").map_or(Ok(Loss::Dead), |state| state.parse());
    loss.map_err(|_| ApiError::bad_query("state", "dead or expired"))
}

fn edited(body: &[u8]) -> Result<Option<Box<RawValue>>, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let edited: RedriveRequest = serde_json::from_slice(without_bom(body)).map_err(|e| not_edited(&e))?;
    Ok(Some(edited.event))
}

/// Returns an edited event in the form in which the gateway stores events.
fn event_json(edited: &RawValue) -> Result<Vec<u8>, ApiError> {
    let event = CloudEvent::from_json(edited.get().as_bytes()).map_err(|e| not_edited(&e))?;
    event.to_json().map_err(|e| not_edited(&e))
}

fn not_edited(error: &dyn std::fmt::Display) -> ApiError {
    ApiError::bad_request(format!("the body must be {{\"event\": {{…}}}}: {error}"))
}

fn number(id: &str) -> Result<i64, ApiError> {
    id.parse().map_err(|_| missing(id))
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Dead letter \"{id}\" not found."))
}
