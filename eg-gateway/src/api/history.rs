//! `/v1/spaces/<space>/events`: the accepted events, with their deliveries and attempts, and without the credentials of HTTP
//! requests and the sensitive parts of payloads. `store` searches them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_sdk::Schema as _;
use eg_sdk::history::{DeliveryState, EventDetail, EventFilter, EventPage};
use eg_sdk::schema::Shape;

use super::errors::ApiError;
use super::query::{BEFORE, LIMIT, Query};
use super::routes::{Content, Doc, Parameter, Routes};
use super::{ApiState, json};
use crate::decide::secrets::Veil;
use crate::store::EventQuery;

const SOURCE: Parameter = text("source", "The `source` of the event.");
const TYPE: Parameter = text("type", "The `type` of the event.");

const FILTERS: [Parameter; 12] = [
    text("id", "Lists only events with this `id`."),
    text("type", "Lists only events of this type."),
    SOURCE,
    text("subject", "Lists only events with this `subject`."),
    text("text", "Lists only events whose JSON contains this text."),
    time("from", "Lists only events accepted at this time or later."),
    time("to", "Lists only events accepted before this time."),
    Parameter {
        name: "state",
        doc: "Lists only events with a delivery in this state; with `function`: with one to that function.",
        shape: DeliveryState::SHAPE,
    },
    text("function", "Lists only events with a delivery to the function with this id."),
    Parameter {
        name: "system",
        doc: "`false` leaves out the gateway's own events, such as `eventgateway.event.received`.",
        shape: bool::SHAPE,
    },
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
        .answer(Content::json::<EventPage>("EventPage"));
    let show_doc = Doc::new(
        "getEvent",
        "Returns the newest event with this id, and what happened to it at each subscription.",
    )
    .query(&[SOURCE, TYPE])
    .answer(Content::json::<EventDetail>("EventDetail"));
    Routes::new("events").get("/events", list, list_doc).get("/events/{id}", show, show_doc)
}

/// Lists the newest first. `limit` and `before=<next>` page through the list.
async fn list(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    query: Query,
) -> Result<Response, ApiError> {
    let filter = EventFilter {
        id: query.text("id"),
        ty: query.text("type"),
        source: query.text("source"),
        subject: query.text("subject"),
        from: query.time("from")?,
        to: query.time("to")?,
        text: query.text("text"),
        state: state(&query)?,
        function: query.text("function"),
        without_system: query.flag("system")? == Some(false),
    };
    let before = query.cursor("before", "the `next` of an earlier page")?;
    let limit = query.limit()?;
    let mut page = app.store.events(EventQuery { space: space.clone(), filter, before, limit }).await?;
    let snapshot = app.configuration.current();
    let mut veil = Veil::new(&snapshot.catalog, &space);
    page.events.iter_mut().for_each(|event| veil.hide(&mut event.event));
    Ok(json(StatusCode::OK, &page))
}

fn state(query: &Query) -> Result<Option<DeliveryState>, ApiError> {
    let names = "pending, in_flight, delivered, dead, expired or filtered";
    let read = |name: String| name.parse().map_err(|_| ApiError::bad_query("state", names));
    query.text("state").map(read).transpose()
}

/// Shows the newest event with an id; `source` and `type` select among events with the same id.
async fn show(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
    query: Query,
) -> Result<Response, ApiError> {
    match app.store.event(space.clone(), id.clone(), query.text("source"), query.text("type")).await? {
        Some(mut found) => {
            let snapshot = app.configuration.current();
            let mut veil = Veil::new(&snapshot.catalog, &space);
            let mismatches = found.deliveries.iter_mut().filter_map(|delivery| delivery.mismatch.as_mut());
            veil.show(&mut found.event.event, mismatches);
            Ok(json(StatusCode::OK, &found))
        }
        None => Err(ApiError::not_found(format!("Event \"{id}\" not found."))),
    }
}
