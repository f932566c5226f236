//! Records how attempts end, and what becomes of their deliveries. `decide` determines the next state, `claims` begins
//! attempts, and `give_up` gives deliveries up.

use std::collections::HashSet;

use eg_sdk::history::{AttemptOutcome, DeliveryState, Loss};

use super::faults::Failure;
use super::give_up::{Ending, give_up};
use super::queue::Work;
use super::session::Session;
use super::values::{get, values};
use super::{PostgresStore, StoreError};
use crate::decide::delivery::Next;
use crate::decide::lanes::Lane;
use crate::store::claims::Finish;
use crate::store::notices::{Losses, Notices};
use crate::store::room;
use crate::timestamp::{Timestamp, millis};

const OUTCOMES: &str = "
    UPDATE attempts a SET duration_ms = n.duration_ms, outcome = n.outcome, error = n.error
    FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::text[], $5::text[])
        AS n (delivery, number, duration_ms, outcome, error)
    WHERE a.delivery = n.delivery AND a.number = n.number AND a.outcome IS NULL RETURNING a.delivery, a.number";

/// Removes attempts that are under way and were not made.
const FORGET: &str = "
    DELETE FROM attempts a USING unnest($1::int8[], $2::int8[]) AS n (delivery, number)
    WHERE a.delivery = n.delivery AND a.number = n.number AND a.outcome IS NULL RETURNING a.delivery, a.number";

