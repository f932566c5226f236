//! Records how attempts end, and what becomes of their deliveries. `decide` determines the next state, `claims` begins
//! attempts, and `notices` gives deliveries up.

use eg_sdk::history::{AttemptOutcome, Loss};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, params};

use super::columns::{Millis, lossy};
use super::{SqliteStore, StoreError};
use crate::decide::delivery::Next;
use crate::decide::lanes::Lane;
use crate::store::claims::Finish;
use crate::store::notices::{GivingUp, Losses, Notices};
use crate::timestamp::Timestamp;

// Selects the first unfinished delivery with the same key, if it is parked. A parked delivery that ends has no turn to
// pass on: a redriven one may be parked behind a later one.
const PROMOTE: &str = "
    UPDATE deliveries SET due_at = ?2
    WHERE state = 'pending' AND due_at IS NULL AND seq = (
        SELECT n.seq FROM deliveries d JOIN deliveries n
            ON n.space = d.space AND n.subscription_id = d.subscription_id AND n.order_key = d.order_key
        WHERE d.seq = ?1 AND d.due_at IS NOT NULL AND n.order_key IS NOT NULL AND n.state IN ('pending', 'in_flight')
        ORDER BY n.seq LIMIT 1)
    RETURNING space, function_id";

impl SqliteStore {
    pub(in crate::store) async fn finish(
        &self,
        finishes: Vec<Finish>,
        notices: Notices,
    ) -> Result<Losses, StoreError> {
        let finish = move |connection: &Connection| {
            let mut losses = Losses::default();
            finish_attempts(connection, &finishes, &notices, &mut losses)?;
            Ok(losses)
        };
        self.writer.run_repeatable(finish).await
    }
}

/// Writes the outcomes of attempts and the new states of their deliveries.
pub(crate) fn finish_attempts(
    connection: &Connection,
    finishes: &[Finish],
    notices: &Notices,
    losses: &mut Losses,
) -> rusqlite::Result<()> {
    // Most attempts need these two, which are looked up once.
    let mut statements = Statements {
        outcome: connection.prepare_cached(
            "UPDATE attempts SET duration_ms = ?3, outcome = ?4, error = ?5
             WHERE delivery = ?1 AND number = ?2 AND outcome IS NULL",
        )?,
        delivered: connection
            .prepare_cached("UPDATE deliveries SET state = 'delivered', ended_at = ?2 WHERE seq = ?1")?,
    };
    finishes
        .iter()
        .try_for_each(|finish| finish_attempt(connection, &mut statements, finish, notices, losses))
}

/// The statements for attempts that succeed.
struct Statements<'a> {
    outcome: CachedStatement<'a>,
    delivered: CachedStatement<'a>,
}

fn finish_attempt(
    connection: &Connection,
    statements: &mut Statements<'_>,
    finish: &Finish,
    notices: &Notices,
    losses: &mut Losses,
) -> rusqlite::Result<()> {
    let Finish { delivery, attempt, duration, next, ordered, suspect, now } = finish;
    let mut ended = |outcome: AttemptOutcome, error: Option<&String>| {
        statements.outcome.execute(params![delivery, attempt, Millis(*duration), outcome.as_str(), error])
    };
    let under_way = match next {
        Next::Unmade { .. } => forget_attempt(connection, *delivery, *attempt)?,
        Next::Delivered => ended(AttemptOutcome::Delivered, None)?,
        Next::Retry { error, .. }
        | Next::Dead { error, .. }
        | Next::Disable { error, .. }
        | Next::Expired { error, .. } => ended(AttemptOutcome::Failed, Some(error))?,
    };
    if under_way == 0 {
        // The delivery has gone on without this attempt.
        return Ok(());
    }
    if *suspect {
        // The gateway has survived an attempt.
        connection.prepare_cached("UPDATE deliveries SET crashes = 0 WHERE seq = ?1")?.execute([delivery])?;
    }
    let (loss, reason) = match next {
        Next::Unmade { after, .. } => {
            connection
                .prepare_cached(
                    "UPDATE deliveries SET state = 'pending', attempts = attempts - 1, due_at = ?2 WHERE seq = ?1",
                )?
                .execute(params![delivery, now.saturating_add(*after)])?;
            return Ok(());
        }
        Next::Retry { after, .. } => {
            connection
                .prepare_cached(
                    "UPDATE deliveries SET state = 'pending', failures = failures + 1, due_at = ?2 WHERE seq = ?1",
                )?
                .execute(params![delivery, now.saturating_add(*after)])?;
            return Ok(());
        }
        Next::Delivered => {
            statements.delivered.execute(params![delivery, now])?;
            if *ordered {
                losses.due.extend(promote(connection, *delivery, *now)?);
            }
            return Ok(());
        }
        Next::Dead { reason, .. } | Next::Disable { reason, .. } => (Loss::Dead, reason),
        Next::Expired { reason, .. } => (Loss::Expired, reason),
    };
    connection
        .prepare_cached("UPDATE deliveries SET failures = failures + 1 WHERE seq = ?1")?
        .execute([delivery])?;
    let one = GivingUp { delivery: *delivery, loss, reason, attempted: true, now: *now };
    notices.give_up(connection, &one, losses)
}

/// Removes an attempt that is under way and was not made. Returns how many were removed.
fn forget_attempt(connection: &Connection, delivery: i64, attempt: u32) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("DELETE FROM attempts WHERE delivery = ?1 AND number = ?2 AND outcome IS NULL")?
        .execute(params![delivery, attempt])
}

/// Makes the next delivery with the same key due, after one has ended. Returns its lane, which may be another one: the
/// subscription may have got another function.
pub(super) fn promote(connection: &Connection, ended: i64, now: Timestamp) -> rusqlite::Result<Option<Lane>> {
    let text = |row: &Row<'_>, column| row.get_ref(column).map(|value| lossy(value).into_owned());
    let lane = |row: &Row<'_>| Ok(Lane { space: text(row, "space")?, function: text(row, "function_id")? });
    connection.prepare_cached(PROMOTE)?.query_row(params![ended, now], lane).optional()
}
