//! Reads, redrives and discards the deliveries that were given up, with their events and attempts, and hastens those that wait.

use bytes::Bytes;
use eg_sdk::history::{Attempt, AttemptOutcome, DeadLetter, DeadLetterPage, Loss};
use tokio_postgres::Row;

use super::faults::Failure;
use super::queue::Work;
use super::session::Session;
use super::stored::{Payload, payload, size, up_to_bytes};
use super::values::{count, get, name, optional_duration, optional_time, time, values};
use super::{PostgresStore, StoreError};
use crate::decide::lanes::Lane;
use crate::store::dead_letters::{DeadLetterQuery, Redrive};
use crate::store::events::PAGE;
use crate::store::seal::of_bytes;
use crate::timestamp::Timestamp;

/// The columns that [`letter`] reads. A dead letter whose event is missing is listed, too.
macro_rules! letters {
    ($($condition:literal),+) => {
        concat!(
            "SELECT ",
            payload!(),
            ", d.seq, d.subscription_id, d.function_id, d.state, d.reason, d.since, d.ended_at
            FROM deliveries d LEFT JOIN events e ON e.seq = d.event WHERE ",
            $($condition),+
        )
    };
}

const PAGES: &str = up_to_bytes!(
    "$6",
    "ended_at DESC, seq DESC",
    letters!(
        "d.state = $2 AND d.state IN ('dead', 'expired') AND d.discarded_at IS NULL AND d.space = $1
         AND (d.ended_at, d.seq) < ($3, $4) ORDER BY d.ended_at DESC, d.seq DESC LIMIT $5"
    )
);

const LETTER: &str =
    letters!("d.space = $1 AND d.seq = $2 AND d.state IN ('dead', 'expired') AND d.discarded_at IS NULL");

const HISTORY: &str = "SELECT delivery, number, started_at, duration_ms, outcome, error FROM attempts
    WHERE delivery = ANY($1) ORDER BY delivery, number";

// Only one delivery for each key may be due. This one is parked if another one is unfinished.
const REDRIVE: &str = "
    UPDATE deliveries AS d
    SET state = 'pending', failures = 0, crashes = 0, since = $2, ended_at = NULL, reason = NULL,
        payload = coalesce($3, payload), payload_seal = coalesce($4, payload_seal),
        due_at = CASE WHEN order_key IS NOT NULL AND EXISTS (
            SELECT 1 FROM deliveries o WHERE o.space = d.space AND o.subscription_id = d.subscription_id
            AND o.order_key = d.order_key AND o.order_key IS NOT NULL AND o.state IN ('pending', 'in_flight'))
            THEN NULL ELSE $2 END
    WHERE seq = $1";

// One without a due time waits for its turn, and one that was interrupted is attempted soon anyway.
const HASTEN: &str = "
    UPDATE deliveries SET due_at = $3, failures = 0
    WHERE seq = $2 AND space = $1 AND state = 'pending' AND due_at IS NOT NULL AND crashes = 0
    RETURNING function_id";

const DISCARD: &str = "
    UPDATE deliveries SET discarded_at = $3
    WHERE seq = ANY($2) AND space = $1 AND state IN ('dead', 'expired') AND discarded_at IS NULL RETURNING seq";

/// The columns that [`GivenUp`] reads.
macro_rules! given_up {
    ($($condition:literal),+) => {
        concat!(
            "SELECT d.seq, d.function_id, EXISTS (
                SELECT 1 FROM config c WHERE c.kind = 'subscription' AND c.space = d.space AND c.id = d.subscription_id
                AND c.enabled) AS possible,
                (SELECT min(j.seq) FROM jobs j WHERE j.kind = 'give_up' AND j.state = 'running' AND j.space = d.space
                 AND j.subscription_id = d.subscription_id AND j.last >= d.seq) AS again
            FROM deliveries d WHERE ",
            $($condition),+
        )
    };
}

const ONE: &str =
    given_up!("d.space = $1 AND d.seq = $2 AND d.state IN ('dead', 'expired') AND d.discarded_at IS NULL");

const NEXT: &str = given_up!(
    "d.state = $2 AND d.state IN ('dead', 'expired') AND d.discarded_at IS NULL AND d.space = $1
     AND d.seq > $3 AND d.seq <= $4 ORDER BY d.seq LIMIT $5"
);

