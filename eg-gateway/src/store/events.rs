//! Accepts events: writes each event and its deliveries in one transaction. The caller decides which deliveries an
//! event has.

use std::borrow::Cow;
use std::sync::Arc;

use eg_sdk::history::{DeliveryState, Mismatch};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::accounting::{Counter, count};
use super::seal::Sealer;
use super::{Store, StoreError};
use crate::decide::arrival::{NewEvent, Origin};
use crate::decide::intake::{Fate, Intake};
use crate::decide::volume;
use crate::timestamp::Timestamp;

/// The result of accepting an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    New,
    /// The event was accepted before; this one is not stored. `conflict` says whether it has another payload.
    Duplicate {
        conflict: bool,
    },
}

const DUPLICATE: &str = "SELECT event FROM events WHERE space = ?1 AND id = ?2 AND source = ?3
    AND type = ?4 AND method = ?5 AND path = ?6 AND accepted_at > ?7 LIMIT 1";

// A delivery is parked while an earlier one with its key is unfinished.
const DELIVERY: &str = "
    INSERT INTO deliveries (event, space, subscription_id, function_id, state, since, due_at, order_key, replay,
                            ended_at, reason)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6,
            iif(?7 IS NOT NULL AND EXISTS (
                    SELECT 1 FROM deliveries o WHERE o.space = ?2 AND o.subscription_id = ?3 AND o.order_key = ?7
                    AND o.order_key IS NOT NULL AND o.state IN ('pending', 'in_flight')), NULL, ?6),
            ?7, ?8, iif(?5 = 'pending', NULL, ?6), ?9)";

impl Store {
    /// Stores events and their deliveries, all or none. Returns once they are on disk.
    ///
    /// # Errors
    /// Returns [`StoreError::Busy`], [`StoreError::Full`] or [`StoreError::ShareUsed`] at once if too many emitters are
    /// waiting or there is no room for the events, and another error if the disk fails. In each case no event counts as
    /// accepted.
    pub(crate) async fn accept(&self, events: Arc<[NewEvent]>) -> Result<Vec<Accepted>, StoreError> {
        let all = || events.iter().flat_map(NewEvent::with_notices);
        // All events of a request are in one space.
        let Some(NewEvent { origin: Origin { space, .. }, .. }) = events.first() else {
            return Ok(Vec::new());
        };
        let json: usize = all().map(|event| event.event.json().len()).sum();
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let _reserved = self.room.reserve(space, number(json), number(volume::rows(&events)))?;
        let weight = volume::weight(&events);
        let work = Arc::clone(&events);
        let insert =
            move |connection: &Connection| work.iter().map(|event| insert(connection, event)).collect();
        self.writer.run_or_busy(space, weight, insert).await
    }
}

/// Writes an event, its deliveries and its notices, unless the event is a duplicate.
pub(crate) fn insert(connection: &Connection, event: &NewEvent) -> rusqlite::Result<Accepted> {
    if let Some(since) = event.unique_since {
        let NewEvent { event, origin: Origin { space, method, path, .. }, .. } = event;
        let mut duplicate = connection.prepare_cached(DUPLICATE)?;
        let key = params![space, event.id(), event.source(), event.ty(), method, path, since];
        if let Some(first) = duplicate.query_row(key, |row| row.get::<_, Vec<u8>>(0)).optional()? {
            let conflict = !event.has_payload_of(&first);
            count(connection, space, Counter::Duplicates, 1)?;
            if conflict {
                count(connection, space, Counter::Conflicts, 1)?;
            }
            return Ok(Accepted::Duplicate { conflict });
        }
    }
    event.with_notices().try_for_each(|event| store(connection, event))?;
    Ok(Accepted::New)
}

fn store(connection: &Connection, new: &NewEvent) -> rusqlite::Result<()> {
    let NewEvent { event, origin: Origin { space, method, path, accepted_at }, intakes, .. } = new;
    let sealer = Sealer::default().text(space).text(event.id()).text(event.ty()).text(event.source());
    let sealer = sealer.optional(event.subject()).text(method).text(path).time(*accepted_at);
    let seal = sealer.blob(event.json()).seal();
    connection
        .prepare_cached(
            "INSERT INTO events (space, id, type, source, subject, method, path, accepted_at, event, seal)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            space,
            event.id(),
            event.ty(),
            event.source(),
            event.subject(),
            method,
            path,
            accepted_at,
            &**event.json(),
            seal
        ])?;
    let event = connection.last_insert_rowid();
    add_deliveries(connection, event, space, intakes, *accepted_at, None)
}

/// Returns the clause that does not match, as JSON: the reason of a filtered delivery.
fn clause(mismatch: &Mismatch) -> rusqlite::Result<Cow<'static, str>> {
    let json = serde_json::to_string(mismatch);
    json.map(Cow::Owned).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Writes the deliveries of an event or of its replay. Each of them counts as accepted.
pub(super) fn add_deliveries(
    connection: &Connection,
    event: i64,
    space: &str,
    intakes: &[Intake],
    now: Timestamp,
    replay: Option<&str>,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(DELIVERY)?;
    for Intake { subscription, fate } in intakes {
        let (id, function) = (&subscription.subscription_id, &subscription.function_id);
        let (state, order, reason) = match fate {
            Fate::Deliver { order } => (DeliveryState::Pending, order.as_deref(), None),
            Fate::Filtered { mismatch } => (DeliveryState::Filtered, None, Some(clause(mismatch)?)),
            Fate::Dead { reason } => (DeliveryState::Dead, None, Some(Cow::Borrowed(reason.as_str()))),
        };
        insert.execute(params![event, space, id, function, state.as_str(), now, order, replay, reason])?;
    }
    if !intakes.is_empty() {
        count(connection, space, Counter::Accepted, i64::try_from(intakes.len()).unwrap_or(i64::MAX))?;
    }
    Ok(())
}

/// Returns an event without deliveries, for tests that fill a store.
#[cfg(test)]
pub(super) fn example(space: &str, id: &str, accepted_at: Timestamp) -> NewEvent {
    let json = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"e"}}"#);
    NewEvent {
        event: crate::decide::event::Event::read(json.into()).unwrap(),
        origin: Origin {
            space: space.to_owned(),
            method: "POST".to_owned(),
            path: "/".to_owned(),
            accepted_at,
        },
        intakes: Vec::new(),
        unique_since: None,
        notices: Vec::new(),
    }
}
