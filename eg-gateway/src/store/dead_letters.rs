//! Reads, redrives and discards the deliveries that were given up, with their events and attempts.

use eg_sdk::history::{Attempt, AttemptOutcome, DeadLetter, DeadLetterPage, Loss};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::columns::{Json, Millis, Name, Time, lossy, optional, remains};
use super::jobs::{RunningJob, Step};
use super::ration::{ROWS, Ration};
use super::seal::{JSON, bytes_fit, fits, of_bytes};
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

/// The result of redriving one delivery.
#[derive(Debug)]
pub(crate) enum Redrive {
    /// It is due again in this lane.
    Due(Lane),
    /// It stays as it is, because its subscription is deleted or disabled.
    Inactive,
    /// No delivery with this number is given up and not discarded.
    Missing,
}

/// The columns that [`letter`] reads. A dead letter whose event is missing is listed, too.
const LETTER: &str = "
    SELECT d.payload, d.payload_seal,
           e.space, e.id, e.type, e.source, e.subject, e.method, e.path, e.accepted_at, e.event, e.seal,
           d.seq, d.subscription_id, d.function_id, d.state, d.reason, d.since, d.ended_at
    FROM deliveries d LEFT JOIN events e ON e.seq = d.event";

/// The positions of the edited payload and of the event among the columns of [`LETTER`].
const PAYLOAD: usize = 0;
const EVENT: usize = 2;

const HISTORY: &str = "SELECT number, started_at, duration_ms, outcome, error FROM attempts WHERE delivery = ?1 ORDER BY number";

// Only one delivery for each key may be due. This one is parked if another one is unfinished.
const REDRIVE: &str = "
    UPDATE deliveries AS d
    SET state = 'pending', failures = 0, crashes = 0, since = ?2, ended_at = NULL, reason = NULL,
        payload = coalesce(?3, payload), payload_seal = coalesce(?4, payload_seal),
        due_at = iif(order_key IS NOT NULL AND EXISTS (
            SELECT 1 FROM deliveries o WHERE o.space = d.space AND o.subscription_id = d.subscription_id
            AND o.order_key = d.order_key AND o.order_key IS NOT NULL AND o.state IN ('pending', 'in_flight')), NULL, ?2)
    WHERE seq = ?1";

const DISCARD: &str = "
    UPDATE deliveries SET discarded_at = ?3
    WHERE seq = ?2 AND space = ?1 AND state IN ('dead', 'expired') AND discarded_at IS NULL";

