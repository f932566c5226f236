//! Claims due deliveries: reads them in the order in which they are due, lets each pass the gate, and begins its attempt.
//! `decide` determines which lanes claim how much, and `deliveries` records how the attempts end.

use std::collections::HashMap;
use std::time::Duration;

use tokio_postgres::Row;

use super::faults::Failure;
use super::give_up::{Ending, give_up};
use super::queue::Work;
use super::session::Session;
use super::stored::{Payload, up_to_bytes};
use super::values::{Value, count, get, optional_time, time, values};
use super::{PostgresStore, StoreError};
use crate::decide::breaker::Side;
use crate::decide::gate::Gatekeeper;
use crate::decide::lanes::{Due, Lane, Wanted};
use crate::store::claims::{Claim, Claimed, Loaded, SubscriptionState};
use crate::store::notices::{Losses, Notices};
use crate::store::room;
use crate::store::seal::DAMAGED;
use crate::timestamp::Timestamp;

/// The query for deliveries that meet a condition. [`loaded`] reads its columns. A delivery whose event is missing is among
/// them, so that somebody hears of it.
macro_rules! select {
    ($($condition:literal),+) => {
        concat!(
            "SELECT d.seq, d.due_at, d.attempts, d.failures, d.subscription_id, d.since, d.order_key IS NOT NULL AS ordered,
                    d.crashes, d.replay,
                    CASE WHEN d.failures > 0 THEN (SELECT a.started_at FROM attempts a
                                                   WHERE a.delivery = d.seq AND a.number = d.attempts) END AS previous, ",
            $crate::store::postgres::stored::payload!(),
            " FROM deliveries d LEFT JOIN events e ON e.seq = d.event WHERE ",
            $($condition),+
        )
    };
}
pub(super) use select;

/// Reads due deliveries. The parameters are space, function, time, whether the deliveries have failed before, how many to
/// skip, how many to read, and how many bytes.
macro_rules! due_in_lane {
    ($order:literal) => {
        up_to_bytes!(
            "$7",
            $order,
            select!(
                "d.state = 'pending' AND d.due_at IS NOT NULL AND d.crashes = 0 AND d.space = $1 AND d.function_id = $2
                 AND d.due_at <= $3 AND (d.failures > 0) = $4 ORDER BY ",
                $order,
                " LIMIT $6 OFFSET $5"
            )
        )
    };
}

const DUE: &str = due_in_lane!("due_at, seq");

/// Reads the newest of the due deliveries first.
const DUE_NEWEST: &str = due_in_lane!("due_at DESC, seq DESC");

/// Which subscriptions exist.
const SUBSCRIBED: &str = "SELECT id FROM config WHERE kind = 'subscription' AND space = $1 AND id = ANY($2)";

/// The jobs that give up deliveries of subscriptions.
const GIVING_UP: &str = "SELECT subscription_id, last, reason FROM jobs
    WHERE kind = 'give_up' AND state = 'running' AND space = $1 AND subscription_id = ANY($2) ORDER BY seq";

const NEXT_DUE: &str =
    "SELECT min(due_at) AS due FROM deliveries WHERE state = 'pending' AND due_at IS NOT NULL
    AND crashes = 0 AND space = $1 AND function_id = $2 AND (failures > 0) = $3";

/// Finds the first due delivery of each lane, apart for those that have failed. Each step skips the rest of a lane in the
/// index, so this costs nothing for deliveries that wait behind the first one.
const LANES: &str = "
    WITH RECURSIVE lanes AS (
        (SELECT space, function_id, failures > 0 AS failed, due_at FROM deliveries
         WHERE state = 'pending' AND due_at IS NOT NULL AND crashes = 0
         ORDER BY space, function_id, (failures > 0), due_at LIMIT 1)
        UNION ALL
        SELECT n.space, n.function_id, n.failed, n.due_at FROM lanes l, LATERAL (
            SELECT space, function_id, failures > 0 AS failed, due_at FROM deliveries
            WHERE state = 'pending' AND due_at IS NOT NULL AND crashes = 0
            AND (space, function_id, (failures > 0)) > (l.space, l.function_id, l.failed)
            ORDER BY space, function_id, (failures > 0), due_at LIMIT 1) n)
    SELECT space, function_id, min(CASE WHEN failed THEN NULL ELSE due_at END) AS first,
           min(CASE WHEN failed THEN due_at END) AS retry FROM lanes GROUP BY space, function_id";

/// How many deliveries of a lane other gateways have in flight. There are some after the lane has changed hands.
const IN_FLIGHT: &str = "
    SELECT count(*) AS in_flight FROM deliveries
    WHERE state = 'in_flight' AND space = $1 AND function_id = $2 AND owner <> $3";

/// How long a lane waits whose places other gateways have.
const SOON: Duration = Duration::from_millis(100);

