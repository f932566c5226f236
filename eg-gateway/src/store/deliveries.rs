//! Moves deliveries from state to state: claims due ones, records the ends of attempts and recovers interrupted ones
//! at start. `decide` determines the next state.

use std::time::Duration;

use eg_sdk::history::{AttemptOutcome, DeliveryState, Loss};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::columns::Millis;
use super::notices::Notices;
use super::{Store, StoreError};
use crate::decide::arrival::NewEvent;
use crate::decide::delivery::{Gate, Next, SUBSCRIPTION_DELETED};
use crate::decide::gate::{Candidate, Gatekeeper};
use crate::decide::lanes::Lane;
use crate::timestamp::Timestamp;

/// A delivery whose next attempt has begun.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) delivery: i64,
    pub(crate) attempt: u32,
    /// Failed attempts so far.
    pub(crate) failures: u32,
    pub(crate) subscription_id: String,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    /// The time from which its age is counted.
    pub(crate) since: Timestamp,
    pub(crate) ordered: bool,
    /// The replay that created it.
    pub(crate) replay: Option<String>,
    /// The JSON that the function receives.
    pub(crate) json: Vec<u8>,
}

/// A delivery that ended without another attempt.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) delivery: i64,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) function: String,
    pub(crate) loss: Loss,
    pub(crate) reason: String,
}

/// The deliveries claimed in one lane.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) lane: Lane,
    pub(crate) claimed: Vec<Claimed>,
    pub(crate) ended: Vec<Ended>,
    /// When the next delivery of the lane is due. `None` if no delivery has a due time: parked ones wait for another
    /// delivery.
    pub(crate) next_due: Option<Timestamp>,
}

/// The end of an attempt.
#[derive(Debug, Clone)]
pub(crate) struct Finish {
    pub(crate) delivery: i64,
    pub(crate) attempt: u32,
    pub(crate) duration: Duration,
    pub(crate) next: Next,
    /// Whether other deliveries may be waiting for this one.
    pub(crate) ordered: bool,
    /// When it ended.
    pub(crate) now: Timestamp,
}

/// The columns that [`due`] reads, in that order. This query runs more often than any other.
pub(super) const DUE: &str = "
    SELECT d.seq, d.attempts, d.failures, d.subscription_id, e.id, e.type, d.since, d.order_key IS NOT NULL, d.replay,
           coalesce(d.payload, e.event),
           EXISTS (SELECT 1 FROM config c
                   WHERE c.kind = 'subscription' AND c.space = d.space AND c.id = d.subscription_id)
    FROM deliveries d JOIN events e ON e.seq = d.event
    WHERE d.state = 'pending' AND d.due_at IS NOT NULL AND d.space = ?1 AND d.function_id = ?2 AND d.due_at <= ?3
    ORDER BY d.due_at LIMIT ?4";

const NEXT_DUE: &str = "SELECT min(due_at) FROM deliveries
    WHERE state = 'pending' AND due_at IS NOT NULL AND space = ?1 AND function_id = ?2";

const END: &str = "UPDATE deliveries SET state = ?2, ended_at = ?3, reason = ?4 WHERE seq = ?1";

// Selects the first unfinished delivery with the same key, if it is parked.
const PROMOTE: &str = "
    UPDATE deliveries SET due_at = ?2
    WHERE state = 'pending' AND due_at IS NULL AND seq = (
        SELECT n.seq FROM deliveries d JOIN deliveries n
            ON n.space = d.space AND n.subscription_id = d.subscription_id AND n.order_key = d.order_key
        WHERE d.seq = ?1 AND n.order_key IS NOT NULL AND n.state IN ('pending', 'in_flight')
        ORDER BY n.seq LIMIT 1)";

impl Store {
    /// Returns when the next delivery is due, for each lane with a waiting delivery.
    pub(crate) async fn lanes(&self) -> Result<Vec<(Lane, Timestamp)>, StoreError> {
        self.writer.run(lanes).await
    }

    /// Begins the next attempt of deliveries that are due at `now` and that `gate` lets through: at most the given
    /// number for each lane, and no more once their payloads exceed `bytes`. They are in flight when this returns.
    /// The returned events are the notices of the deliveries that were given up.
    pub(crate) async fn claim(
        &self,
        lanes: Vec<(Lane, usize)>,
        now: Timestamp,
        bytes: usize,
        gate: Gatekeeper,
        notices: Notices,
    ) -> Result<(Vec<Claim>, Vec<NewEvent>), StoreError> {
        let claim = move |connection: &Connection| {
            let mut bytes = bytes;
            let lane = |(lane, limit)| claim_lane(connection, lane, limit, now, &mut bytes, &gate);
            let claims: Vec<Claim> = lanes.iter().cloned().map(lane).collect::<Result<_, _>>()?;
            let ended = claims.iter().flat_map(|claim| &claim.ended);
            let notices = notices.write_all(connection, ended.map(|ended| ended.delivery))?;
            Ok((claims, notices))
        };
        self.writer.run(claim).await
    }

    /// Records the outcomes of attempts and the new states of their deliveries. Returns the notices of the deliveries
    /// that were given up.
    pub(crate) async fn finish(
        &self,
        finishes: Vec<Finish>,
        notices: Notices,
    ) -> Result<Vec<NewEvent>, StoreError> {
        let finish = move |connection: &Connection| {
            let mut written = Vec::new();
            for finish in &finishes {
                finish_attempt(connection, finish)?;
                if finish.next.gives_up() {
                    written.extend(notices.write(connection, finish.delivery)?);
                }
            }
            Ok(written)
        };
        self.writer.run(finish).await
    }
}

