//! Reads stored events: lists them by attributes, time and text, and returns one with its deliveries and attempts.

use std::time::Duration;

use eg_grammar::{LEGACY_FUNCTION_ERROR, SYSTEM_PREFIX};
use eg_sdk::history::{
    AcceptedEvent, Delivery, DeliveryCounts, DeliveryState, EventDetail, EventFilter, EventPage,
};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use tokio::time::Instant;

use super::columns::{Json, Name, Time, lossy, optional, remains};
use super::dead_letters::attempts;
use super::seal::{JSON, fits, sealed};
use super::{SqliteStore, StoreError};
use crate::decide::attributes;
use crate::store::events::{DISORDER, EventQuery, PAGE};
use crate::timestamp::Timestamp;

/// How long the search for one page may take.
const PATIENCE: Duration = Duration::from_millis(250);

/// Number of events that are examined before the clock is read again.
const EXAMINED: i64 = 2_000;

/// The columns that [`accepted`] reads: first those that are sealed.
const EVENTS: &str = concat!("SELECT ", sealed!(), ", e.seq FROM events e");

/// Finds events by their id, however old they are.
const BY_ID: &str = "INDEXED BY events_id WHERE id = :id";

/// Reads events in the order of acceptance.
const IN_ORDER: &str = "WHERE :id IS NULL";

const LIST: &str = "
    AND seq < :before AND seq >= :floor AND space = :space AND (:type IS NULL OR type = :type)
    AND (:source IS NULL OR source = :source) AND (:subject IS NULL OR subject = :subject)
    AND (:from IS NULL OR accepted_at >= :from) AND (:to IS NULL OR accepted_at < :to)
    AND (:text IS NULL OR instr(event, :text) > 0)
    AND NOT (:without_system AND (substr(type, 1, length(:system)) = :system OR type = :legacy_system))
    AND (:state IS NULL AND :function IS NULL OR EXISTS (
        SELECT 1 FROM deliveries d INDEXED BY deliveries_event
        WHERE d.event = e.seq AND (:state IS NULL OR d.state = :state) AND (:function IS NULL OR d.function_id = :function)))
    ORDER BY seq DESC LIMIT :limit";

/// The number of events in a time up to which all of them are looked up in the index of times. Events may be stored in
/// another order than that of their times: the clock may have been corrected.
const EXACT: i64 = 100_000;

/// The first and the last event, and the number, of a time; at most as many as the limit.
const WITHIN: &str = "SELECT min(seq), max(seq), count(*) FROM (
    SELECT seq FROM events INDEXED BY events_accepted WHERE accepted_at >= ?1 AND accepted_at < ?2 LIMIT ?3)";

/// The last event that was accepted before a time.
const LAST_BEFORE: &str = "SELECT seq FROM events INDEXED BY events_accepted WHERE accepted_at < ?1 ORDER BY accepted_at DESC LIMIT 1";

/// The first event that was accepted after a time.
const FIRST_AFTER: &str =
    "SELECT seq FROM events INDEXED BY events_accepted WHERE accepted_at > ?1 ORDER BY accepted_at LIMIT 1";

const COUNTS: &str = "SELECT state, count(*), max(ended_at) FROM deliveries INDEXED BY deliveries_event
    WHERE event = ?1 GROUP BY state";

const NEWEST: &str = "
    WHERE space = :space AND id = :id AND (:source IS NULL OR source = :source) AND (:type IS NULL OR type = :type)
    ORDER BY seq DESC LIMIT 1";

// Events of several sources may have the id. The newest counts, among a number that is read at once.
const CAUSE: &str = "
    SELECT max(seq) FROM (SELECT seq FROM events WHERE space = ?1 AND id = ?2 ORDER BY source DESC, seq DESC LIMIT 64)";

const DELIVERIES: &str = "
    SELECT seq, subscription_id, function_id, state, due_at, replay, payload IS NOT NULL AS edited, ended_at, reason,
           discarded_at
    FROM deliveries WHERE event = :event ORDER BY seq";

impl SqliteStore {
    pub(in crate::store) async fn events(&self, query: EventQuery) -> Result<EventPage, StoreError> {
        self.readers.search(move |connection| list(connection, &query)).await
    }

    pub(in crate::store) async fn hops_of(
        &self,
        space: String,
        id: String,
    ) -> Result<Option<u32>, StoreError> {
        self.readers
            .look_up(move |connection| {
                // In one transaction, the event cannot be deleted in between.
                let connection = connection.unchecked_transaction()?;
                let mut cause = connection.prepare_cached(CAUSE)?;
                let found: Option<i64> = cause.query_row([space, id], |row| row.get(0))?;
                let Some(seq) = found else { return Ok(None) };
                let event = connection.blob_open("main", "events", "event", seq, true)?;
                let mut beginning = vec![0; event.len().min(attributes::BEGINNING)];
                event.read_at_exact(&mut beginning, 0)?;
                Ok(Some(attributes::hops(&beginning)))
            })
            .await
    }

