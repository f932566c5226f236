//! Reads stored events: lists them by attributes, time and text, and returns one with its deliveries and attempts.

use eg_sdk::history::{AcceptedEvent, Delivery, DeliveryState, EventDetail, EventFilter, EventPage};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};

use super::columns::{Json, Name, Time, optional};
use super::dead_letters::attempts;
use super::{Store, StoreError};
use crate::timestamp::Timestamp;

/// Maximum number of events that one request examines. The next page begins after them.
const SCANNED: i64 = 100_000;

/// Selects the events of a space to list, the newest first.
#[derive(Debug, Clone)]
pub(crate) struct EventQuery {
    pub(crate) space: String,
    pub(crate) filter: EventFilter,
    /// Only events that were accepted before this one.
    pub(crate) before: Option<i64>,
    pub(crate) limit: u32,
}

/// The columns that [`accepted`] reads.
const EVENTS: &str = "SELECT seq, id, type, source, subject, method, path, accepted_at, event FROM events";

/// Finds events by their id, however old they are.
const BY_ID: &str = "INDEXED BY events_id WHERE id = :id";

/// Reads events in the order of acceptance.
const IN_ORDER: &str = "WHERE :id IS NULL";

const LIST: &str = "
    AND seq < :before AND seq >= :floor AND space = :space AND (:type IS NULL OR type = :type)
    AND (:source IS NULL OR source = :source) AND (:subject IS NULL OR subject = :subject)
    AND (:from IS NULL OR accepted_at >= :from) AND (:to IS NULL OR accepted_at < :to)
    AND (:text IS NULL OR instr(event, :text) > 0)
    ORDER BY seq DESC LIMIT :limit";

const NEWEST: &str = "
    WHERE space = :space AND id = :id AND (:source IS NULL OR source = :source) AND (:type IS NULL OR type = :type)
    ORDER BY seq DESC LIMIT 1";

const DELIVERIES: &str = "
    SELECT seq, subscription_id, function_id, state, due_at, replay, payload IS NOT NULL AS edited, ended_at, reason,
           discarded_at
    FROM deliveries WHERE event = :event ORDER BY seq";

impl Store {
    /// Lists events.
    pub(crate) async fn events(&self, query: EventQuery) -> Result<EventPage, StoreError> {
        self.read(move |connection| list(connection, &query)).await
    }

    /// Returns the newest event with this id (and this source and type, if given), with its deliveries and attempts.
    pub(crate) async fn event(
        &self,
        space: String,
        id: String,
        source: Option<String>,
        ty: Option<String>,
    ) -> Result<Option<EventDetail>, StoreError> {
        self.read(move |connection| {
            // In one transaction, all queries see the same state.
            let connection = connection.unchecked_transaction()?;
            let parameters = named_params! { ":space": space, ":id": id, ":source": source, ":type": ty };
            let found = connection
                .prepare_cached(&format!("{EVENTS} {NEWEST}"))?
                .query_row(parameters, |row| Ok((row.get("seq")?, accepted(row)?)))
                .optional()?;
            let Some((seq, event)) = found else { return Ok(None) };
            Ok(Some(EventDetail { event, deliveries: deliveries(&connection, seq)? }))
        })
        .await
    }
}

fn list(connection: &Connection, query: &EventQuery) -> rusqlite::Result<EventPage> {
    let EventQuery { space, filter, before, limit } = query;
    let newest: i64 =
        connection.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0))?;
    let before = before.unwrap_or(i64::MAX).min(newest.saturating_add(1));
    let (access, floor) = match filter.id {
        Some(_) => (BY_ID, 0),
        None => (IN_ORDER, before.saturating_sub(SCANNED)),
    };
    let parameters = named_params! {
        ":before": before, ":floor": floor, ":space": space, ":id": filter.id, ":type": filter.ty, ":source": filter.source,
        ":subject": filter.subject, ":from": filter.from.map(Timestamp::from), ":to": filter.to.map(Timestamp::from),
        ":text": filter.text.as_ref().map(String::as_bytes), ":limit": limit,
    };
    let mut statement = connection.prepare_cached(&format!("{EVENTS} {access} {LIST}"))?;
    let found = statement.query_map(parameters, |row| Ok((row.get("seq")?, accepted(row)?)))?;
    let found = found.collect::<Result<Vec<(i64, AcceptedEvent)>, _>>()?;
    let full = u32::try_from(found.len()).is_ok_and(|found| found == *limit);
    let next = match found.last() {
        Some((last, _)) if full => Some(*last),
        _ => (floor > 1).then_some(floor),
    };
    Ok(EventPage { events: found.into_iter().map(|(_, event)| event).collect(), next })
}

fn accepted(row: &Row<'_>) -> rusqlite::Result<AcceptedEvent> {
    Ok(AcceptedEvent {
        event_id: row.get("id")?,
        event_type: row.get("type")?,
        source: row.get("source")?,
        subject: row.get("subject")?,
        method: row.get("method")?,
        path: row.get("path")?,
        accepted_at: row.get::<_, Time>("accepted_at")?.0,
        event: row.get::<_, Json>("event")?.0,
    })
}

fn deliveries(connection: &Connection, event: i64) -> rusqlite::Result<Vec<Delivery>> {
    let mut statement = connection.prepare_cached(DELIVERIES)?;
    let rows = statement.query_map(named_params! { ":event": event }, delivery)?;
    let mut found = rows.collect::<Result<Vec<_>, _>>()?;
    for delivery in &mut found {
        delivery.attempts = attempts(connection, delivery.delivery_id)?;
    }
    Ok(found)
}

/// Reads a delivery without its attempts.
fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let state = row.get::<_, Name<DeliveryState>>("state")?.0;
    let due_at = optional(row, "due_at", |Time(time)| time)?;
    let pending = state == DeliveryState::Pending;
    // The reason of a filtered delivery is the clause that does not match, as JSON.
    let (mismatch, reason) = match row.get::<_, Option<String>>("reason")? {
        Some(clause) if state == DeliveryState::Filtered => (serde_json::from_str(&clause).ok(), None),
        reason => (None, reason),
    };
    Ok(Delivery {
        delivery_id: row.get("seq")?,
        subscription_id: row.get("subscription_id")?,
        function_id: row.get("function_id")?,
        matched: state != DeliveryState::Filtered,
        state,
        mismatch,
        reason,
        next_attempt_at: due_at.filter(|_| pending),
        waits_for_earlier: pending && due_at.is_none(),
        ended_at: optional(row, "ended_at", |Time(time)| time)?,
        discarded_at: optional(row, "discarded_at", |Time(time)| time)?,
        replay: row.get("replay")?,
        edited: row.get("edited")?,
        attempts: Vec::new(),
    })
}
