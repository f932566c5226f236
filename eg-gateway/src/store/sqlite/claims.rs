//! Claims due deliveries: reads them in the order in which they are due, lets each pass the gate, and begins its attempt.
//! `decide` determines which lanes claim how much, and `deliveries` records how the attempts end.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};

use super::columns::{is_unreadable, lossy};
use super::seal::{EVENT, ID, TYPE, payload};
use super::{SqliteStore, StoreError};
use crate::decide::breaker::Side;
use crate::decide::gate::Gatekeeper;
use crate::decide::lanes::{Due, Lane, Wanted};
use crate::store::claims::{Claim, Claimed, Loaded, Refused, SubscriptionState};
use crate::store::notices::{GivingUp, Losses, Notices};
use crate::store::seal::DAMAGED;
use crate::timestamp::Timestamp;

/// The query for deliveries that meet a condition. [`due`] reads its columns, with [`delivered!`](super::seal::delivered) at the end. A delivery whose event is missing is among them, so that somebody hears of it.
macro_rules! select {
    ($($condition:literal),+) => {
        concat!(
            "SELECT d.seq, d.attempts, d.failures,
                    iif(d.failures > 0, (SELECT a.started_at FROM attempts a
                                         WHERE a.delivery = d.seq AND a.number = d.attempts), NULL),
                    d.subscription_id, d.since, d.order_key IS NOT NULL, d.crashes, d.replay,
                    ",
            $crate::store::sqlite::seal::delivered!(),
            " FROM deliveries d LEFT JOIN events e ON e.seq = d.event WHERE ",
            $($condition),+
        )
    };
}
pub(super) use select;

/// Reads due deliveries; it runs more often than any other query. The parameters are space, function, time, whether the
/// deliveries have failed before, how many to skip and how many to read.
macro_rules! due_in_lane {
    ($order:literal) => {
        select!(
            "d.state = 'pending' AND d.due_at IS NOT NULL AND d.crashes = 0 AND d.space = ?1 AND d.function_id = ?2
             AND d.due_at <= ?3 AND (d.failures > 0) = ?4 ORDER BY d.due_at ",
            $order,
            " LIMIT ?6 OFFSET ?5"
        )
    };
}

pub(super) const DUE: &str = due_in_lane!("ASC");

/// Reads the newest of the due deliveries first.
const DUE_NEWEST: &str = due_in_lane!("DESC");

/// The position of [`delivered!`](super::seal::delivered) among the columns of [`select!`].
const PAYLOAD: usize = 9;

/// Whether a subscription exists.
const SUBSCRIBED: &str =
    "SELECT EXISTS (SELECT 1 FROM config WHERE kind = 'subscription' AND space = ?1 AND id = ?2)";

/// The jobs that give up deliveries of a subscription.
const GIVING_UP: &str = "SELECT last, reason FROM jobs
    WHERE kind = 'give_up' AND state = 'running' AND space = ?1 AND subscription_id = ?2 ORDER BY seq";

const NEXT_DUE: &str = "SELECT min(due_at) FROM deliveries WHERE state = 'pending' AND due_at IS NOT NULL
    AND crashes = 0 AND space = ?1 AND function_id = ?2 AND (failures > 0) = ?3";

impl SqliteStore {
    pub(in crate::store) async fn lanes(&self) -> Result<Vec<(Lane, Due)>, StoreError> {
        self.writer.run_repeatable(lanes).await
    }

    pub(in crate::store) async fn claim(
        &self,
        wanted: Vec<Wanted>,
        now: Timestamp,
        bytes: usize,
        gate: Gatekeeper,
        notices: Notices,
    ) -> Result<(Vec<Claim>, Losses), StoreError> {
        let claim = move |connection: &Connection| {
            let (mut bytes, mut losses) = (bytes, Losses::default());
            let lane = |wanted: &Wanted| {
                claim_lane(connection, wanted, now, &mut bytes, (&gate, &notices), &mut losses)
            };
            let claims = wanted.iter().map(lane).collect::<Result<_, _>>()?;
            Ok((claims, losses))
        };
        let (claims, losses) = self.writer.run_repeatable(claim).await?;
        self.health.report_given_up(&losses);
        Ok((claims, losses))
    }
}

/// Returns when the next deliveries are due, for each lane with a waiting delivery.
pub(crate) fn lanes(connection: &Connection) -> rusqlite::Result<Vec<(Lane, Due)>> {
    let mut statement = connection.prepare(
        "SELECT space, function_id, min(iif(failures > 0, NULL, due_at)) AS first,
                min(iif(failures > 0, due_at, NULL)) AS retry FROM deliveries
         WHERE state = 'pending' AND due_at IS NOT NULL AND crashes = 0 GROUP BY space, function_id",
    )?;
    let lane = |row: &Row<'_>| {
        let lane = Lane { space: row.get("space")?, function: row.get("function_id")? };
        Ok((lane, Due { first: row.get("first")?, retry: row.get("retry")? }))
    };
    statement.query_map([], lane)?.collect()
}

