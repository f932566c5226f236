//! Reading events: lists by attributes, time and text, and all that happened to one.

use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use super::dead_letters::{Attempt, attempts};
use super::{Store, StoreError};

/// How many events one request looks at. What lies beyond is the next page's.
const SCANNED: i64 = 100_000;

/// Which events to list, the newest first. What is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventQuery {
    pub(crate) space: String,
    pub(crate) ty: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) subject: Option<String>,
    /// Accepted at this time or later.
    pub(crate) from: Option<i64>,
    /// Accepted before this time.
    pub(crate) to: Option<i64>,
    /// Found anywhere in the JSON.
    pub(crate) text: Option<String>,
    /// Only those before this one.
    pub(crate) before: Option<i64>,
    pub(crate) limit: u32,
}

/// An event as it was accepted.
#[derive(Debug)]
pub(crate) struct StoredEvent {
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) ty: String,
    pub(crate) source: String,
    pub(crate) subject: Option<String>,
    pub(crate) method: String,
    pub(crate) path: String,
    /// Milliseconds since the epoch.
    pub(crate) accepted_at: i64,
    pub(crate) json: Vec<u8>,
}

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) events: Vec<StoredEvent>,
    /// Where the next page begins, if there may be one.
    pub(crate) next: Option<i64>,
}

/// What became of an event for one subscription. Times are milliseconds since the epoch.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) seq: i64,
    pub(crate) subscription_id: String,
    pub(crate) function_id: String,
    pub(crate) state: String,
    pub(crate) due_at: Option<i64>,
    pub(crate) replay: Option<String>,
    pub(crate) edited: bool,
    pub(crate) ended_at: Option<i64>,
    pub(crate) reason: Option<String>,
    pub(crate) discarded_at: Option<i64>,
    pub(crate) attempts: Vec<Attempt>,
}

const COLUMNS: &str = "SELECT seq, id, type, source, subject, method, path, accepted_at, event FROM events";

const LIST: &str = "
    WHERE seq < :before AND seq >= :floor AND space = :space AND (:type IS NULL OR type = :type)
    AND (:source IS NULL OR source = :source) AND (:subject IS NULL OR subject = :subject)
    AND (:from IS NULL OR accepted_at >= :from) AND (:to IS NULL OR accepted_at < :to)
    AND (:text IS NULL OR instr(event, :text) > 0)
    ORDER BY seq DESC LIMIT :limit";

impl Store {
    /// Lists events.
    pub(crate) async fn events(&self, query: EventQuery) -> Result<Page, StoreError> {
        self.read(move |connection| list(connection, &query)).await
    }

    /// The newest event with this id, and with this source if one is given, and what became of it.
    pub(crate) async fn event(
        &self,
        space: String,
        id: String,
        source: Option<String>,
    ) -> Result<Option<(StoredEvent, Vec<Delivery>)>, StoreError> {
        self.read(move |connection| {
            // One moment for all the queries.
            let connection = connection.unchecked_transaction()?;
            let found = connection
                .prepare_cached(&format!(
                    "{COLUMNS} WHERE space = ?1 AND id = ?2 AND (?3 IS NULL OR source = ?3) ORDER BY seq DESC LIMIT 1"
                ))?
                .query_row(params![space, id, source], stored)
                .optional()?;
            let Some(event) = found else { return Ok(None) };
            let deliveries = deliveries(&connection, event.seq)?;
            Ok(Some((event, deliveries)))
        })
        .await
    }
}

fn list(connection: &Connection, query: &EventQuery) -> rusqlite::Result<Page> {
    let newest: i64 =
        connection.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0))?;
    let before = query.before.unwrap_or(i64::MAX).min(newest.saturating_add(1));
    let floor = before.saturating_sub(SCANNED);
    let text = query.text.as_ref().map(String::as_bytes);
    let parameters = named_params! {
        ":before": before, ":floor": floor, ":space": query.space, ":type": query.ty, ":source": query.source,
        ":subject": query.subject, ":from": query.from, ":to": query.to, ":text": text, ":limit": query.limit,
    };
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} {LIST}"))?;
    let events = statement.query_map(parameters, stored)?.collect::<Result<Vec<_>, _>>()?;
    let full = u32::try_from(events.len()).is_ok_and(|found| found == query.limit);
    let next = match events.last() {
        Some(last) if full => Some(last.seq),
        _ => (floor > 1).then_some(floor),
    };
    Ok(Page { events, next })
}

pub(super) fn stored(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent {
        seq: row.get(0)?,
        id: row.get(1)?,
        ty: row.get(2)?,
        source: row.get(3)?,
        subject: row.get(4)?,
        method: row.get(5)?,
        path: row.get(6)?,
        accepted_at: row.get(7)?,
        json: row.get(8)?,
    })
}

fn deliveries(connection: &Connection, event: i64) -> rusqlite::Result<Vec<Delivery>> {
    let delivery = |row: &Row<'_>| {
        Ok(Delivery {
            seq: row.get(0)?,
            subscription_id: row.get(1)?,
            function_id: row.get(2)?,
            state: row.get(3)?,
            due_at: row.get(4)?,
            replay: row.get(5)?,
            edited: row.get(6)?,
            ended_at: row.get(7)?,
            reason: row.get(8)?,
            discarded_at: row.get(9)?,
            attempts: Vec::new(),
        })
    };
    let mut statement = connection.prepare_cached(
        "SELECT seq, subscription_id, function_id, state, due_at, replay, payload IS NOT NULL, ended_at, reason,
                discarded_at
         FROM deliveries WHERE event = ?1 ORDER BY seq",
    )?;
    let mut found = statement.query_map([event], delivery)?.collect::<Result<Vec<_>, _>>()?;
    for delivery in &mut found {
        delivery.attempts = attempts(connection, delivery.seq)?;
    }
    Ok(found)
}