const BEGIN: &str = "
    UPDATE deliveries d SET state = 'in_flight', attempts = n.attempt, owner = $3
    FROM unnest($1::int8[], $2::int8[]) AS n (seq, attempt) WHERE d.seq = n.seq";

const ATTEMPT: &str = "
    INSERT INTO attempts (delivery, number, started_at) SELECT n.seq, n.attempt, $3
    FROM unnest($1::int8[], $2::int8[]) AS n (seq, attempt)";

impl PostgresStore {
    pub(in crate::store) async fn lanes(&self) -> Result<Vec<(Lane, Due)>, StoreError> {
        let rows = self.readers.query(LANES, values![]).await?;
        let lane = |row: &Row| {
            let lane = Lane { space: get(row, "space")?, function: get(row, "function_id")? };
            Ok((lane, Due { first: optional_time(row, "first")?, retry: optional_time(row, "retry")? }))
        };
        Ok(rows.iter().map(lane).collect::<Result<_, Failure>>()?)
    }

    pub(in crate::store) async fn claim(
        &self,
        wanted: Vec<Wanted>,
        now: Timestamp,
        bytes: usize,
        gate: Gatekeeper,
        notices: Notices,
    ) -> Result<(Vec<Claim>, Losses), StoreError> {
        let alone = self.members().is_alone();
        let (claims, losses) = self.writer.run(Claims { wanted, now, bytes, gate, notices, alone }).await?;
        self.health.report_given_up(&losses);
        Ok((claims, losses))
    }
}

struct Claims {
    wanted: Vec<Wanted>,
    now: Timestamp,
    bytes: usize,
    gate: Gatekeeper,
    notices: Notices,
    /// Whether no other gateway may have deliveries of these lanes in flight.
    alone: bool,
}

impl Work for Claims {
    type Output = (Vec<Claim>, Losses);

    async fn run(&mut self, session: &mut Session) -> Result<Self::Output, Failure> {
        let (mut bytes, mut losses, mut claims) = (self.bytes, Losses::default(), Vec::new());
        for wanted in &self.wanted {
            let mut wanted = wanted.clone();
            if !self.alone && wanted.room < usize::MAX {
                let in_flight = of_others(session, &wanted.lane).await?;
                wanted.limit = wanted.limit.min(wanted.room.saturating_sub(in_flight));
                wanted.reserved = wanted.reserved.min(wanted.limit);
                if wanted.limit == 0 {
                    let later =
                        |due: Option<Timestamp>| due.map(|due| due.max(self.now.saturating_add(SOON)));
                    let due = Due { first: later(wanted.due.first), retry: later(wanted.due.retry) };
                    claims.push(Claim { lane: wanted.lane, claimed: Vec::new(), due });
                    continue;
                }
            }
            let claiming = Claiming {
                lane: &wanted.lane,
                now: self.now,
                gate: &self.gate,
                notices: &self.notices,
                bytes: &mut bytes,
                loaded: Vec::new(),
            };
            claims.push(claiming.claim(session, &wanted, &mut losses).await?);
        }
        Ok((claims, losses))
    }
}

/// Returns how many deliveries of a lane other gateways have in flight.
async fn of_others(session: &mut Session, lane: &Lane) -> Result<usize, Failure> {
    let values = values![&lane.space, &lane.function, session.epoch()?];
    let in_flight: i64 = get(&session.one(IN_FLIGHT, values).await?, "in_flight")?;
    Ok(usize::try_from(in_flight).unwrap_or_default())
}

/// The deliveries of one lane that are being claimed.
struct Claiming<'a> {
    lane: &'a Lane,
    now: Timestamp,
    gate: &'a Gatekeeper,
    notices: &'a Notices,
    /// The bytes that payloads may still have.
    bytes: &'a mut usize,
    loaded: Vec<Loaded>,
}