/// Returns when the next delivery is due, for each lane with a waiting delivery.
pub(crate) fn lanes(connection: &Connection) -> rusqlite::Result<Vec<(Lane, Timestamp)>> {
    let mut statement = connection.prepare(
        "SELECT space, function_id, min(due_at) AS due_at FROM deliveries
         WHERE state = 'pending' AND due_at IS NOT NULL GROUP BY space, function_id",
    )?;
    let lane = |row: &Row<'_>| {
        Ok((Lane { space: row.get("space")?, function: row.get("function_id")? }, row.get("due_at")?))
    };
    statement.query_map([], lane)?.collect()
}

/// Claims deliveries of one lane and subtracts their payloads from `bytes`.
pub(crate) fn claim_lane(
    connection: &Connection,
    lane: Lane,
    limit: usize,
    now: Timestamp,
    bytes: &mut usize,
    gate: &Gatekeeper,
) -> rusqlite::Result<Claim> {
    let (mut claimed, mut ended) = (Vec::new(), Vec::new());
    let mut query = connection.prepare_cached(DUE)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = query.query(params![lane.space, lane.function, now, limit])?;
    while *bytes > 0
        && let Some(row) = rows.next()?
    {
        let (one, subscribed) = due(row)?;
        let candidate = Candidate {
            space: &lane.space,
            subscription_id: &one.subscription_id,
            failures: one.failures,
            since: one.since,
            now,
        };
        let gate = match subscribed {
            true => gate.check(&candidate),
            false => Gate::Dead { reason: SUBSCRIPTION_DELETED.to_owned() },
        };
        let (loss, reason) = match gate {
            Gate::Open => {
                *bytes = bytes.saturating_sub(one.json.len().max(1));
                claimed.push(one);
                continue;
            }
            Gate::Expired { reason } => (Loss::Expired, reason),
            Gate::Dead { reason } => (Loss::Dead, reason),
        };
        let Claimed { delivery, event_id, event_type, ordered, .. } = one;
        let function = lane.function.clone();
        ended.push((ordered, Ended { delivery, event_id, event_type, function, loss, reason }));
    }
    drop(rows);
    drop(query);
    for (ordered, ended) in &ended {
        end(connection, ended.delivery, *ordered, ended.loss, &ended.reason, now)?;
    }
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
    let ended = ended.into_iter().map(|(.., ended)| ended).collect();
    Ok(Claim { lane, claimed, ended, next_due })
}

/// Reads the next attempt of a due delivery, and whether its subscription still exists.
fn due(row: &Row<'_>) -> rusqlite::Result<(Claimed, bool)> {
    let claimed = Claimed {
        delivery: row.get(0)?,
        attempt: row.get::<_, u32>(1)?.saturating_add(1),
        failures: row.get(2)?,
        subscription_id: row.get(3)?,
        event_id: row.get(4)?,
        event_type: row.get(5)?,
        since: row.get(6)?,
        ordered: row.get(7)?,
        replay: row.get(8)?,
        json: row.get(9)?,
    };
    Ok((claimed, row.get(10)?))
}

/// Ends a delivery without an attempt. If it was ordered, the next one with its key becomes due.
pub(super) fn end(
    connection: &Connection,
    delivery: i64,
    ordered: bool,
    loss: Loss,
    reason: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let state = loss.as_str();
    connection.prepare_cached(END)?.execute(params![delivery, state, now, reason])?;
    if ordered { promote(connection, delivery, now) } else { Ok(()) }
}

/// Writes the outcome of an attempt and the new state of its delivery.
pub(crate) fn finish_attempt(connection: &Connection, finish: &Finish) -> rusqlite::Result<()> {
    let Finish { delivery, attempt, duration, next, ordered, now } = finish;
    let (outcome, error) = match next {
        Next::Delivered => (AttemptOutcome::Delivered, None),
        Next::Retry { error, .. }
        | Next::Dead { error, .. }
        | Next::Disable { error, .. }
        | Next::Expired { error, .. } => (AttemptOutcome::Failed, Some(error)),
    };
    connection
        .prepare_cached(
            "UPDATE attempts SET duration_ms = ?3, outcome = ?4, error = ?5 WHERE delivery = ?1 AND number = ?2",
        )?
        .execute(params![delivery, attempt, Millis(*duration), outcome.as_str(), error])?;
    let (state, reason) = match next {
        Next::Retry { after, .. } => {
            connection
                .prepare_cached(
                    "UPDATE deliveries SET state = 'pending', failures = failures + 1, due_at = ?2 WHERE seq = ?1",
                )?
                .execute(params![delivery, now.saturating_add(*after)])?;
            return Ok(());
        }
        Next::Delivered => (DeliveryState::Delivered, None),
        Next::Dead { reason, .. } | Next::Disable { reason, .. } => (DeliveryState::Dead, Some(reason)),
        Next::Expired { reason, .. } => (DeliveryState::Expired, Some(reason)),
    };
    connection
        .prepare_cached(
            "UPDATE deliveries SET state = ?2, failures = failures + ?5, ended_at = ?3, reason = ?4 WHERE seq = ?1",
        )?
        .execute(params![delivery, state.as_str(), now, reason, i64::from(reason.is_some())])?;
    if *ordered { promote(connection, *delivery, *now) } else { Ok(()) }
}

/// Makes the next delivery with the same key due, after one has ended.
fn promote(connection: &Connection, ended: i64, now: Timestamp) -> rusqlite::Result<()> {
    connection.prepare_cached(PROMOTE)?.execute(params![ended, now])?;
    Ok(())
}

/// Makes deliveries that were in flight pending again, due at `now`.
pub(crate) fn recover(connection: &mut Connection, now: Timestamp) -> Result<(), StoreError> {
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