/// Claims deliveries of one lane and subtracts their payloads from `bytes`.
pub(crate) fn claim_lane(
    connection: &Connection,
    wanted: &Wanted,
    now: Timestamp,
    bytes: &mut usize,
    (gate, notices): (&Gatekeeper, &Notices),
    losses: &mut Losses,
) -> rusqlite::Result<Claim> {
    let Wanted { lane, limit, reserved, retries, side, mut due, stop, .. } = wanted.clone();
    let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= now);
    let (first_due, retry_due) = (is_due(due.first), is_due(due.retry));
    let mut claiming = Claiming {
        connection,
        standings: SubscriptionStates::new(connection, &lane.space),
        lane: &lane,
        now,
        bytes,
        gate,
        stop,
        read: 0,
        claimed: Vec::new(),
        ended: Vec::new(),
    };
    let reserved = claiming.take(DUE, true, 0, reserved)?;
    if first_due {
        let query = match side {
            Side::Oldest => DUE,
            Side::Newest => DUE_NEWEST,
        };
        claiming.take(query, false, 0, limit - reserved)?;
    }
    if retry_due {
        let left = limit.saturating_sub(claiming.read).min(retries - reserved);
        claiming.take(DUE, true, reserved, left)?;
    }
    let Claiming { claimed, ended, .. } = claiming;
    carry_out(connection, &claimed, ended, now, notices, losses)?;
    for (was_due, failed, due) in [(first_due, false, &mut due.first), (retry_due, true, &mut due.retry)] {
        if was_due {
            let mut next = connection.prepare_cached(NEXT_DUE)?;
            *due = next.query_row(params![lane.space, lane.function, failed], |row| row.get(0))?;
        }
    }
    Ok(Claim { lane, claimed, due })
}

/// The deliveries of one lane that are being claimed.
struct Claiming<'a> {
    connection: &'a Connection,
    standings: SubscriptionStates<'a>,
    lane: &'a Lane,
    now: Timestamp,
    /// The bytes that payloads may still have.
    bytes: &'a mut usize,
    gate: &'a Gatekeeper,
    /// Why first attempts are not made.
    stop: Option<String>,
    /// The number of deliveries that were read.
    read: usize,
    claimed: Vec<Claimed>,
    ended: Vec<Refused>,
}

impl Claiming<'_> {
    /// Reads due deliveries and lets each pass the gate. Returns how many it has read.
    fn take(&mut self, query: &str, failed: bool, skip: usize, limit: usize) -> rusqlite::Result<usize> {
        let before = self.read;
        if limit == 0 || *self.bytes == 0 {
            return Ok(0);
        }
        let Lane { space, function } = self.lane;
        let [skip, limit] = [skip, limit].map(|number| i64::try_from(number).unwrap_or(i64::MAX));
        let mut query = self.connection.prepare_cached(query)?;
        let mut rows = query.query(params![space, function, self.now, failed, skip, limit])?;
        while *self.bytes > 0
            && let Some(row) = rows.next()?
        {
            self.read += 1;
            let mut loaded = due(row, &mut self.standings)?;
            if let Some(stop) = self.stop.as_ref().filter(|_| !failed) {
                loaded.given_up.get_or_insert_with(|| stop.clone());
            }
            match loaded.pass(self.lane, self.now, self.gate) {
                Ok(one) => {
                    *self.bytes = self.bytes.saturating_sub(one.json.len().max(1));
                    self.claimed.push(one);
                }
                Err(refused) => self.ended.push(refused),
            }
        }
        Ok(self.read - before)
    }
}

/// Begins the attempts of claimed deliveries, and gives up the others.
pub(super) fn carry_out(
    connection: &Connection,
    claimed: &[Claimed],
    refused: Vec<Refused>,
    now: Timestamp,
    notices: &Notices,
    losses: &mut Losses,
) -> rusqlite::Result<()> {
    for (delivery, loss, reason) in refused {
        let one = GivingUp { delivery, loss, reason: &reason, attempted: false, now };
        notices.give_up(connection, &one, losses)?;
    }
    let mut begin = connection
        .prepare_cached("UPDATE deliveries SET state = 'in_flight', attempts = ?2 WHERE seq = ?1")?;
    let mut attempt = connection
        .prepare_cached("INSERT INTO attempts (delivery, number, started_at) VALUES (?1, ?2, ?3)")?;
    for claimed in claimed {
        begin.execute(params![claimed.delivery, claimed.attempt])?;
        attempt.execute(params![claimed.delivery, claimed.attempt, now])?;
    }
    Ok(())
}

/// The subscriptions of a space whose deliveries are being claimed. Each is looked up once, because most deliveries of a
/// claim belong to one of few.
pub(super) struct SubscriptionStates<'a> {
    connection: &'a Connection,
    space: &'a str,
    known: BTreeMap<String, SubscriptionState>,
}

impl<'a> SubscriptionStates<'a> {
    pub(super) fn new(connection: &'a Connection, space: &'a str) -> Self {
        Self { connection, space, known: BTreeMap::new() }
    }