    pub(in crate::store) async fn event(
        &self,
        space: String,
        id: String,
        source: Option<String>,
        ty: Option<String>,
    ) -> Result<Option<EventDetail>, StoreError> {
        self.readers
            .look_up(move |connection| {
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

/// Lists a page. A page may be short or empty although there are more: the search ends after a while or when it has found
/// [`PAGE`] bytes, and the next page begins where it ended.
fn list(connection: &Connection, query: &EventQuery) -> rusqlite::Result<EventPage> {
    let (oldest, newest) = bounds(connection, &query.filter)?;
    let mut before = query.before.unwrap_or(i64::MAX).min(newest.saturating_add(1));
    let until = Instant::now() + PATIENCE;
    let (mut events, mut bytes) = (Vec::new(), 0);
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let next = loop {
        let floor =
            if query.filter.id.is_some() { oldest } else { before.saturating_sub(EXAMINED).max(oldest) };
        let found = part(connection, query, before, floor, limit - events.len(), &mut bytes)?;
        let last = found.last().map(|(seq, _)| *seq);
        events.extend(found);
        if events.len() == limit || bytes >= PAGE {
            break last;
        }
        if floor <= oldest {
            break None;
        }
        before = floor;
        if Instant::now() >= until {
            break Some(floor);
        }
    };
    for (seq, event) in &mut events {
        event.counts = Some(counts(connection, *seq)?);
    }
    Ok(EventPage { events: events.into_iter().map(|(_, event)| event).collect(), next })
}

/// Returns the numbers between which all events are that match the times of the filter, both included. So a search in a
/// few minutes of a long history reads those minutes only. Times with many events have wider bounds, because reading the
/// whole index of a long history for each page would take too long; there, events are missed if the clock was corrected
/// by more than [`DISORDER`].
fn bounds(connection: &Connection, filter: &EventFilter) -> rusqlite::Result<(i64, i64)> {
    if filter.from.is_some() || filter.to.is_some() {
        let from = filter.from.map_or(Timestamp::EARLIEST, Timestamp::from);
        let to = filter.to.map_or(Timestamp::from_millis(i64::MAX), Timestamp::from);
        let mut within = connection.prepare_cached(WITHIN)?;
        let (first, last, count) = within.query_row(params![from, to, EXACT], |row| {
            Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, i64>(2)?))
        })?;
        if count < EXACT {
            // No event: an empty range.
            return Ok(first.zip(last).unwrap_or((1, 0)));
        }
    }
    let at = |sql: &str, time: Timestamp| -> rusqlite::Result<Option<i64>> {
        connection.prepare_cached(sql)?.query_row([time], |row| row.get(0)).optional()
    };
    let oldest = match filter.from {
        Some(from) => at(LAST_BEFORE, Timestamp::from(from).saturating_sub(DISORDER))?.unwrap_or(0),
        None => 0,
    };
    let newest = match filter.to {
        Some(to) => at(FIRST_AFTER, Timestamp::from(to).saturating_add(DISORDER))?,
        None => None,
    };
    let newest = match newest {
        Some(newest) => newest,
        None => connection.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0))?,
    };
    Ok((oldest.max(1), newest))
}

/// Counts the deliveries of an event by their state.
fn counts(connection: &Connection, event: i64) -> rusqlite::Result<DeliveryCounts> {
    let mut counts = DeliveryCounts::default();
    let mut statement = connection.prepare_cached(COUNTS)?;
    let mut rows = statement.query([event])?;
    while let Some(row) = rows.next()? {
        counts.set(row.get::<_, Name<DeliveryState>>(0)?.0, row.get(1)?);
        let ended_at = row.get::<_, Option<Timestamp>>(2)?.map(Timestamp::date_time);
        counts.ended_at = counts.ended_at.max(ended_at);
    }
    Ok(counts)
}