impl Store {
    /// Reads dead letters.
    pub(crate) async fn dead_letters(&self, query: DeadLetterQuery) -> Result<DeadLetterPage, StoreError> {
        self.readers
            .look_up(move |connection| {
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
        self.readers
            .look_up(move |connection| {
                let mut statement = connection.prepare_cached(&format!(
                    "{LETTER} WHERE d.seq = ?1 AND d.space = ?2 AND d.state IN ('dead', 'expired')
                 AND d.discarded_at IS NULL"
                ))?;
                let letter = statement.query_row(params![delivery, space], letter).optional()?;
                letter.map(|letter| with_history(connection, letter)).transpose()
            })
            .await
    }

    /// Makes a delivery due again, with all its attempts still available. `payload`, if there is one, replaces the event.
    pub(crate) async fn redrive(
        &self,
        space: String,
        delivery: i64,
        payload: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<Redrive, StoreError> {
        let redrive = move |connection: &Connection| {
            let query = format!(
                "{LETTERS} WHERE d.seq = ?2 AND d.space = ?1 AND d.state IN ('dead', 'expired')
                         AND d.discarded_at IS NULL"
            );
            let found = connection
                .prepare_cached(&query)?
                .query_row(params![space, delivery], |row| given_up(row, &space))
                .optional()?;
            match found {
                None => Ok(Redrive::Missing),
                Some(GivenUp { possible: false, .. }) => Ok(Redrive::Inactive),
                Some(GivenUp { lane, .. }) => {
                    let seal = payload.as_deref().map(of_bytes);
                    connection.prepare_cached(REDRIVE)?.execute(params![delivery, now, payload, seal])?;
                    Ok(Redrive::Due(lane))
                }
            }
        };
        self.writer.run(redrive).await
    }

    /// Runs a slice of a job that redrives deliveries. Returns how many, and the lanes in which they are due again, or
    /// `None` if the job does not run any more.
    pub(crate) async fn redrive_slice(
        &self,
        job: &RunningJob,
        loss: Loss,
        now: Timestamp,
    ) -> Result<Option<(usize, Vec<Lane>)>, StoreError> {
        let (space, mut lanes) = (job.space.clone(), Vec::new());
        let cursor = job.cursor;
        let slice = move |connection: &Connection, last: i64| {
            let (mut step, mut ration) = (Step { cursor, ..Step::default() }, Ration::new());
            lanes.clear();
            let letters = letters(connection, &space, loss, cursor, last)?;
            step.done = letters.is_empty();
            for GivenUp { delivery, lane, possible } in letters {
                step.cursor = delivery;
                if possible {
                    connection.prepare_cached(REDRIVE)?.execute(params![
                        delivery,
                        now,
                        None::<Vec<u8>>,
                        None::<i64>
                    ])?;
                    step.deliveries += 1;
                    if !lanes.contains(&lane) {
                        lanes.push(lane);
                    }
                } else {
                    step.skipped += 1;
                }
                ration.take(1);
                if ration.is_used_up() {
                    break;
                }
            }
            let redriven = (step.deliveries, lanes.clone());
            Ok((step, redriven))
        };
        self.slice(job, now, slice).await
    }

    /// Discards a delivery: removes it from the list of dead letters but keeps its history. Returns whether it was given
    /// up and not discarded yet.
    pub(crate) async fn discard(
        &self,
        space: String,
        delivery: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let discard = move |connection: &Connection| {
            Ok(connection.prepare_cached(DISCARD)?.execute(params![space, delivery, now])? > 0)
        };
        let discarded = self.writer.run(discard).await?;
        self.room.discarded();
        Ok(discarded)
    }

    /// Runs a slice of a job that discards deliveries. Returns how many, or `None` if the job does not run any more.
    pub(crate) async fn discard_slice(
        &self,
        job: &RunningJob,
        loss: Loss,
        now: Timestamp,
    ) -> Result<Option<usize>, StoreError> {
        let (space, cursor) = (job.space.clone(), job.cursor);
        let slice = move |connection: &Connection, last: i64| {
            let (mut step, mut ration) = (Step { cursor, ..Step::default() }, Ration::new());
            let letters = letters(connection, &space, loss, cursor, last)?;
            step.done = letters.is_empty();
            for GivenUp { delivery, .. } in letters {
                step.cursor = delivery;
                step.deliveries +=
                    connection.prepare_cached(DISCARD)?.execute(params![space, delivery, now])?;
                ration.take(1);
                if ration.is_used_up() {
                    break;
                }
            }
            let discarded = step.deliveries;
            Ok((step, discarded))
        };
        let discarded = self.slice(job, now, slice).await?;
        if discarded == Some(0) {
            self.room.discarded();
        }
        Ok(discarded)
    }
}

/// A delivery that was given up.
struct GivenUp {
    delivery: i64,
    lane: Lane,
    /// Whether its subscription exists and is enabled.
    possible: bool,
}

/// The columns that [`given_up`] reads.
const LETTERS: &str = "
    SELECT d.seq, d.function_id, EXISTS (
        SELECT 1 FROM config c WHERE c.kind = 'subscription' AND c.space = d.space AND c.id = d.subscription_id
        AND json_extract(c.body, '$.disabled') IS NULL) AS possible
    FROM deliveries d";

fn given_up(row: &Row<'_>, space: &str) -> rusqlite::Result<GivenUp> {
    Ok(GivenUp {
        delivery: row.get("seq")?,
        lane: Lane { space: space.to_owned(), function: row.get("function_id")? },
        possible: row.get("possible")?,
    })
}

/// Returns the first given-up deliveries with numbers after `after` and up to `last`.
fn letters(
    connection: &Connection,
    space: &str,
    loss: Loss,
    after: i64,
    last: i64,
) -> rusqlite::Result<Vec<GivenUp>> {
    // Each state is spelled out, so that SQLite uses its index.
    let query = format!(
        "{LETTERS} WHERE d.state = '{loss}' AND d.discarded_at IS NULL AND d.space = ?1 AND d.seq > ?2 AND d.seq <= ?3
         ORDER BY d.seq LIMIT {ROWS}"
    );
    let mut letters = connection.prepare_cached(&query)?;
    letters.query_map(params![space, after, last], |row| given_up(row, space))?.collect()
}

/// Reads a dead letter without its attempts.
fn letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    let edited = row.get_ref(PAYLOAD)? != ValueRef::Null;
    let column = if edited { PAYLOAD } else { EVENT + JSON };
    let damaged = !if edited { bytes_fit(row, PAYLOAD)? } else { fits(row, EVENT)? };
    let event = if damaged { remains(row.get_ref(column)?) } else { row.get::<_, Json>(column)?.0 };
    let text = |column: &str| row.get_ref(column).map(|value| lossy(value).into_owned());
    Ok(DeadLetter {
        dead_letter_id: row.get("seq")?,
        event_id: text("id")?,
        event_type: text("type")?,
        source: text("source")?,
        subscription_id: text("subscription_id")?,
        function_id: text("function_id")?,
        state: row.get::<_, Name<Loss>>("state")?.0,
        reason: text("reason")?,
        accepted_at: row.get::<_, Time>("accepted_at").or_else(|_| row.get("since"))?.0,
        dead_at: row.get::<_, Time>("ended_at")?.0,
        attempts: Vec::new(),
        event,
        damaged,
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
