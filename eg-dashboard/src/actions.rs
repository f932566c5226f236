//! The changes that pages can make: send, replay, retry, discard. Each leads back to a page that says what was done.

use axum::response::Redirect;
use eg_grammar::printable;
use eg_sdk::errors::ErrorCode;
use eg_sdk::history::{RedriveRequest, ReplayRequest};
use eg_sdk::{CloudEvent, EventGateway};
use serde_json::value::RawValue;

use crate::access::{Change, Id};
use crate::failure::{Failure, is_about_the_key, with_sources};
use crate::pages::{dead_letters, event, send};
use crate::place;
use crate::reading::Fields;

/// Leads to a page that says what was done, to how many.
fn done(path: &str, what: &str, number: usize) -> Redirect {
    let sign = if path.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{path}{sign}done={what}&n={number}"))
}

/// `POST …/events`: sends the event of the form.
pub(crate) async fn emit(Change { visitor, form }: Change) -> Result<Redirect, Failure> {
    let event = send::written(&form).map_err(Failure::Mistake)?;
    accept(&visitor.gateway, event).await
}

/// `POST …/events/<id>/resend`: sends the edited event as a new one.
pub(crate) async fn resend(Change { visitor, form }: Change) -> Result<Redirect, Failure> {
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
    Id(id): Id<String>,
    query: Fields,
    Change { visitor, form }: Change,
) -> Result<Redirect, Failure> {
    let request = ReplayRequest {
        event_id: Some(id.clone()),
        source: query.get("source").map(str::to_owned),
        ty: query.get("type").map(str::to_owned),
        subscription_id: form.get("subscription").map(str::to_owned),
        ..ReplayRequest::default()
    };
    let replay = visitor.gateway.history().replay(&request).await?;
    let path = place::event(visitor.gateway.space(), &id, query.text("source"), query.text("type"), "");
    let what = if replay.job_id.is_some() { "replaying" } else { "replayed" };
    Ok(done(&path, what, replay.deliveries))
}

/// `POST …/dead-letters/<id>/retry`: delivers a dead letter again, with an edited event if there is one.
pub(crate) async fn retry(Id(id): Id<i64>, Change { visitor, form }: Change) -> Result<Redirect, Failure> {
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
    let space = visitor.gateway.space();
    let path = match form.get("event") {
        Some(event) => place::event(space, event, form.text("source"), form.text("type"), ""),
        None => place::in_space(space, "/dead-letters"),
    };
    Ok(done(&path, "retried", redriven.redriven))
}

/// `POST …/deliveries/<id>/retry`: attempts a delivery at once that waits.
pub(crate) async fn hasten(Id(id): Id<i64>, Change { visitor, form }: Change) -> Result<Redirect, Failure> {
    let path =
        place::event(visitor.gateway.space(), form.text("event"), form.text("source"), form.text("type"), "");
    match visitor.gateway.history().retry(id).await {
        Ok(_) => Ok(done(&path, "hastened", 1)),
        // The gateway was faster.
        Err(error) if error.code() == Some(ErrorCode::NotFound) => Ok(Redirect::to(&path)),
        Err(error) => Err(error.into()),
    }
}

/// `POST …/dead-letters/<id>/discard`
pub(crate) async fn discard(Id(id): Id<i64>, Change { visitor, .. }: Change) -> Result<Redirect, Failure> {
    visitor.gateway.dead_letters().discard(id).await?;
    Ok(done(&place::in_space(visitor.gateway.space(), "/dead-letters"), "discarded", 1))
}

/// `POST …/dead-letters/group`: retries or discards the dead letters of one group, which the form names one by one.
pub(crate) async fn of_group(Change { visitor, form }: Change) -> Result<Redirect, Failure> {
    let ids = dead_letters::ids_of(&form)?;
    let is_retry = form.text("do") == "retry";
    let page = place::query([("state", form.text("state")), ("before", form.text("before"))]);
    let path = place::in_space(visitor.gateway.space(), &format!("/dead-letters{page}"));
    let function = form.text("function").to_owned();
    // The browser may leave in between: what is begun is completed nevertheless.
    let work = tokio::spawn(async move { change_all(&visitor.gateway, &ids, is_retry, &function).await });
    let changed = match work.await {
        Ok(changed) => changed?,
        Err(error) => return Err(Failure::Stopped(error)),
    };
    Ok(done(&path, if is_retry { "retried" } else { "discarded" }, changed))
}

/// Retries or discards dead letters of a function, and returns how many.
///
/// # Errors
/// If any of them could not be changed. The error says how many were.
async fn change_all(
    gateway: &EventGateway,
    ids: &[i64],
    is_retry: bool,
    function: &str,
) -> Result<usize, Failure> {
    let letters = gateway.dead_letters();
    let (mut changed, mut inactive, mut failed) = (0, 0, None);
    for id in ids {
        let outcome =
            if is_retry { letters.redrive(*id, None).await.map(drop) } else { letters.discard(*id).await };
        match outcome {
            Ok(()) => changed += 1,
            // Somebody else was faster.
            Err(error) if error.code() == Some(ErrorCode::NotFound) => {}
            Err(error) if error.code() == Some(ErrorCode::SubscriptionInactive) => inactive += 1,
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let why = match failed {
        Some(error) if changed == 0 => return Err(error.into()),
        Some(error) if is_about_the_key(&error) => "Your key is not valid any more.".to_owned(),
        Some(error) => format!("Then an action failed: {}.", with_sources(&error)),
        None if inactive > 0 => format!(
            "The subscription of `{}` was deleted or is disabled, so its dead letters cannot be delivered. Create or enable \
             it first.",
            printable(function)
        ),
        None => return Ok(changed),
    };
    Err(match changed {
        0 => Failure::Mistake(why),
        _ => Failure::Partly { changed, of: ids.len(), why },
    })
}