/// Lists the matching events with numbers from `floor` up to and without `before`, until `bytes` reaches [`PAGE`].
fn part(
    connection: &Connection,
    query: &EventQuery,
    before: i64,
    floor: i64,
    limit: usize,
    bytes: &mut usize,
) -> rusqlite::Result<Vec<(i64, AcceptedEvent)>> {
    let EventQuery { space, filter, .. } = query;
    let access = if filter.id.is_some() { BY_ID } else { IN_ORDER };
    let parameters = named_params! {
        ":before": before, ":floor": floor, ":space": space, ":id": filter.id, ":type": filter.ty, ":source": filter.source,
        ":subject": filter.subject, ":from": filter.from.map(Timestamp::from), ":to": filter.to.map(Timestamp::from),
        ":text": filter.text.as_ref().map(String::as_bytes), ":state": filter.state.map(DeliveryState::as_str),
        ":function": filter.function, ":without_system": filter.without_system, ":system": SYSTEM_PREFIX,
        ":legacy_system": LEGACY_FUNCTION_ERROR, ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
    };
    let mut statement = connection.prepare_cached(&format!("{EVENTS} {access} {LIST}"))?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while *bytes < PAGE
        && let Some(row) = rows.next()?
    {
        let event = accepted(row)?;
        *bytes += event.event.get().len();
        found.push((row.get("seq")?, event));
    }
    Ok(found)
}

fn accepted(row: &Row<'_>) -> rusqlite::Result<AcceptedEvent> {
    let damaged = !fits(row, 0)?;
    let json = row.get_ref(JSON)?;
    let event = if damaged { remains(json) } else { row.get::<_, Json>(JSON)?.0 };
    let text = |column: &str| row.get_ref(column).map(|value| lossy(value).into_owned());
    Ok(AcceptedEvent {
        event_id: text("id")?,
        event_type: text("type")?,
        source: text("source")?,
        subject: row.get("subject").ok().flatten(),
        method: text("method")?,
        path: text("path")?,
        accepted_at: row.get("accepted_at").unwrap_or(Timestamp::from_millis(0)).date_time(),
        event,
        damaged,
        counts: None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_hops_of_an_event_are_read_from_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path(), Timestamp::from_millis(1_000)).unwrap();
        let json = format!(
            r#"{{"specversion":"1.0","id":"a","source":"/s","type":"e","hops":3,"data":"{}"}}"#,
            "x".repeat(1_000_000)
        );
        let insert = move |connection: &Connection| {
            connection.execute(
                "INSERT INTO events (space, id, type, source, method, path, accepted_at, event)
                 VALUES ('s', 'a', 'e', '/s', 'POST', '/', 1000, ?1)",
                [json.as_bytes()],
            )
        };
        store.write(insert).await.unwrap();
        for (space, id, hops) in [("s", "a", Some(3)), ("s", "b", None), ("t", "a", None)] {
            let found = store.hops_of(space.to_owned(), id.to_owned()).await;
            assert_eq!(found.unwrap(), hops, "{space} {id}");
        }
    }

    #[tokio::test]
    async fn a_search_in_a_time_reads_the_events_of_that_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path(), Timestamp::from_millis(1_000)).unwrap();
        let at = |second: i64| Timestamp::from_millis(second * 1_000).date_time();
        store.write(|connection| insert(connection, "value * 1000")).await.unwrap();
        for (from, to, expected) in [
            (None, None, (1, 100)),
            (Some(50), None, (50, 100)),
            (None, Some(50), (1, 49)),
            (Some(50), Some(60), (50, 59)),
            (Some(1_000), None, (1, 0)),
            (None, Some(-1_000), (1, 0)),
        ] {
            let filter = EventFilter { from: from.map(at), to: to.map(at), ..EventFilter::default() };
            let found = store.readers.look_up(move |connection| bounds(connection, &filter)).await;
            assert_eq!(found.unwrap(), expected, "{from:?} {to:?}");
        }
        // Then somebody sets the clock back by some years.
        store.write(|connection| insert(connection, "-value * 100000000")).await.unwrap();
        let query = |from: Option<i64>, to: Option<i64>| EventQuery {
            space: "s".to_owned(),
            filter: EventFilter { from: from.map(at), to: to.map(at), ..EventFilter::default() },
            before: None,
            limit: 500,
        };
        for (from, to, expected) in [(None, Some(50), 149), (Some(-350_000), Some(2), 4), (Some(2), None, 99)]
        {
            let page = store.events(query(from, to)).await.unwrap();
            assert_eq!((page.events.len(), page.next), (expected, None), "{from:?} {to:?}");
        }
    }

    /// Stores an event for each number up to 100, accepted at this time.
    fn insert(connection: &Connection, accepted_at: &str) -> rusqlite::Result<usize> {
        let insert = format!(
            "WITH RECURSIVE seconds (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM seconds WHERE value < 100)
             INSERT INTO events (space, id, type, source, method, path, accepted_at, event)
             SELECT 's', {accepted_at}, 'e', '/s', 'POST', '/', {accepted_at}, x'7b7d' FROM seconds"
        );
        connection.execute(&insert, [])
    }
}
