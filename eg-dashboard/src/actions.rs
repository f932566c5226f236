//! The changes that pages can make: send, replay, retry, discard. Each leads back to a page that says what was done.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Redirect;
use eg_grammar::printable;
use eg_sdk::errors::ErrorCode;
use eg_sdk::history::{RedriveRequest, ReplayRequest};
use eg_sdk::{CloudEvent, EventGateway};
use serde_json::value::RawValue;

use crate::Dashboard;
use crate::failure::Failure;
use crate::pages::{dead_letters, event, send};
use crate::place;
use crate::reading::Fields;

type App = State<Arc<Dashboard>>;

/// Leads to a page that says what was done, to how many.
fn done(path: &str, what: &str, number: usize) -> Redirect {
    let sign = if path.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{path}{sign}done={what}&n={number}"))
}

/// `POST …/events`: sends the event of the form.
pub(crate) async fn emit(
    State(app): App,
    Path(space): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Redirect, Failure> {
    let (visitor, form) = app.change(&headers, &space, body).await?;
    let event = send::written(&form).map_err(Failure::Mistake)?;
    accept(&visitor.gateway, event).await
}

/// `POST …/events/<id>/resend`: sends the edited event as a new one.
pub(crate) async fn resend(
    State(app): App,
    Path((space, _)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Redirect, Failure> {
    let (visitor, form) = app.change(&headers, &space, body).await?;
    let event = event::written(form.text("event")).map_err(Failure::Mistake)?;
    accept(&visitor.gateway, event).await
}

/// Sends an event and leads to its page.
async fn accept(gateway: &EventGateway, event: CloudEvent) -> Result<Redirect, Failure> {
    let path = place::event(gateway.space(), event.id(), event.source(), event.ty(), "");
    let receipt = gateway.emit(event).await?;
    Ok(done(&path, if receipt.duplicate { "duplicate" } else { "sent" }, 1))
}

/// `POST …/events/<id>/replay`: delivers the event again, to all subscriptions or to one.
pub(crate) async fn replay(
    State(app): App,
    Path((space, id)): Path<(String, String)>,
    query: Fields,
    headers: HeaderMap,
    body: Body,
) -> Result<Redirect, Failure> {
    let (visitor, form) = app.change(&headers, &space, body).await?;
    let request = ReplayRequest {
        event_id: Some(id.clone()),
        source: query.get("source").map(str::to_owned),
        ty: query.get("type").map(str::to_owned),
        subscription_id: form.get("subscription").map(str::to_owned),
        ..ReplayRequest::default()
    };
    let replay = visitor.gateway.history().replay(&request).await?;
    let path = place::event(&space, &id, query.text("source"), query.text("type"), "");
    let what = if replay.job_id.is_some() { "replaying" } else { "replayed" };
    Ok(done(&path, what, replay.deliveries))
}

/// `POST …/dead-letters/<id>/retry`: delivers a dead letter again, with an edited event if there is one.
pub(crate) async fn retry(
    State(app): App,
    Path((space, id)): Path<(String, i64)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Redirect, Failure> {
    let (visitor, form) = app.change(&headers, &space, body).await?;
    let edited = match form.get("edited") {
        Some(text) => {
            let event = RawValue::from_string(text.trim().to_owned());
            let event =
                event.map_err(|error| Failure::Mistake(format!("The event is not JSON: {error}.")))?;
            Some(RedriveRequest { event })
        }
        None => None,
    };
    let redriven = visitor.gateway.dead_letters().redrive(id, edited.as_ref()).await?;
    let path = match form.get("event") {
        Some(event) => place::event(&space, event, form.text("source"), form.text("type"), ""),
        None => place::in_space(&space, "/dead-letters"),
    };
    Ok(done(&path, "retried", redriven.redriven))
}

/// `POST …/dead-letters/<id>/discard`
pub(crate) async fn discard(
    State(app): App,
    Path((space, id)): Path<(String, i64)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Redirect, Failure> {
    let (visitor, _) = app.change(&headers, &space, body).await?;
    visitor.gateway.dead_letters().discard(id).await?;
    Ok(done(&place::in_space(&space, "/dead-letters"), "discarded", 1))
}

/// `POST …/dead-letters/group`: retries or discards the dead letters of one cause.
pub(crate) async fn of_group(
    State(app): App,
    Path(space): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Redirect, Failure> {
    let (visitor, form) = app.change(&headers, &space, body).await?;
    let letters = visitor.gateway.dead_letters();
    let retry = form.text("do") == "retry";
    let mut changed = 0;
    for letter in dead_letters::of_group(&visitor.gateway, &form).await? {
        let id = letter.dead_letter_id;
        let outcome =
            if retry { letters.redrive(id, None).await.map(drop) } else { letters.discard(id).await };
        match outcome {
            Ok(()) => changed += 1,
            // Somebody else was faster.
            Err(error) if error.code() == Some(ErrorCode::NotFound) => {}
            Err(error) if error.code() == Some(ErrorCode::SubscriptionInactive) => {
                return Err(Failure::Mistake(format!(
                    "The subscription of {} was deleted or is disabled, so its dead letters cannot be delivered. Create or \
                     enable it first.",
                    printable(&letter.function_id)
                )));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let path =
        place::in_space(&space, &format!("/dead-letters{}", place::query([("state", form.text("state"))])));
    Ok(done(&path, if retry { "retried" } else { "discarded" }, changed))
}
