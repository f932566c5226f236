//! The deliveries that were given up, with their events and history: reading, trying again, discarding.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Store, StoreError};
use crate::decide::lanes::Lane;

/// Which dead letters to read: those of one space, the newest first.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetterQuery {
    pub(crate) space: String,
    /// Those that expired instead of those that are dead.
    pub(crate) expired: bool,
    /// Only those older than this one.
    pub(crate) before: Option<i64>,
    pub(crate) limit: u32,
}

/// A delivery that was given up. Times are milliseconds since the epoch.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) delivery: i64,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) source: String,
    pub(crate) subscription_id: String,
    pub(crate) function_id: String,
    pub(crate) reason: String,
    pub(crate) accepted_at: i64,
    pub(crate) ended_at: i64,
    /// The JSON that the function got.
    pub(crate) json: Vec<u8>,
    pub(crate) attempts: Vec<Attempt>,
}

/// One call of the function.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) started_at: i64,
    /// `None` when the gateway stopped before the answer.
    pub(crate) duration_ms: Option<i64>,
    pub(crate) outcome: String,
    pub(crate) error: Option<String>,
}

/// Which deliveries that were given up: all dead ones of a space, or one, dead or expired.
#[derive(Debug, Clone)]
pub(crate) struct GivenUp {
    pub(crate) space: String,
    pub(crate) one: Option<i64>,
}

/// What trying again came to.
#[derive(Debug, Default)]
pub(crate) struct Redriven {
    /// Where deliveries are due again.
    pub(crate) lanes: Vec<Lane>,
    pub(crate) redriven: usize,
    /// Those that stay as they are, because their subscription is gone or disabled.
    pub(crate) skipped: usize,
}

const LETTER: &str = "
    SELECT d.seq, e.id, e.type, e.source, d.subscription_id, d.function_id, d.reason, e.accepted_at, d.ended_at,
           coalesce(d.payload, e.event)
    FROM deliveries d JOIN events e ON e.seq = d.event";

const HISTORY: &str = "
    SELECT number, started_at, duration_ms, coalesce(outcome, 'in_flight'), error
    FROM attempts WHERE delivery = ?1 ORDER BY number";

// One at a time per key: parked when another one is unfinished.
const REDRIVE: &str = "
    UPDATE deliveries AS d
    SET state = 'pending', failures = 0, since = ?2, ended_at = NULL, reason = NULL,
        payload = coalesce(?3, payload),
        due_at = iif(order_key IS NOT NULL AND EXISTS (
            SELECT 1 FROM deliveries o WHERE o.space = d.space AND o.subscription_id = d.subscription_id
            AND o.order_key = d.order_key AND o.order_key IS NOT NULL AND o.state IN ('pending', 'in_flight')), NULL, ?2)
    WHERE seq = ?1";

/// How many rows one transaction changes at most, so that others do not wait long.
const BATCH: i64 = 500;

impl Store {
    /// Reads dead letters.
    pub(crate) async fn dead_letters(&self, query: DeadLetterQuery) -> Result<Vec<DeadLetter>, StoreError> {
        self.read(move |connection| {
            // Each spelled out, so that its index is used.
            let state = if query.expired { "d.state = 'expired'" } else { "d.state = 'dead'" };
            let mut statement = connection.prepare_cached(&format!(
                "{LETTER} WHERE {state} AND d.discarded_at IS NULL AND d.space = ?1 AND d.seq < ?2
                 ORDER BY d.seq DESC LIMIT ?3"
            ))?;
            let before = query.before.unwrap_or(i64::MAX);
            let letters = statement.query_map(params![query.space, before, query.limit], letter)?;
            letters.map(|letter| with_history(connection, letter?)).collect()
        })
        .await
    }

