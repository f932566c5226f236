//! The states of deliveries: claiming what is due, moving on what was attempted, starting over after a stop.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Store, StoreError};
use crate::decide::delivery::{Next, SUBSCRIPTION_DELETED};

/// The deliveries to one function wait in one line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Lane {
    pub(crate) space: String,
    pub(crate) function: String,
}

/// A delivery whose next attempt has begun.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) delivery: i64,
    pub(crate) attempt: u32,
    /// Failed attempts so far.
    pub(crate) failures: u32,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    /// Milliseconds since the epoch.
    pub(crate) accepted_at: i64,
    /// The JSON that the function gets.
    pub(crate) json: Vec<u8>,
}

/// A delivery that lost its subscription before it could be made, and is dead now.
#[derive(Debug)]
pub(crate) struct Orphan {
    pub(crate) event_id: String,
    pub(crate) event_type: String,
}

/// What was claimed in one lane.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) lane: Lane,
    pub(crate) claimed: Vec<Claimed>,
    pub(crate) orphans: Vec<Orphan>,
    /// When the next delivery of the lane is due; `None` when nothing waits.
    pub(crate) next_due: Option<i64>,
}

/// The end of an attempt.
#[derive(Debug, Clone)]
pub(crate) struct Finish {
    pub(crate) delivery: i64,
    pub(crate) attempt: u32,
    pub(crate) duration: Duration,
    pub(crate) next: Next,
    /// Milliseconds since the epoch.
    pub(crate) now: i64,
}

const DUE: &str = "
    SELECT d.seq, d.attempts, d.failures, e.id, e.type, e.accepted_at, e.event,
           EXISTS (SELECT 1 FROM config c
                   WHERE c.kind = 'subscription' AND c.space = d.space AND c.id = d.subscription_id)
    FROM deliveries d JOIN events e ON e.seq = d.event
    WHERE d.state = 'pending' AND d.space = ?1 AND d.function_id = ?2 AND d.due_at <= ?3
    ORDER BY d.due_at LIMIT ?4";

const NEXT_DUE: &str =
    "SELECT min(due_at) FROM deliveries WHERE state = 'pending' AND space = ?1 AND function_id = ?2";

const BURY: &str = "UPDATE deliveries SET state = 'dead', ended_at = ?2, reason = ?3 WHERE seq = ?1";

impl Store {
    /// When the next delivery is due, for each lane in which one waits.
    pub(crate) async fn lanes(&self) -> Result<Vec<(Lane, i64)>, StoreError> {
        self.writer
            .run(|connection| {
                let mut statement = connection.prepare(
                    "SELECT space, function_id, min(due_at) FROM deliveries WHERE state = 'pending' GROUP BY 1, 2",
                )?;
                let lane = |row: &rusqlite::Row<'_>| Ok((Lane { space: row.get(0)?, function: row.get(1)? }, row.get(2)?));
                statement.query_map([], lane)?.collect()
            })
            .await
    }

    /// Begins the next attempt of deliveries that are due at `now`, at most so many of each lane. They are in flight
    /// when this returns.
    pub(crate) async fn claim(&self, lanes: Vec<(Lane, usize)>, now: i64) -> Result<Vec<Claim>, StoreError> {
        let claim = move |connection: &Connection| {
            lanes.into_iter().map(|(lane, limit)| claim_lane(connection, lane, limit, now)).collect()
        };
        self.writer.run(claim).await
    }

    /// Writes down how an attempt ended and what follows from it.
    pub(crate) async fn finish(&self, finish: Finish) -> Result<(), StoreError> {
        self.writer.run(move |connection| finish_attempt(connection, &finish)).await
    }
}

fn claim_lane(connection: &Connection, lane: Lane, limit: usize, now: i64) -> rusqlite::Result<Claim> {
    let (mut claimed, mut orphans) = (Vec::new(), Vec::new());
    let mut due = connection.prepare_cached(DUE)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = due.query(params![lane.space, lane.function, now, limit])?;
    while let Some(row) = rows.next()? {
        let delivery = row.get(0)?;
        let (event_id, event_type) = (row.get(3)?, row.get(4)?);
        if row.get(7)? {
            let attempt = row.get::<_, u32>(1)?.saturating_add(1);
            let (failures, accepted_at, json) = (row.get(2)?, row.get(5)?, row.get(6)?);
            claimed.push(Claimed { delivery, attempt, failures, event_id, event_type, accepted_at, json });
        } else {
            connection.prepare_cached(BURY)?.execute(params![delivery, now, SUBSCRIPTION_DELETED])?;
            orphans.push(Orphan { event_id, event_type });
        }
    }
    drop(rows);
    for claimed in &claimed {
        connection
            .prepare_cached("UPDATE deliveries SET state = 'in_flight', attempts = ?2 WHERE seq = ?1")?
            .execute(params![claimed.delivery, claimed.attempt])?;
        connection
            .prepare_cached("INSERT INTO attempts (delivery, number, started_at) VALUES (?1, ?2, ?3)")?
            .execute(params![claimed.delivery, claimed.attempt, now])?;
    }
    let mut next = connection.prepare_cached(NEXT_DUE)?;
    let next_due = next.query_row(params![lane.space, lane.function], |row| row.get(0)).optional()?.flatten();
    drop(next);
    drop(due);
    Ok(Claim { lane, claimed, orphans, next_due })
}

fn finish_attempt(connection: &Connection, finish: &Finish) -> rusqlite::Result<()> {
    let Finish { delivery, attempt, duration, next, now } = finish;
    let (outcome, error) = match next {
        Next::Delivered => ("delivered", None),
        Next::Retry { error, .. } | Next::Dead { error, .. } => ("failed", Some(error)),
    };
    connection
        .prepare_cached(
            "UPDATE attempts SET duration_ms = ?3, outcome = ?4, error = ?5 WHERE delivery = ?1 AND number = ?2",
        )?
        .execute(params![delivery, attempt, millis(*duration), outcome, error])?;
    match next {
        Next::Delivered => connection
            .prepare_cached("UPDATE deliveries SET state = 'delivered', ended_at = ?2 WHERE seq = ?1")?
            .execute(params![delivery, now])?,
        Next::Retry { after, .. } => connection
            .prepare_cached(
                "UPDATE deliveries SET state = 'pending', failures = failures + 1, due_at = ?2 WHERE seq = ?1",
            )?
            .execute(params![delivery, now.saturating_add(millis(*after))])?,
        Next::Dead { reason, .. } => connection
            .prepare_cached(
                "UPDATE deliveries SET state = 'dead', failures = failures + 1, ended_at = ?2, reason = ?3
                 WHERE seq = ?1",
            )?
            .execute(params![delivery, now, reason])?,
    };
    Ok(())
}

/// Puts what was in flight back in line.
pub(super) fn recover(connection: &mut Connection, now: i64) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    transaction.execute(
        "UPDATE attempts SET outcome = 'interrupted', error = 'the gateway stopped before the function answered'
         WHERE outcome IS NULL AND delivery IN (SELECT seq FROM deliveries WHERE state = 'in_flight')",
        [],
    )?;
    transaction
        .execute("UPDATE deliveries SET state = 'pending', due_at = ?1 WHERE state = 'in_flight'", [now])?;
    Ok(transaction.commit()?)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