impl Claiming<'_> {
    async fn claim(
        mut self,
        session: &mut Session,
        wanted: &Wanted,
        losses: &mut Losses,
    ) -> Result<Claim, Failure> {
        let Wanted { lane, limit, reserved, retries, side, mut due, stop, .. } = wanted.clone();
        let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= self.now);
        let (first_due, retry_due) = (is_due(due.first), is_due(due.retry));
        let reserved = self.take(session, DUE, true, 0, reserved).await?;
        if first_due {
            let query = match side {
                Side::Oldest => DUE,
                Side::Newest => DUE_NEWEST,
            };
            let from = self.loaded.len();
            self.take(session, query, false, 0, limit - reserved).await?;
            for loaded in self.loaded.iter_mut().skip(from) {
                loaded.given_up = loaded.given_up.take().or_else(|| stop.clone());
            }
        }
        if retry_due {
            let left = limit.saturating_sub(self.loaded.len()).min(retries - reserved);
            self.take(session, DUE, true, reserved, left).await?;
        }
        let Self { now, gate, notices, loaded, .. } = self;
        let claimed = begin(session, loaded, (&lane, now), (gate, notices), losses).await?;
        for (was_due, failed, due) in [(first_due, false, &mut due.first), (retry_due, true, &mut due.retry)]
        {
            if was_due {
                let values = values![&lane.space, &lane.function, failed];
                *due = optional_time(&session.one(NEXT_DUE, values).await?, "due")?;
            }
        }
        Ok(Claim { lane, claimed, due })
    }

    /// Reads due deliveries. Returns how many.
    async fn take(
        &mut self,
        session: &mut Session,
        query: &str,
        failed: bool,
        skip: usize,
        limit: usize,
    ) -> Result<usize, Failure> {
        if limit == 0 || *self.bytes == 0 {
            return Ok(0);
        }
        let Lane { space, function } = self.lane;
        let values = values![space, function, self.now, failed, skip, limit, *self.bytes];
        let rows = session.query(query, values).await?;
        for row in &rows {
            let loaded = loaded(row)?;
            *self.bytes = self.bytes.saturating_sub(loaded.claimed.json.len().max(1));
            self.loaded.push(loaded);
        }
        Ok(rows.len())
    }
}

/// Lets deliveries pass the gate, begins the attempts of those that may, and gives up the others.
pub(super) async fn begin(
    session: &mut Session,
    mut loaded: Vec<Loaded>,
    (lane, now): (&Lane, Timestamp),
    (gate, notices): (&Gatekeeper, &Notices),
    losses: &mut Losses,
) -> Result<Vec<Claimed>, Failure> {
    if loaded.is_empty() {
        return Ok(Vec::new());
    }
    ask_about_subscriptions(session, lane, &mut loaded).await?;
    let (mut claimed, mut endings) = (Vec::new(), Vec::new());
    for one in loaded {
        match one.pass(lane, now, gate) {
            Ok(one) => claimed.push(one),
            Err((delivery, loss, reason)) => {
                endings.push(Ending { delivery, loss, reason, attempted: false, now });
            }
        }
    }
    give_up(session, endings, notices, losses).await?;
    if !claimed.is_empty() {
        let numbers: Vec<i64> = claimed.iter().map(|one| one.delivery).collect();
        let attempts: Vec<i64> = claimed.iter().map(|one| one.attempt.into()).collect();
        session.numbers.grow(room::bytes(claimed.len(), 0));
        let owner = session.epoch()?;
        session.later(BEGIN, values![numbers.clone(), attempts.clone(), owner]);
        session.later(ATTEMPT, values![numbers, attempts, now]);
    }
    Ok(claimed)
}

/// Finds out which deliveries must not be attempted: their subscription was deleted, or a job gives them up.
async fn ask_about_subscriptions(
    session: &mut Session,
    lane: &Lane,
    loaded: &mut [Loaded],
) -> Result<(), Failure> {
    let mut ids: Vec<&str> = loaded.iter().map(|one| &*one.claimed.subscription_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let values = || -> Vec<Value> { values![&lane.space, ids.clone()] };
    let mut standings: HashMap<String, SubscriptionState> = HashMap::new();
    for row in session.query(SUBSCRIBED, values()).await? {
        standings.entry(get(&row, "id")?).or_default().exists = true;
    }
    for row in session.query(GIVING_UP, values()).await? {
        let job = (get(&row, "last")?, get(&row, "reason")?);
        standings.entry(get(&row, "subscription_id")?).or_default().jobs.push(job);
    }
    let unknown = SubscriptionState::default();
    for Loaded { claimed, given_up } in loaded {
        let standing = standings.get(&claimed.subscription_id).unwrap_or(&unknown);
        let damaged = given_up.take_if(|reason| reason == DAMAGED);
        *given_up = damaged.or_else(|| standing.given_up(claimed.delivery)).or(given_up.take());
    }
    Ok(())
}

/// Reads a due delivery.
pub(super) fn loaded(row: &Row) -> Result<Loaded, Failure> {
    let Payload { event, json, is_sound } = Payload::read(row)?;
    let claimed = Claimed {
        delivery: get(row, "seq")?,
        attempt: count(row, "attempts")?.saturating_add(1),
        failures: count(row, "failures")?,
        previous: optional_time(row, "previous")?,
        subscription_id: get(row, "subscription_id")?,
        since: time(row, "since")?,
        ordered: get(row, "ordered")?,
        crashes: count(row, "crashes")?,
        replay: get(row, "replay")?,
        event_id: event.id,
        event_type: event.ty,
        json: json.into(),
    };
    Ok(Loaded { claimed, given_up: (!is_sound).then(|| DAMAGED.to_owned()) })
}
