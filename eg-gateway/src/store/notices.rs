//! The events that tell of deliveries that were given up: stored in the transaction in which that happens, so that each
//! is told once, whatever happens next. What they say, and to whom, comes in as a [`Teller`].

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::deliveries::Ended;
use super::events::{NewEvent, insert};

/// A delivery that was just given up.
#[derive(Debug)]
pub(crate) struct Loss {
    pub(crate) space: String,
    pub(crate) function: String,
    pub(crate) subscription: String,
    pub(crate) event_type: String,
    /// The JSON that the function got, or would have got.
    pub(crate) json: Vec<u8>,
    pub(crate) attempts: u32,
    /// By its age. Otherwise it is dead.
    pub(crate) expired: bool,
    pub(crate) reason: String,
}

/// Makes the events that tell of a loss.
pub(crate) type Teller = Arc<dyn Fn(&Loss) -> Vec<NewEvent> + Send + Sync>;

const LOSS: &str = "
    SELECT d.space, d.function_id, d.subscription_id, e.type, coalesce(d.payload, e.event), d.attempts,
           d.state = 'expired', coalesce(d.reason, '')
    FROM deliveries d JOIN events e ON e.seq = d.event WHERE d.seq = ?1 AND d.state IN ('dead', 'expired')";

/// Stores what tells of these deliveries, and returns it.
pub(super) fn tell<'a>(
    connection: &Connection,
    ended: impl Iterator<Item = &'a Ended>,
    teller: &Teller,
) -> rusqlite::Result<Vec<NewEvent>> {
    let mut told = Vec::new();
    for ended in ended {
        told.extend(tell_one(connection, ended.delivery, teller)?);
    }
    Ok(told)
}

/// Stores what tells of this delivery, and returns it.
pub(super) fn tell_one(
    connection: &Connection,
    delivery: i64,
    teller: &Teller,
) -> rusqlite::Result<Vec<NewEvent>> {
    let loss = connection.prepare_cached(LOSS)?.query_row(params![delivery], |row| {
        Ok(Loss {
            space: row.get(0)?,
            function: row.get(1)?,
            subscription: row.get(2)?,
            event_type: row.get(3)?,
            json: row.get(4)?,
            attempts: row.get(5)?,
            expired: row.get(6)?,
            reason: row.get(7)?,
        })
    })?;
    let events = teller(&loss);
    for event in &events {
        insert(connection, event)?;
    }
    Ok(events)
}
