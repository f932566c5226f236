//! Reads stored events: lists them by attributes, time and text, and returns one with its deliveries and attempts.

use std::time::Duration;

use eg_grammar::{LEGACY_FUNCTION_ERROR, SYSTEM_PREFIX};
use eg_sdk::history::{
    AcceptedEvent, Delivery, DeliveryCounts, DeliveryState, EventDetail, EventFilter, EventPage,
};
use tokio::time::Instant;
use tokio_postgres::Row;

use super::dead_letters::attempts;
use super::faults::Failure;
use super::session::Session;
use super::stored::{Stored, event, named, size, up_to_bytes};
use super::values::{count, get, name, optional_date, optional_time, time, values};
use super::{PostgresStore, StoreError};
use crate::decide::attributes;
use crate::decide::lived::Stop;
use crate::store::events::{DISORDER, EventQuery, PAGE};
use crate::timestamp::Timestamp;

/// How long the search for one page may take.
const PATIENCE: Duration = Duration::from_millis(250);

/// Number of events that are examined before the clock is read again.
const EXAMINED: i64 = 2_000;

const LIST: &str = up_to_bytes!(
    "$17",
    "seq DESC",
    "SELECT ",
    event!(),
    ", e.seq, octet_length(e.event) AS size FROM events e
    WHERE e.seq < $1 AND e.seq >= $2 AND e.space = $3 AND ($4::text IS NULL OR ",
    named!("$3", "$4"),
    ") AND ($5::text IS NULL OR e.type = $5) AND ($6::text IS NULL OR e.source = $6)
    AND ($7::text IS NULL OR e.subject = $7) AND ($8::int8 IS NULL OR e.accepted_at >= $8)
    AND ($9::int8 IS NULL OR e.accepted_at < $9) AND ($10::bytea IS NULL OR position($10::bytea IN e.event) > 0)
    AND NOT ($11 AND (substr(e.type, 1, length($12)) = $12 OR e.type = $13))
    AND ($14::text IS NULL AND $15::text IS NULL OR EXISTS (
        SELECT 1 FROM deliveries d
        WHERE d.event = e.seq AND ($14::text IS NULL OR d.state = $14) AND ($15::text IS NULL OR d.function_id = $15)))
    ORDER BY e.seq DESC LIMIT $16"
);

/// The number of events in a time up to which all of them are looked up in the index of times. Events may be stored in
/// another order than that of their times: the clock may have been corrected.
const EXACT: i64 = 100_000;

/// The first and the last event, and the number, of a time; at most as many as the limit.
const WITHIN: &str = "SELECT min(n.seq) AS first, max(n.seq) AS last, count(*) AS number FROM (
    SELECT seq FROM events WHERE accepted_at >= $1 AND accepted_at < $2 LIMIT $3) n";

/// The last event that was accepted before a time.
const LAST_BEFORE: &str =
    "SELECT seq FROM events WHERE accepted_at < $1 ORDER BY accepted_at DESC, seq DESC LIMIT 1";

/// The first event that was accepted after a time.
const FIRST_AFTER: &str = "SELECT seq FROM events WHERE accepted_at > $1 ORDER BY accepted_at, seq LIMIT 1";

const COUNTS: &str = "SELECT event, state, count(*) AS number, max(ended_at) AS ended_at FROM deliveries
    WHERE event = ANY($1) GROUP BY event, state";

const NEWEST: &str = concat!(
    "SELECT ",
    event!(),
    ", e.seq FROM events e WHERE ",
    named!("$1", "$2"),
    " AND ($3::text IS NULL OR e.source = $3)
    AND ($4::text IS NULL OR e.type = $4) ORDER BY e.seq DESC LIMIT 1"
);