const GO_ON: &str = "
    UPDATE deliveries d SET state = n.state, due_at = coalesce(n.due_at, d.due_at), ended_at = n.ended_at,
        failures = d.failures + n.failures, attempts = d.attempts - n.unmade,
        crashes = CASE WHEN n.survived THEN 0 ELSE d.crashes END
    FROM unnest($1::int8[], $2::text[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::bool[])
        AS n (seq, state, due_at, ended_at, failures, unmade, survived)
    WHERE d.seq = n.seq";

// Selects the first unfinished delivery with the same key, if it is parked. A parked delivery that ends has no turn to
// pass on: a redriven one may be parked behind a later one.
const PROMOTE: &str = "
    UPDATE deliveries SET due_at = $2
    WHERE state = 'pending' AND due_at IS NULL AND seq = (
        SELECT n.seq FROM deliveries d JOIN deliveries n
            ON n.space = d.space AND n.subscription_id = d.subscription_id AND n.order_key = d.order_key
        WHERE d.seq = $1 AND d.due_at IS NOT NULL AND n.order_key IS NOT NULL AND n.state IN ('pending', 'in_flight')
        ORDER BY n.seq LIMIT 1)
    RETURNING space, function_id";

impl PostgresStore {
    pub(in crate::store) async fn finish(
        &self,
        finishes: Vec<Finish>,
        notices: Notices,
    ) -> Result<Losses, StoreError> {
        self.writer.run(Finishes { finishes, notices }).await
    }
}

struct Finishes {
    finishes: Vec<Finish>,
    notices: Notices,
}

impl Work for Finishes {
    type Output = Losses;

    async fn run(&mut self, session: &mut Session) -> Result<Losses, Failure> {
        let Self { finishes, notices } = self;
        let mut under_way = outcomes(session, finishes).await?;
        // A delivery that is not among them has gone on without this attempt.
        let finishes =
            finishes.iter().filter(|finish| under_way.remove(&(finish.delivery, finish.attempt.into())));
        let finishes: Vec<&Finish> = finishes.collect();
        go_on(session, &finishes);
        let (mut losses, mut endings) = (Losses::default(), Vec::new());
        for finish in finishes {
            let (loss, reason) = match &finish.next {
                Next::Delivered if finish.ordered => {
                    losses.due.extend(promote(session, finish.delivery, finish.now).await?);
                    continue;
                }
                Next::Delivered | Next::Unmade { .. } | Next::Retry { .. } => continue,
                Next::Dead { reason, .. } | Next::Disable { reason, .. } => (Loss::Dead, reason.clone()),
                Next::Expired { reason, .. } => (Loss::Expired, reason.clone()),
            };
            endings.push(Ending {
                delivery: finish.delivery,
                loss,
                reason,
                attempted: true,
                now: finish.now,
            });
        }
        give_up(session, endings, notices, &mut losses).await?;
        Ok(losses)
    }
}

/// Writes the outcomes of the attempts that are under way. Returns their deliveries and numbers.
async fn outcomes(session: &mut Session, finishes: &[Finish]) -> Result<HashSet<(i64, i64)>, Failure> {
    let (unmade, made): (Vec<_>, Vec<_>) =
        finishes.iter().partition(|finish| matches!(finish.next, Next::Unmade { .. }));
    let mut rows = Vec::new();
    let numbers = |of: &[&Finish]| -> (Vec<i64>, Vec<i64>) {
        of.iter().map(|finish| (finish.delivery, i64::from(finish.attempt))).unzip()
    };
    if !unmade.is_empty() {
        let (deliveries, attempts) = numbers(&unmade);
        rows = session.query(FORGET, values![deliveries, attempts]).await?;
        session.numbers.shrink(room::bytes(rows.len(), 0));
    }
    if !made.is_empty() {
        let (deliveries, attempts) = numbers(&made);
        let durations: Vec<i64> = made.iter().map(|finish| millis(finish.duration)).collect();
        let (outcomes, errors): (Vec<&str>, Vec<Option<String>>) =
            made.iter().map(|finish| outcome(&finish.next)).unzip();
        rows.extend(
            session.query(OUTCOMES, values![deliveries, attempts, durations, outcomes, errors]).await?,
        );
    }
    rows.iter().map(|row| Ok((get(row, "delivery")?, get(row, "number")?))).collect()
}

fn outcome(next: &Next) -> (&'static str, Option<String>) {
    match next {
        Next::Unmade { error, .. } => (AttemptOutcome::Interrupted.as_str(), Some(error.clone())),
        Next::Delivered => (AttemptOutcome::Delivered.as_str(), None),
        Next::Retry { error, .. }
        | Next::Dead { error, .. }
        | Next::Disable { error, .. }
        | Next::Expired { error, .. } => (AttemptOutcome::Failed.as_str(), Some(error.clone())),
    }
}

/// Writes the states after attempts. Those that are given up stay in flight until `give_up` ends them.
fn go_on(session: &mut Session, finishes: &[&Finish]) {
    let mut rows = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for Finish { delivery, next, suspect, now, .. } in finishes {
        let pending = DeliveryState::Pending;
        let (state, due_at, ended_at, failures, unmade) = match next {
            Next::Unmade { after, .. } => (pending, Some(now.saturating_add(*after)), None, 0, 1),
            Next::Retry { after, .. } => (pending, Some(now.saturating_add(*after)), None, 1, 0),
            Next::Delivered => (DeliveryState::Delivered, None, Some(*now), 0, 0),
            Next::Dead { .. } | Next::Disable { .. } | Next::Expired { .. } => {
                (DeliveryState::InFlight, None, None, 1, 0)
            }
        };
        rows.0.push(*delivery);
        rows.1.push(state.as_str());
        rows.2.push(due_at);
        rows.3.push(ended_at);
        rows.4.push(failures);
        rows.5.push(unmade);
        rows.6.push(*suspect);
    }
    if !finishes.is_empty() {
        session.later(GO_ON, values![rows.0, rows.1, rows.2, rows.3, rows.4, rows.5, rows.6]);
    }
}

/// Makes the next delivery with the same key due, after one has ended. Returns its lane, which may be another one: the
/// subscription may have got another function.
pub(super) async fn promote(
    session: &mut Session,
    ended: i64,
    now: Timestamp,
) -> Result<Option<Lane>, Failure> {
    let promoted = session.optional(PROMOTE, values![ended, now]).await?;
    let lane = |row| Ok(Lane { space: get(&row, "space")?, function: get(&row, "function_id")? });
    promoted.map(lane).transpose()
}
