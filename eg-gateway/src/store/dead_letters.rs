//! Reads, redrives and discards the deliveries that were given up, with their events and attempts.

use eg_sdk::history::{Attempt, AttemptOutcome, DeadLetter, DeadLetterPage, Loss};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::columns::{Json, Millis, Name, Time, optional};
use super::{Store, StoreError};
use crate::decide::lanes::Lane;
use crate::timestamp::Timestamp;

/// Selects the dead letters of one space to read, the newest first.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetterQuery {
    pub(crate) space: String,
    /// Only deliveries that were given up in this way.
    pub(crate) loss: Loss,
    /// Only deliveries older than this one.
    pub(crate) before: Option<i64>,
    pub(crate) limit: u32,
}

/// Selects given-up deliveries: all dead ones of a space, or a single one, dead or expired.
#[derive(Debug, Clone)]
pub(crate) struct GivenUp {
    pub(crate) space: String,
    pub(crate) one: Option<i64>,
}

/// The result of redriving deliveries.
#[derive(Debug, Default)]
pub(crate) struct Redrive {
    /// The lanes in which deliveries are due again.
    pub(crate) lanes: Vec<Lane>,
    pub(crate) redriven: usize,
    /// Deliveries left unchanged because their subscription is deleted or disabled.
    pub(crate) skipped: usize,
}

/// The columns that [`letter`] reads.
const LETTER: &str = "
    SELECT d.seq, e.id, e.type, e.source, d.subscription_id, d.function_id, d.state, d.reason, e.accepted_at, d.ended_at,
           coalesce(d.payload, e.event) AS event
    FROM deliveries d JOIN events e ON e.seq = d.event";

const HISTORY: &str = "SELECT number, started_at, duration_ms, outcome, error FROM attempts WHERE delivery = ?1 ORDER BY number";

// Only one delivery for each key may be due. This one is parked if another one is unfinished.
const REDRIVE: &str = "
    UPDATE deliveries AS d
    SET state = 'pending', failures = 0, since = ?2, ended_at = NULL, reason = NULL,
        payload = coalesce(?3, payload),
        due_at = iif(order_key IS NOT NULL AND EXISTS (
            SELECT 1 FROM deliveries o WHERE o.space = d.space AND o.subscription_id = d.subscription_id
            AND o.order_key = d.order_key AND o.order_key IS NOT NULL AND o.state IN ('pending', 'in_flight')), NULL, ?2)
    WHERE seq = ?1";

/// Maximum number of rows that one transaction changes, so that other writes do not wait long.
const BATCH: i64 = 500;

impl Store {
    /// Reads dead letters.
    pub(crate) async fn dead_letters(&self, query: DeadLetterQuery) -> Result<DeadLetterPage, StoreError> {
        self.read(move |connection| {
            // Each state is spelled out, so that SQLite uses its index.
            let state = match query.loss {
                Loss::Dead => "d.state = 'dead'",
                Loss::Expired => "d.state = 'expired'",
            };
            let mut statement = connection.prepare_cached(&format!(
                "{LETTER} WHERE {state} AND d.discarded_at IS NULL AND d.space = ?1 AND d.seq < ?2
                 ORDER BY d.seq DESC LIMIT ?3"
            ))?;
            let before = query.before.unwrap_or(i64::MAX);
            let letters = statement.query_map(params![query.space, before, query.limit], letter)?;
            let letters = letters.map(|letter| with_history(connection, letter?));
            let dead_letters = letters.collect::<rusqlite::Result<Vec<_>>>()?;
            let full = u32::try_from(dead_letters.len()).is_ok_and(|found| found == query.limit);
            let next = dead_letters.last().filter(|_| full).map(|last| last.dead_letter_id);
            Ok(DeadLetterPage { dead_letters, next })
        })
        .await
    }

    /// Reads one delivery that was given up and has not been discarded.
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

    /// Makes deliveries due again, with all their attempts still available. `payload`, if there is one, replaces the
    /// event.
    pub(crate) async fn redrive(
        &self,
        which: GivenUp,
        payload: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<Redrive, StoreError> {
        let mut total = Redrive::default();
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

    /// Discards deliveries: removes them from the list of dead letters but keeps their history. Returns how many.
    pub(crate) async fn discard(&self, which: GivenUp, now: Timestamp) -> Result<usize, StoreError> {
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

/// A delivery to redrive.
struct Letter {
    delivery: i64,
    lane: Lane,
    /// Whether its subscription exists and is enabled.
    possible: bool,
}

fn given_up(connection: &Connection, which: &GivenUp, after: i64) -> rusqlite::Result<Vec<Letter>> {
    const COLUMNS: &str = "SELECT d.seq, d.function_id, EXISTS (
            SELECT 1 FROM config c WHERE c.kind = 'subscription' AND c.space = d.space AND c.id = d.subscription_id
            AND json_extract(c.body, '$.disabled') IS NULL) AS possible
        FROM deliveries d";
    let letter = |row: &Row<'_>| {
        Ok(Letter {
            delivery: row.get("seq")?,
            lane: Lane { space: which.space.clone(), function: row.get("function_id")? },
            possible: row.get("possible")?,
        })
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

/// Redrives a batch. Returns its last delivery, or `None` if nothing is left.
fn redrive(
    connection: &Connection,
    letters: Vec<Letter>,
    payload: Option<&[u8]>,
    now: Timestamp,
) -> rusqlite::Result<(Redrive, Option<i64>)> {
    let mut total = Redrive::default();
    let mut last = None;
    for Letter { delivery, lane, possible } in letters {
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

/// Reads a dead letter without its attempts.
fn letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        dead_letter_id: row.get("seq")?,
        event_id: row.get("id")?,
        event_type: row.get("type")?,
        source: row.get("source")?,
        subscription_id: row.get("subscription_id")?,
        function_id: row.get("function_id")?,
        state: row.get::<_, Name<Loss>>("state")?.0,
        reason: row.get("reason")?,
        accepted_at: row.get::<_, Time>("accepted_at")?.0,
        dead_at: row.get::<_, Time>("ended_at")?.0,
        attempts: Vec::new(),
        event: row.get::<_, Json>("event")?.0,
    })
}

fn with_history(connection: &Connection, mut letter: DeadLetter) -> rusqlite::Result<DeadLetter> {
    letter.attempts = attempts(connection, letter.dead_letter_id)?;
    Ok(letter)
}

/// Returns the attempts of a delivery.
pub(super) fn attempts(connection: &Connection, delivery: i64) -> rusqlite::Result<Vec<Attempt>> {
    let attempt = |row: &Row<'_>| {
        Ok(Attempt {
            number: row.get("number")?,
            started_at: row.get::<_, Time>("started_at")?.0,
            duration: optional(row, "duration_ms", |Millis(duration)| duration)?,
            outcome: optional(row, "outcome", |Name(outcome)| outcome)?.unwrap_or(AttemptOutcome::InFlight),
            error: row.get("error")?,
        })
    };
    connection.prepare_cached(HISTORY)?.query_map([delivery], attempt)?.collect()
}
