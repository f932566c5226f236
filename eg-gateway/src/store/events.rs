//! Accepting events, and the deliveries that follow from them.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{Store, StoreError};
use crate::decide::arrival::{NewEvent, Origin};
use crate::decide::intake::{Fate, Intake};

/// What accepting came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    New,
    /// It was accepted before; nothing follows from this one.
    Duplicate,
}

const DUPLICATE: &str = "SELECT EXISTS (SELECT 1 FROM events WHERE space = ?1 AND id = ?2 AND source = ?3
    AND type = ?4 AND method = ?5 AND path = ?6 AND accepted_at > ?7)";

const COUNT: &str = "INSERT INTO counters (space, name, value) VALUES (?1, ?2, ?3)
    ON CONFLICT (space, name) DO UPDATE SET value = value + excluded.value";

// Parked while an earlier one with its key is unfinished.
const DELIVERY: &str = "
    INSERT INTO deliveries (event, space, subscription_id, function_id, state, since, due_at, order_key, replay,
                            ended_at, reason)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6,
            iif(?7 IS NOT NULL AND EXISTS (
                    SELECT 1 FROM deliveries o WHERE o.space = ?2 AND o.subscription_id = ?3 AND o.order_key = ?7
                    AND o.order_key IS NOT NULL AND o.state IN ('pending', 'in_flight')), NULL, ?6),
            ?7, ?8, iif(?5 = 'pending', NULL, ?6), ?9)";

impl Store {
    /// Returns once all the events and their deliveries are on disk; when it fails, none of them is.
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Full`] at once when too much waits or is stored already; otherwise when
    /// the disk fails. Then they do not count as accepted.
    pub(crate) async fn accept(&self, events: Arc<[NewEvent]>) -> Result<Vec<Accepted>, StoreError> {
        if self.is_full() {
            return Err(StoreError::Full);
        }
        let insert =
            move |connection: &Connection| events.iter().map(|event| insert(connection, event)).collect();
        self.writer.run_or_busy(insert).await
    }
}

/// Writes an event and its deliveries, and what tells of it, unless it is a duplicate.
pub(crate) fn insert(connection: &Connection, event: &NewEvent) -> rusqlite::Result<Accepted> {
    if let Some(since) = event.unique_since {
        let NewEvent { event, origin: Origin { space, method, path, .. }, .. } = event;
        let mut duplicate = connection.prepare_cached(DUPLICATE)?;
        let key = params![space, event.id(), event.source(), event.ty(), method, path, since];
        if duplicate.query_row(key, |row| row.get(0))? {
            count(connection, space, "duplicates", 1)?;
            return Ok(Accepted::Duplicate);
        }
    }
    event.with_notices().try_for_each(|event| store(connection, event))?;
    Ok(Accepted::New)
}

fn store(connection: &Connection, new: &NewEvent) -> rusqlite::Result<()> {
    let NewEvent { event, origin: Origin { space, method, path, accepted_at }, intakes, .. } = new;
    connection
        .prepare_cached(
            "INSERT INTO events (space, id, type, source, subject, method, path, accepted_at, event)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
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
            &**event.json()
        ])?;
    let event = connection.last_insert_rowid();
    add_deliveries(connection, event, space, intakes, *accepted_at, None)
}

/// Writes the deliveries that follow from an event or its replay. Each of them counts as accepted.
pub(super) fn add_deliveries(
    connection: &Connection,
    event: i64,
    space: &str,
    intakes: &[Intake],
    now: i64,
    replay: Option<&str>,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(DELIVERY)?;
    for Intake { subscription, fate } in intakes {
        let (id, function) = (&subscription.subscription_id, &subscription.function_id);
        let (state, order, reason) = match fate {
            Fate::Deliver { order } => ("pending", order.as_deref(), None),
            Fate::Filtered { reason } => ("filtered", None, Some(reason)),
            Fate::Dead { reason } => ("dead", None, Some(reason)),
        };
        insert.execute(params![event, space, id, function, state, now, order, replay, reason])?;
    }
    if !intakes.is_empty() {
        count(connection, space, "accepted", i64::try_from(intakes.len()).unwrap_or(i64::MAX))?;
    }
    Ok(())
}

/// Adds to a counter.
pub(super) fn count(connection: &Connection, space: &str, name: &str, by: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(COUNT)?.execute(params![space, name, by])?;
    Ok(())
}