    /// Returns why a delivery of a subscription must not be attempted: the subscription was deleted, or a job gives it up.
    fn given_up(&mut self, subscription: &str, delivery: i64) -> rusqlite::Result<Option<String>> {
        if !self.known.contains_key(subscription) {
            self.known.insert(subscription.to_owned(), self.look_up(subscription)?);
        }
        Ok(self.known.get(subscription).and_then(|standing| standing.given_up(delivery)))
    }

    fn look_up(&self, subscription: &str) -> rusqlite::Result<SubscriptionState> {
        let key = [self.space, subscription];
        let exists = self.connection.prepare_cached(SUBSCRIBED)?.query_row(key, |row| row.get(0))?;
        let mut jobs = self.connection.prepare_cached(GIVING_UP)?;
        let jobs = jobs.query_map(key, |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        Ok(SubscriptionState { exists, jobs })
    }
}

/// Reads a due delivery. Of one that is damaged, it reads what is left.
pub(super) fn due(row: &Row<'_>, standings: &mut SubscriptionStates<'_>) -> rusqlite::Result<Loaded> {
    let payload = payload(row, PAYLOAD)?;
    let json = row.get_ref(payload.column)?;
    let (id, ty) = (PAYLOAD + EVENT + ID, PAYLOAD + EVENT + TYPE);
    let number = |column| row.get::<_, u32>(column);
    let read = || -> rusqlite::Result<Claimed> {
        Ok(Claimed {
            delivery: row.get(0)?,
            attempt: number(1)?.saturating_add(1),
            failures: number(2)?,
            previous: row.get(3)?,
            subscription_id: row.get(4)?,
            since: row.get(5)?,
            ordered: row.get(6)?,
            crashes: row.get(7)?,
            replay: row.get(8)?,
            event_id: row.get(id)?,
            event_type: row.get(ty)?,
            json: json.as_blob()?.to_vec(),
        })
    };
    match read() {
        Ok(claimed) if payload.is_sound => {
            let given_up = standings.given_up(&claimed.subscription_id, claimed.delivery)?;
            Ok(Loaded { claimed, given_up })
        }
        Ok(claimed) => Ok(Loaded { claimed, given_up: Some(DAMAGED.to_owned()) }),
        Err(error) if is_unreadable(&error) => {
            let claimed = Claimed {
                delivery: row.get(0)?,
                attempt: number(1).unwrap_or_default().saturating_add(1),
                failures: number(2).unwrap_or_default(),
                previous: None,
                subscription_id: lossy(row.get_ref(4)?).into_owned(),
                since: row.get(5).unwrap_or(Timestamp::EARLIEST),
                ordered: row.get(6)?,
                crashes: number(7).unwrap_or_default(),
                replay: None,
                event_id: lossy(row.get_ref(id)?).into_owned(),
                event_type: lossy(row.get_ref(ty)?).into_owned(),
                json: Vec::new(),
            };
            Ok(Loaded { claimed, given_up: Some(DAMAGED.to_owned()) })
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use eg_grammar::DeliveryPolicy;

    use super::super::events::insert_example;
    use super::*;
    use crate::clock::Clock;
    use crate::configuration::Configuration;
    use crate::decide::arrival::Terms;
    use crate::decide::routes::Routing;

    /// It waited until another event came for its function, which is another one if the subscription was changed.
    #[tokio::test]
    async fn what_waited_for_an_ended_retry_is_due() {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::from_millis(5_000);
        let store = SqliteStore::open(dir.path(), now).unwrap();
        let clock = Clock::system();
        let configuration =
            Configuration::load(store.clone().into(), clock.clone(), Routing::default()).await.unwrap();
        // Without its subscription, the retry ends.
        let gate = Gatekeeper::new(configuration.current(), DeliveryPolicy::default());
        let terms = Terms { dedupe_window: Duration::ZERO, max_hops: 1 };
        let notices = Notices { snapshot: configuration.current(), terms, clock };
        let lane = Lane { space: "default".to_owned(), function: "f".to_owned() };
        let due = Due { first: None, retry: Some(now) };
        let wanted = Wanted {
            lane,
            limit: 10,
            room: 10,
            reserved: 0,
            retries: 10,
            side: Side::Oldest,
            due,
            stop: None,
        };
        let claim = move |c: &Connection| {
            insert_example(c, "default", "a", Timestamp::from_millis(1_000))?;
            c.execute_batch(
                "INSERT INTO deliveries (event, space, subscription_id, function_id, state, failures, since, due_at, order_key)
                 VALUES (1, 'default', 's', 'f', 'pending', 1, 1000, 2000, 'k'),
                        (1, 'default', 's', 'g', 'pending', 0, 1000, NULL, 'k');",
            )?;
            let mut losses = Losses::default();
            claim_lane(c, &wanted, now, &mut { usize::MAX }, (&gate, &notices), &mut losses)?;
            Ok(losses)
        };
        let losses = store.write(claim).await.unwrap();
        let next = Lane { space: "default".to_owned(), function: "g".to_owned() };
        assert_eq!((losses.lost.len(), losses.due), (1, vec![next]));
    }
}