impl PostgresStore {
    pub(in crate::store) async fn dead_letters(
        &self,
        query: DeadLetterQuery,
    ) -> Result<DeadLetterPage, StoreError> {
        let DeadLetterQuery { space, loss, before, limit } = query;
        let mut session = self.readers.look_up().await?;
        let (time, delivery) = match before {
            Some(before) => place(&mut session, before).await?,
            None => LAST,
        };
        let rows = session.query(PAGES, values![&space, loss.as_str(), time, delivery, limit, PAGE]).await?;
        let bytes: usize = rows.iter().map(size).sum::<Result<_, _>>()?;
        let mut dead_letters: Vec<DeadLetter> = rows.iter().map(letter).collect::<Result<_, _>>()?;
        add_histories(&mut session, &mut dead_letters).await?;
        session.end().await?;
        let full = bytes >= PAGE || u32::try_from(dead_letters.len()).is_ok_and(|found| found == limit);
        let next = dead_letters.last().filter(|_| full).map(|last| last.dead_letter_id);
        Ok(DeadLetterPage { dead_letters, next })
    }

    pub(in crate::store) async fn dead_letter(
        &self,
        space: String,
        delivery: i64,
    ) -> Result<Option<DeadLetter>, StoreError> {
        let mut session = self.readers.look_up().await?;
        let rows = session.query(LETTER, values![&space, delivery]).await?;
        let mut letters: Vec<DeadLetter> = rows.iter().map(letter).collect::<Result<_, _>>()?;
        add_histories(&mut session, &mut letters).await?;
        session.end().await?;
        Ok(letters.pop())
    }

    pub(in crate::store) async fn redrive(
        &self,
        space: String,
        delivery: i64,
        payload: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<Redrive, StoreError> {
        let payload = payload.map(Bytes::from);
        self.writer.run(Redriving { space, delivery, payload, now }).await
    }

    pub(in crate::store) async fn hasten(
        &self,
        space: String,
        delivery: i64,
        now: Timestamp,
    ) -> Result<Option<Lane>, StoreError> {
        self.writer.run(Hastening { space, delivery, now }).await
    }

    pub(in crate::store) async fn discard(
        &self,
        space: String,
        delivery: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let discarded = self.writer.run(Discarding { space, delivery, now }).await?;
        if discarded {
            self.room.discarded();
        }
        Ok(discarded)
    }
}

struct Redriving {
    space: String,
    delivery: i64,
    payload: Option<Bytes>,
    now: Timestamp,
}

impl Work for Redriving {
    type Output = Redrive;

    async fn run(&mut self, session: &mut Session) -> Result<Redrive, Failure> {
        let found = session.optional(ONE, values![&self.space, self.delivery]).await?;
        let found = found.map(|row| GivenUp::read(&row, &self.space)).transpose()?;
        Ok(match found {
            None => Redrive::Missing,
            Some(GivenUp { possible: false, .. }) => Redrive::Inactive,
            Some(GivenUp { again: Some(job), .. }) => Redrive::GivingUp(job),
            Some(GivenUp { lane, .. }) => {
                redrive(session, self.delivery, self.payload.clone(), self.now);
                Redrive::Due(lane)
            }
        })
    }
}

struct Hastening {
    space: String,
    delivery: i64,
    now: Timestamp,
}

impl Work for Hastening {
    type Output = Option<Lane>;

    async fn run(&mut self, session: &mut Session) -> Result<Option<Lane>, Failure> {
        let hastened = session.optional(HASTEN, values![&self.space, self.delivery, self.now]).await?;
        let lane = |row| Ok(Lane { space: self.space.clone(), function: get(&row, "function_id")? });
        hastened.map(lane).transpose()
    }
}

struct Discarding {
    space: String,
    delivery: i64,
    now: Timestamp,
}

impl Work for Discarding {
    type Output = bool;