// Events of several sources may have the id. The newest counts, among a number that is read at once.
const CAUSE: &str = concat!(
    "SELECT substr(event, 1, $3::int4) AS beginning FROM events WHERE seq = (
        SELECT max(n.seq) FROM (SELECT e.seq FROM events e WHERE ",
    named!("$1", "$2"),
    " ORDER BY md5(e.source), e.seq DESC LIMIT 64) n)"
);

const DELIVERIES: &str = "
    SELECT seq, subscription_id, function_id, state, due_at, replay, payload IS NOT NULL AS edited, ended_at, reason,
           discarded_at
    FROM deliveries WHERE event = $1 ORDER BY seq";

// Without a new event, nothing shows how long a run lasted.
const STOPS: &str = "
    SELECT greatest(newest_at, coalesce(lag(started_at) OVER (ORDER BY epoch), newest_at)) AS stopped_at, started_at
    FROM runs WHERE newest_at IS NOT NULL ORDER BY epoch DESC";

impl PostgresStore {
    pub(in crate::store) async fn events(&self, query: EventQuery) -> Result<EventPage, StoreError> {
        let mut session = self.readers.search().await?;
        let page = list(&mut session, &query).await?;
        session.end().await?;
        Ok(page)
    }

    pub(in crate::store) async fn hops_of(
        &self,
        space: String,
        id: String,
    ) -> Result<Option<u32>, StoreError> {
        let rows = self.readers.query(CAUSE, values![&space, &id, attributes::BEGINNING]).await?;
        let hops = |row: &Row| get::<&[u8]>(row, "beginning").map(attributes::hops);
        Ok(rows.first().map(hops).transpose()?)
    }

    pub(in crate::store) async fn event(
        &self,
        space: String,
        id: String,
        source: Option<String>,
        ty: Option<String>,
    ) -> Result<Option<EventDetail>, StoreError> {
        let mut session = self.readers.look_up().await?;
        let found = session.optional(NEWEST, values![&space, &id, source.as_deref(), ty.as_deref()]).await?;
        let detail = match found {
            Some(row) => {
                let (seq, event) = accepted(&row)?;
                Some(EventDetail { event, deliveries: deliveries(&mut session, seq).await? })
            }
            None => None,
        };
        session.end().await?;
        Ok(detail)
    }

    pub(in crate::store) async fn reached(&self) -> Result<Timestamp, StoreError> {
        let rows = self.readers.query("SELECT newest_at FROM writer", values![]).await?;
        Ok(rows.first().map_or(Ok(Timestamp::from_millis(0)), |row| time(row, "newest_at"))?)
    }

    pub(in crate::store) async fn stops(&self) -> Result<Vec<Stop>, StoreError> {
        let rows = self.readers.query(STOPS, values![]).await?;
        let stop = |row: &Row| Ok(Stop { from: time(row, "stopped_at")?, until: time(row, "started_at")? });
        Ok(rows.iter().map(stop).collect::<Result<_, Failure>>()?)
    }
}

/// Lists a page. A page may be short or empty although there are more: the search ends after a while or when it has found
/// [`PAGE`] bytes, and the next page begins where it ended.
async fn list(session: &mut Session, query: &EventQuery) -> Result<EventPage, Failure> {
    let (oldest, newest) = bounds(session, &query.filter).await?;
    let mut before = query.before.unwrap_or(i64::MAX).min(newest.saturating_add(1));
    let until = Instant::now() + PATIENCE;
    let (mut events, mut bytes) = (Vec::new(), 0);
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let next = loop {
        let floor =
            if query.filter.id.is_some() { oldest } else { before.saturating_sub(EXAMINED).max(oldest) };
        let found = part(session, query, (floor, before), limit - events.len(), &mut bytes).await?;
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
    add_counts(session, &mut events).await?;
    Ok(EventPage { events: events.into_iter().map(|(_, event)| event).collect(), next })
}

/// Returns the numbers between which all events are that match the times of the filter, both included. So a search in a
/// few minutes of a long history reads those minutes only. Times with many events have wider bounds, because reading the
/// whole index of a long history for each page would take too long; there, events are missed if the clock was corrected
/// by more than [`DISORDER`].
async fn bounds(session: &mut Session, filter: &EventFilter) -> Result<(i64, i64), Failure> {
    if filter.from.is_some() || filter.to.is_some() {
        let from = filter.from.map_or(Timestamp::EARLIEST, Timestamp::from);
        let to = filter.to.map_or(Timestamp::from_millis(i64::MAX), Timestamp::from);
        let within = session.one(WITHIN, values![from, to, EXACT]).await?;
        if get::<i64>(&within, "number")? < EXACT {
            let (first, last): (Option<i64>, Option<i64>) = (get(&within, "first")?, get(&within, "last")?);
            // No event: an empty range.
            return Ok(first.zip(last).unwrap_or((1, 0)));
        }
    }
    let mut bound = async |sql: &str, time: Option<Timestamp>| match time {
        Some(time) => {
            session.optional(sql, values![time]).await?.map(|row| get::<i64>(&row, "seq")).transpose()
        }
        None => Ok(None),
    };
    let from = filter.from.map(|from| Timestamp::from(from).saturating_sub(DISORDER));
    let oldest = bound(LAST_BEFORE, from).await?.unwrap_or(0);
    let to = filter.to.map(|to| Timestamp::from(to).saturating_add(DISORDER));
    let newest = match bound(FIRST_AFTER, to).await? {
        Some(newest) => newest,
        None => {
            let newest = session.one("SELECT coalesce(max(seq), 0) AS seq FROM events", values![]).await?;
            get(&newest, "seq")?
        }
    };
    Ok((oldest.max(1), newest))
}

/// Counts the deliveries of events by their state.
async fn add_counts(session: &mut Session, events: &mut [(i64, AcceptedEvent)]) -> Result<(), Failure> {
    let numbers: Vec<i64> = events.iter().map(|(seq, _)| *seq).collect();
    events.iter_mut().for_each(|(_, event)| event.counts = Some(DeliveryCounts::default()));
    if numbers.is_empty() {
        return Ok(());
    }
    for row in session.query(COUNTS, values![numbers]).await? {
        let seq: i64 = get(&row, "event")?;
        let event = events.iter_mut().find(|(of, _)| *of == seq);
        if let Some(counts) = event.and_then(|(_, event)| event.counts.as_mut()) {
            counts.set(name::<DeliveryState>(&row, "state")?, count(&row, "number")?);
            counts.ended_at = counts.ended_at.max(optional_date(&row, "ended_at")?);
        }
    }
    Ok(())
}

/// Lists the matching events with numbers from `floor` up to and without `before`, until `bytes` reaches [`PAGE`].
async fn part(
    session: &mut Session,
    query: &EventQuery,
    (floor, before): (i64, i64),
    limit: usize,
    bytes: &mut usize,
) -> Result<Vec<(i64, AcceptedEvent)>, Failure> {
    let EventQuery { space, filter, .. } = query;
    let values = values![
        before,
        floor,
        space,
        filter.id.as_deref(),
        filter.ty.as_deref(),
        filter.source.as_deref(),
        filter.subject.as_deref(),
        filter.from.map(Timestamp::from),
        filter.to.map(Timestamp::from),
        filter.text.as_ref().map(|text| bytes::Bytes::copy_from_slice(text.as_bytes())),
        filter.without_system,
        SYSTEM_PREFIX,
        LEGACY_FUNCTION_ERROR,
        filter.state.map(DeliveryState::as_str),
        filter.function.as_deref(),
        limit,
        PAGE - *bytes
    ];
    let rows = session.query(LIST, values).await?;
    for row in &rows {
        *bytes += size(row)?;
    }
    rows.iter().map(accepted).collect()
}

fn accepted(row: &Row) -> Result<(i64, AcceptedEvent), Failure> {
    let stored = Stored::read(row)?;
    let event = AcceptedEvent {
        event: stored.raw(),
        event_id: stored.id,
        event_type: stored.ty,
        source: stored.source,
        subject: stored.subject,
        method: stored.method,
        path: stored.path,
        accepted_at: stored.accepted_at.unwrap_or(Timestamp::from_millis(0)).date_time(),
        damaged: !stored.is_sound,
        counts: None,
    };
    Ok((get(row, "seq")?, event))
}

async fn deliveries(session: &mut Session, event: i64) -> Result<Vec<Delivery>, Failure> {
    let rows = session.query(DELIVERIES, values![event]).await?;
    let mut found: Vec<Delivery> = rows.iter().map(delivery).collect::<Result<_, _>>()?;
    let numbers = found.iter().map(|delivery| delivery.delivery_id).collect();
    for (number, attempt) in attempts(session, numbers).await? {
        if let Some(delivery) = found.iter_mut().find(|delivery| delivery.delivery_id == number) {
            delivery.attempts.push(attempt);
        }
    }
    Ok(found)
}

/// Reads a delivery without its attempts.
fn delivery(row: &Row) -> Result<Delivery, Failure> {
    let state: DeliveryState = name(row, "state")?;
    let due_at = optional_time(row, "due_at")?.map(Timestamp::date_time);
    let pending = state == DeliveryState::Pending;
    // The reason of a filtered delivery is the clause that does not match, as JSON.
    let (mismatch, reason) = match get::<Option<String>>(row, "reason")? {
        Some(clause) if state == DeliveryState::Filtered => (serde_json::from_str(&clause).ok(), None),
        reason => (None, reason),
    };
    Ok(Delivery {
        delivery_id: get(row, "seq")?,
        subscription_id: get(row, "subscription_id")?,
        function_id: get(row, "function_id")?,
        matched: state != DeliveryState::Filtered,
        state,
        mismatch,
        reason,
        next_attempt_at: due_at.filter(|_| pending),
        waits_for_earlier: pending && due_at.is_none(),
        ended_at: optional_date(row, "ended_at")?,
        discarded_at: optional_date(row, "discarded_at")?,
        replay: get(row, "replay")?,
        edited: get(row, "edited")?,
        attempts: Vec::new(),
    })
}
