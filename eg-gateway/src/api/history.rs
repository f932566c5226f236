//! `/v1/spaces/<space>/events`: the events that were accepted, and what became of each of them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_sdk::schema::Shape;
use serde::Serialize;
use serde_json::value::RawValue;

use super::dead_letters::{AttemptView, attempt};
use super::errors::ApiError;
use super::query::{BEFORE, LIMIT, Query, timestamp};
use super::routes::{Content, Doc, Parameter, Routes};
use super::{ApiState, json};
use crate::store::{Delivery, EventQuery, StoredEvent};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventView {
    event_id: String,
    event_type: String,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    method: String,
    path: String,
    accepted_at: String,
    event: Box<RawValue>,
}

/// What became of the event for one subscription.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryView {
    delivery_id: i64,
    subscription_id: String,
    function_id: String,
    /// Whether the filter let it through.
    matched: bool,
    state: String,
    /// The clause of the filter that failed, what the event has there, and what was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatch: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    /// Why there is no time for the next attempt.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    waits_for_earlier: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discarded_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    edited: bool,
    attempts: Vec<AttemptView>,
}

const SOURCE: Parameter = text("source", "The `source` of the event.");

const FILTERS: [Parameter; 8] = [
    text("type", "Lists only events of this type."),
    SOURCE,
    text("subject", "Lists only events with this `subject`."),
    text("text", "Lists only events whose JSON contains this text."),
    time("from", "Lists only events accepted at this time or later."),
    time("to", "Lists only events accepted before this time."),
    LIMIT,
    BEFORE,
];

const fn text(name: &'static str, doc: &'static str) -> Parameter {
    Parameter { name, doc, shape: &Shape::STRING }
}

const fn time(name: &'static str, doc: &'static str) -> Parameter {
    Parameter { name, doc, shape: &Shape::String { format: Some("date-time") } }
}

pub(super) fn routes() -> Routes {
    let list_doc = Doc::new("listEvents", "Lists accepted events, the newest first.")
        .query(&FILTERS)
        .answer(Content::Other("application/json"));
    let show_doc = Doc::new(
        "getEvent",
        "Returns the newest event with this id, and what happened to it at each subscription.",
    )
    .query(&[SOURCE])
    .answer(Content::Other("application/json"));
    Routes::new("events").get("/events", list, list_doc).get("/events/{id}", show, show_doc)
}

/// Lists the newest first. `type`, `source`, `subject`, `from`, `to` and `text` narrow down; `limit` and
/// `before=<next>` page through them.
async fn list(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    query: Query,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct List {
        events: Vec<EventView>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<i64>,
    }
    let query = EventQuery {
        space,
        ty: query.text("type"),
        source: query.text("source"),
        subject: query.text("subject"),
        from: query.time("from")?,
        to: query.time("to")?,
        text: query.text("text"),
        before: query.cursor("before", "the `next` of an earlier page")?,
        limit: query.limit()?,
    };
    let page = app.store.events(query).await?;
    let events = page.events.into_iter().map(event).collect::<Option<_>>().ok_or_else(ApiError::internal)?;
    Ok(json(StatusCode::OK, &List { events, next: page.next }))
}

/// Shows the newest event with an id; `source` tells events with the same id apart.
async fn show(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
    query: Query,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Show {
        #[serde(flatten)]
        event: EventView,
        deliveries: Vec<DeliveryView>,
    }
    let source = query.text("source");
    let found = app.store.event(space, id.clone(), source).await?;
    let (stored, deliveries) =
        found.ok_or_else(|| ApiError::not_found(format!("Event \"{id}\" not found.")))?;
    let event = event(stored).ok_or_else(ApiError::internal)?;
    Ok(json(StatusCode::OK, &Show { event, deliveries: deliveries.into_iter().map(delivery).collect() }))
}

fn event(stored: StoredEvent) -> Option<EventView> {
    Some(EventView {
        event_id: stored.id,
        event_type: stored.ty,
        source: stored.source,
        subject: stored.subject,
        method: stored.method,
        path: stored.path,
        accepted_at: timestamp(stored.accepted_at),
        event: serde_json::from_slice(&stored.json).ok()?,
    })
}

fn delivery(delivery: Delivery) -> DeliveryView {
    let matched = delivery.state != "filtered";
    let pending = delivery.state == "pending";
    let (mismatch, reason) = match delivery.reason {
        Some(clause) if !matched => (RawValue::from_string(clause).ok(), None),
        reason => (None, reason),
    };
    DeliveryView {
        delivery_id: delivery.seq,
        subscription_id: delivery.subscription_id,
        function_id: delivery.function_id,
        matched,
        state: delivery.state,
        mismatch,
        reason,
        next_attempt_at: delivery.due_at.filter(|_| pending).map(timestamp),
        waits_for_earlier: pending && delivery.due_at.is_none(),
        ended_at: delivery.ended_at.map(timestamp),
        discarded_at: delivery.discarded_at.map(timestamp),
        replay: delivery.replay,
        edited: delivery.edited,
        attempts: delivery.attempts.into_iter().map(attempt).collect(),
    }
}