    /// Reads one delivery that was given up and not discarded.
    pub(crate) async fn dead_letter(
        &self,
        space: String,
        delivery: i64,
    ) -> Result<Option<DeadLetter>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "{LETTER} WHERE d.seq = ?1 AND d.space = ?2 AND d.state IN ('dead', 'expired')
                 AND d.discarded_at IS NULL"
            ))?;
            let letter = statement.query_row(params![delivery, space], letter).optional()?;
            letter.map(|letter| with_history(connection, letter)).transpose()
        })
        .await
    }

    /// Makes deliveries due again, with all their attempts before them, `payload` taking the place of the event.
    pub(crate) async fn redrive(
        &self,
        which: GivenUp,
        payload: Option<Vec<u8>>,
        now: i64,
    ) -> Result<Redriven, StoreError> {
        let mut total = Redriven::default();
        let mut after = 0;
        loop {
            let (which, payload) = (which.clone(), payload.clone());
            let batch = move |connection: &Connection| {
                let letters = given_up(connection, &which, after)?;
                redrive(connection, letters, payload.as_deref(), now)
            };
            let (batch, last) = self.writer.run(batch).await?;
            total.redriven += batch.redriven;
            total.skipped += batch.skipped;
            total.lanes.extend(batch.lanes);
            total.lanes.sort_unstable();
            total.lanes.dedup();
            match last {
                Some(last) => after = last,
                None => return Ok(total),
            }
        }
    }

    /// Takes deliveries off the list for good; what happened to them stays on record. Returns how many.
    pub(crate) async fn discard(&self, which: GivenUp, now: i64) -> Result<usize, StoreError> {
        let discard = move |connection: &Connection| match which.one {
            Some(one) => connection.execute(
                "UPDATE deliveries SET discarded_at = ?3 WHERE seq = ?2 AND space = ?1
                 AND state IN ('dead', 'expired') AND discarded_at IS NULL",
                params![which.space, one, now],
            ),
            None => connection.execute(
                "UPDATE deliveries SET discarded_at = ?2
                 WHERE state = 'dead' AND discarded_at IS NULL AND space = ?1",
                params![which.space, now],
            ),
        };
        self.writer.run(discard).await
    }
}

/// A delivery to redrive: its number, its lane, and whether its subscription still takes deliveries.
type Letter = (i64, Lane, bool);

fn given_up(connection: &Connection, which: &GivenUp, after: i64) -> rusqlite::Result<Vec<Letter>> {
    const COLUMNS: &str = "SELECT d.seq, d.function_id, EXISTS (
            SELECT 1 FROM config c WHERE c.kind = 'subscription' AND c.space = d.space AND c.id = d.subscription_id
            AND json_extract(c.body, '$.disabled') IS NULL)
        FROM deliveries d";
    let letter = |row: &Row<'_>| {
        Ok((row.get(0)?, Lane { space: which.space.clone(), function: row.get(1)? }, row.get(2)?))
    };
    match which.one {
        Some(one) => connection
            .prepare_cached(&format!(
                "{COLUMNS} WHERE d.seq = ?2 AND d.space = ?1 AND d.state IN ('dead', 'expired')
                 AND d.discarded_at IS NULL AND d.seq > ?3"
            ))?
            .query_map(params![which.space, one, after], letter)?
            .collect(),
        None => connection
            .prepare_cached(&format!(
                "{COLUMNS} WHERE d.state = 'dead' AND d.discarded_at IS NULL AND d.space = ?1 AND d.seq > ?2
                 ORDER BY d.seq LIMIT {BATCH}"
            ))?
            .query_map(params![which.space, after], letter)?
            .collect(),
    }
}

/// Redrives a batch; the last of it, unless nothing is left.
fn redrive(
    connection: &Connection,
    letters: Vec<Letter>,
    payload: Option<&[u8]>,
    now: i64,
) -> rusqlite::Result<(Redriven, Option<i64>)> {
    let mut total = Redriven::default();
    let mut last = None;
    for (delivery, lane, possible) in letters {
        last = Some(delivery);
        if !possible {
            total.skipped += 1;
            continue;
        }
        connection.prepare_cached(REDRIVE)?.execute(params![delivery, now, payload])?;
        total.redriven += 1;
        if !total.lanes.contains(&lane) {
            total.lanes.push(lane);
        }
    }
    Ok((total, last))
}

fn letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        delivery: row.get(0)?,
        event_id: row.get(1)?,
        event_type: row.get(2)?,
        source: row.get(3)?,
        subscription_id: row.get(4)?,
        function_id: row.get(5)?,
        reason: row.get(6)?,
        accepted_at: row.get(7)?,
        ended_at: row.get(8)?,
        json: row.get(9)?,
        attempts: Vec::new(),
    })
}

fn with_history(connection: &Connection, mut letter: DeadLetter) -> rusqlite::Result<DeadLetter> {
    letter.attempts = attempts(connection, letter.delivery)?;
    Ok(letter)
}

/// The attempts of a delivery.
pub(super) fn attempts(connection: &Connection, delivery: i64) -> rusqlite::Result<Vec<Attempt>> {
    let attempt = |row: &Row<'_>| {
        Ok(Attempt {
            number: row.get(0)?,
            started_at: row.get(1)?,
            duration_ms: row.get(2)?,
            outcome: row.get(3)?,
            error: row.get(4)?,
        })
    };
    connection.prepare_cached(HISTORY)?.query_map([delivery], attempt)?.collect()
}