    async fn run(&mut self, session: &mut Session) -> Result<bool, Failure> {
        Ok(discard(session, &self.space, vec![self.delivery], self.now).await? > 0)
    }
}

/// Makes a delivery due again, or parks it behind another one with its key.
pub(super) fn redrive(session: &mut Session, delivery: i64, payload: Option<Bytes>, now: Timestamp) {
    let seal = payload.as_deref().map(|payload| i64::from(of_bytes(payload).number()));
    session.later(REDRIVE, values![delivery, now, payload, seal]);
}

/// Discards dead letters. Returns how many of them were not discarded before.
pub(super) async fn discard(
    session: &mut Session,
    space: &str,
    deliveries: Vec<i64>,
    now: Timestamp,
) -> Result<usize, Failure> {
    Ok(session.query(DISCARD, values![space, deliveries, now]).await?.len())
}

/// The place behind all dead letters in the order of time.
const LAST: (i64, i64) = (i64::MAX, i64::MAX);

/// Returns when a delivery was given up. One that was redriven meanwhile counts from then on, and the list begins anew
/// after one that was deleted: so a reader may see a dead letter twice, and misses none.
async fn place(session: &mut Session, delivery: i64) -> Result<(i64, i64), Failure> {
    let sql = "SELECT coalesce(ended_at, since) AS time FROM deliveries WHERE seq = $1";
    let found = session.optional(sql, values![delivery]).await?;
    found.map_or(Ok(LAST), |row| Ok((get(&row, "time")?, delivery)))
}

/// A delivery that was given up.
pub(super) struct GivenUp {
    pub(super) delivery: i64,
    pub(super) lane: Lane,
    /// Whether its subscription exists and is enabled.
    pub(super) possible: bool,
    /// The job that would give it up again.
    pub(super) again: Option<i64>,
}

impl GivenUp {
    fn read(row: &Row, space: &str) -> Result<Self, Failure> {
        Ok(Self {
            delivery: get(row, "seq")?,
            lane: Lane { space: space.to_owned(), function: get(row, "function_id")? },
            possible: get(row, "possible")?,
            again: get(row, "again")?,
        })
    }
}

/// Returns the first given-up deliveries with numbers after `after` and up to `last`.
pub(super) async fn given_up(
    session: &mut Session,
    space: &str,
    loss: Loss,
    (after, last): (i64, i64),
    limit: usize,
) -> Result<Vec<GivenUp>, Failure> {
    let rows = session.query(NEXT, values![space, loss.as_str(), after, last, limit]).await?;
    rows.iter().map(|row| GivenUp::read(row, space)).collect()
}

/// Reads a dead letter without its attempts.
fn letter(row: &Row) -> Result<DeadLetter, Failure> {
    let payload = Payload::read(row)?;
    let accepted_at = match payload.event.accepted_at {
        Some(accepted_at) => accepted_at,
        None => time(row, "since")?,
    };
    Ok(DeadLetter {
        dead_letter_id: get(row, "seq")?,
        event: payload.raw(),
        damaged: !payload.is_sound,
        event_id: payload.event.id,
        event_type: payload.event.ty,
        source: payload.event.source,
        subscription_id: get(row, "subscription_id")?,
        function_id: get(row, "function_id")?,
        state: name(row, "state")?,
        reason: get::<Option<String>>(row, "reason")?.unwrap_or_default(),
        accepted_at: accepted_at.date_time(),
        dead_at: optional_time(row, "ended_at")?.unwrap_or(accepted_at).date_time(),
        attempts: Vec::new(),
    })
}

async fn add_histories(session: &mut Session, letters: &mut [DeadLetter]) -> Result<(), Failure> {
    let numbers = letters.iter().map(|letter| letter.dead_letter_id).collect();
    for (delivery, attempt) in attempts(session, numbers).await? {
        if let Some(letter) = letters.iter_mut().find(|letter| letter.dead_letter_id == delivery) {
            letter.attempts.push(attempt);
        }
    }
    Ok(())
}

/// Returns the attempts of deliveries, each with the number of its delivery.
pub(super) async fn attempts(
    session: &mut Session,
    deliveries: Vec<i64>,
) -> Result<Vec<(i64, Attempt)>, Failure> {
    let attempt = |row: &Row| {
        let outcome = match get::<Option<&str>>(row, "outcome")? {
            Some(_) => name(row, "outcome")?,
            None => AttemptOutcome::InFlight,
        };
        let attempt = Attempt {
            number: count(row, "number")?,
            started_at: time(row, "started_at")?.date_time(),
            duration: optional_duration(row, "duration_ms")?,
            outcome,
            error: get(row, "error")?,
        };
        Ok((get(row, "delivery")?, attempt))
    };
    if deliveries.is_empty() {
        return Ok(Vec::new());
    }
    session.query(HISTORY, values![deliveries]).await?.iter().map(attempt).collect()
}
