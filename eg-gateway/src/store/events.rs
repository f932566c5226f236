//! Accepts events: writes each event and its deliveries in one transaction. The caller decides which deliveries an
//! event has.

use std::sync::Arc;

use eg_sdk::history::{DeliveryState, Loss, Mismatch};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::accounting::{Counter, count};
use super::notices::{GivingUp, Losses, Notices};
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
    pub(crate) async fn accept(
        &self,
        events: Arc<[NewEvent]>,
        notices: Notices,
    ) -> Result<(Vec<Accepted>, Losses), StoreError> {
        let all = || events.iter().flat_map(NewEvent::with_notices);
        // All events of a request are in one space.
        let Some(NewEvent { origin: Origin { space, .. }, .. }) = events.first() else {
            return Ok((Vec::new(), Losses::default()));
        };
        let json: usize = all().map(|event| event.event.json().len()).sum();
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let _reserved = self.room.reserve(space, number(json), number(volume::rows(&events)))?;
        let weight = volume::weight(&events);
        let work = Arc::clone(&events);
        let insert = move |connection: &Connection| {
            let mut losses = Losses::default();
            let accepted = work.iter().map(|event| insert(connection, event, &notices, &mut losses));
            let accepted = accepted.collect::<Result<_, _>>()?;
            Ok((accepted, losses))
        };
        self.writer.run_or_busy(space, weight, insert).await
    }
}

/// Writes an event, its deliveries and its notices, unless the event is a duplicate.
pub(crate) fn insert(
    connection: &Connection,
    event: &NewEvent,
    notices: &Notices,
    losses: &mut Losses,
) -> rusqlite::Result<Accepted> {
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
    for event in event.with_notices() {
        store(connection, event, notices, losses)?;
    }
    Ok(Accepted::New)
}

fn store(
    connection: &Connection,
    new: &NewEvent,
    notices: &Notices,
    losses: &mut Losses,
) -> rusqlite::Result<()> {
    let event = write(connection, new)?;
    let NewEvent { origin: Origin { space, accepted_at, .. }, intakes, .. } = new;
    let deliveries = Deliveries { event, space, intakes, now: *accepted_at, replay: None };
    add_deliveries(connection, &deliveries, notices, losses)
}

/// Writes the row of an event, with its seal. Returns its number.
fn write(connection: &Connection, new: &NewEvent) -> rusqlite::Result<i64> {
    let NewEvent { event, origin: Origin { space, method, path, accepted_at }, .. } = new;
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
    Ok(connection.last_insert_rowid())
}

/// Returns the clause that does not match, as JSON: the reason of a filtered delivery.
fn clause(mismatch: &Mismatch) -> rusqlite::Result<String> {
    let json = serde_json::to_string(mismatch);
    json.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// The deliveries of an event or of its replay.
pub(super) struct Deliveries<'a> {
    /// The number of the event.
    pub(super) event: i64,
    pub(super) space: &'a str,
    pub(super) intakes: &'a [Intake],
    pub(super) now: Timestamp,
    pub(super) replay: Option<&'a str>,
}

/// Writes deliveries. Each of them counts as accepted, and those that are dead letters at once are given up.
pub(super) fn add_deliveries(
    connection: &Connection,
    deliveries: &Deliveries<'_>,
    notices: &Notices,
    losses: &mut Losses,
) -> rusqlite::Result<()> {
    let Deliveries { event, space, intakes, now, replay } = *deliveries;
    for Intake { subscription, fate } in intakes {
        let (id, function) = (&subscription.subscription_id, &subscription.function_id);
        let (state, order, reason) = match fate {
            Fate::Deliver { order } => (DeliveryState::Pending, order.as_deref(), None),
            Fate::Filtered { mismatch } => (DeliveryState::Filtered, None, Some(clause(mismatch)?)),
            Fate::Dead { .. } => (DeliveryState::Pending, None, None),
        };
        connection.prepare_cached(DELIVERY)?.execute(params![
            event,
            space,
            id,
            function,
            state.as_str(),
            now,
            order,
            replay,
            reason
        ])?;
        if let Fate::Dead { reason } = fate {
            let delivery = connection.last_insert_rowid();
            let one = GivingUp { delivery, loss: Loss::Dead, reason, attempted: false, now };
            notices.give_up(connection, &one, losses)?;
        }
    }
    if !intakes.is_empty() {
        count(connection, space, Counter::Accepted, i64::try_from(intakes.len()).unwrap_or(i64::MAX))?;
    }
    Ok(())
}

/// Stores an event without deliveries, for tests that fill a store. Returns its number.
#[cfg(test)]
pub(super) fn insert_example(
    connection: &Connection,
    space: &str,
    id: &str,
    accepted_at: Timestamp,
) -> rusqlite::Result<i64> {
    let json = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"e"}}"#);
    let event = crate::decide::event::Event::read(json.into()).unwrap();
    let (space, method, path) = (space.to_owned(), "POST".to_owned(), "/".to_owned());
    let origin = Origin { space, method, path, accepted_at };
    let new = NewEvent { event, origin, intakes: Vec::new(), unique_since: None, notices: Vec::new() };
    write(connection, &new)
}
