//! Expires deliveries that waited too long, and deletes finished events. Events with unfinished deliveries, or with dead
//! letters that nobody discarded, are never deleted, nor are the newest event and that of the newest delivery.

use std::collections::HashMap;

use eg_sdk::history::{DeliveryState, Loss};
use tokio::time::Instant;

use super::batch::Batch;
use super::faults::Failure;
use super::give_up::{Ending, give_up};
use super::queue::Work;
use super::session::Session;
use super::values::{count, get, name, time, values};
use super::{PostgresStore, StoreError};
use crate::decide::delivery::Gate;
use crate::decide::gate::{Candidate, Gatekeeper};
use crate::store::accounting::Counter;
use crate::store::notices::{Losses, Notices};
use crate::store::ration::ROWS;
use crate::store::retention::{AGE_PAUSE, EXAMINED, LONGEST_PAUSE, Limits, SIZE_PAUSE, Sweep, Sweeps};
use crate::store::room::{self, ROW, Room, samples};
use crate::timestamp::Timestamp;

/// The number of events that one transaction deletes.
const DELETED: usize = 100;

/// The number of deliveries that one transaction expires. Each may write a report with deliveries of its own.
const EXPIRED: usize = ROWS / 3;

/// Whether nobody needs an event any more.
macro_rules! finished {
    () => {
        "e.seq <> (SELECT max(seq) FROM events)
         AND e.seq IS DISTINCT FROM (SELECT event FROM deliveries ORDER BY seq DESC LIMIT 1)
         AND NOT EXISTS (
            SELECT 1 FROM deliveries d WHERE d.event = e.seq
            AND (d.state IN ('pending', 'in_flight') OR (d.state = 'dead' AND d.discarded_at IS NULL)))"
    };
}

const FIND: &str = concat!(
    "SELECT e.accepted_at, e.seq, ",
    finished!(),
    " AS finished FROM events e WHERE (e.accepted_at, e.seq) > ($1, $2) AND e.accepted_at < $3
    ORDER BY e.accepted_at, e.seq LIMIT $4"
);

const STILL_FINISHED: &str = concat!(
    "SELECT e.seq, octet_length(e.event) AS bytes FROM events e WHERE e.seq = ANY($1) AND ",
    finished!()
);

const STATES: &str = "
    SELECT space, state, count(*) AS number, count(CASE WHEN state = 'dead' THEN discarded_at END) AS discarded
    FROM deliveries WHERE event = ANY($1) GROUP BY space, state";

const FORGET_ATTEMPTS: &str = "
    WITH forgotten AS (
        DELETE FROM attempts WHERE delivery IN (SELECT seq FROM deliveries WHERE event = ANY($1)) RETURNING number)
    SELECT count(*) AS number FROM forgotten";

const LATE: &str = "
    SELECT seq, failures, crashes, since FROM deliveries
    WHERE state = 'pending' AND space = $1 AND subscription_id = $2 AND since < $3 ORDER BY since, seq LIMIT $4";

const RANGE: &str = "SELECT coalesce(min(seq), 0) AS first, coalesce(max(seq), -1) AS last FROM events";

const SAMPLE: &str = "
    SELECT f.space, sum(f.bytes)::int8 AS bytes, count(*) AS number FROM unnest($1::int8[]) AS n (seq)
    JOIN LATERAL (SELECT e.space, octet_length(e.event) AS bytes FROM events e WHERE e.seq >= n.seq ORDER BY e.seq LIMIT 1) f
        ON TRUE GROUP BY f.space";

impl PostgresStore {
    pub(in crate::store) async fn expire(
        &self,
        space: String,
        subscription_id: String,
        since: Timestamp,
        now: Timestamp,
        gate: Gatekeeper,
        notices: Notices,
    ) -> Result<Losses, StoreError> {
        self.writer.run(Expire { space, subscription_id, since, now, gate, notices }).await
    }

    pub(in crate::store) fn set_limit(&self, bytes: u64) {
        self.room.set_limit(bytes);
    }

    pub(in crate::store) async fn needs_room(&self) {
        self.room.pressure.notified().await;
    }

    pub(in crate::store) async fn retain(&self, limits: Limits) -> Result<usize, StoreError> {
        let mut sweeps = self.sweeps.lock().await;
        if self.room.take_discarded() {
            *sweeps = Sweeps::default();
        }
        let Sweeps { age, size } = &mut *sweeps;
        age.begin(AGE_PAUSE);
        let mut forgotten = self.forget(age, limits.older_than, |_| true).await?;
        let needs_room = |room: &Room| room.used() > room.tight();
        if needs_room(&self.room) {
            size.begin(SIZE_PAUSE);
            forgotten += self.forget(size, limits.needed_since, needs_room).await?;
        }
        if self.room.needs_shares() {
            self.room.set_spaces(self.shares().await?);
        }
        Ok(forgotten)
    }

    /// Deletes finished events that were accepted before a time, the oldest first, as long as `more` holds.
    async fn forget(
        &self,
        sweep: &mut Sweep,
        before: Timestamp,
        more: impl Fn(&Room) -> bool + Send,
    ) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        while let Some(((accepted_at, seq), _)) = sweep.at
            && more(&self.room)
        {
            let rows = self.readers.scan(FIND, values![accepted_at, seq, before, EXAMINED]).await?;
            let Some(last) = rows.last() else { break };
            let last = (time(last, "accepted_at")?, get(last, "seq")?);
            let mut finished = Vec::new();
            for row in &rows {
                if get(row, "finished")? {
                    finished.push(get(row, "seq")?);
                }
            }
            for events in finished.chunks(DELETED) {
                if !more(&self.room) {
                    return Ok(forgotten);
                }
                let began = Instant::now();
                forgotten += self.writer.run(Forget { events: events.to_vec() }).await?;
                // Other writes get as much time.
                tokio::time::sleep(began.elapsed().min(LONGEST_PAUSE)).await;
            }
            sweep.at = sweep.at.map(|(_, began)| (last, began));
        }
        Ok(forgotten)
    }

    /// Returns how many bytes each space holds in a sample of the events.
    async fn shares(&self) -> Result<HashMap<String, u64>, StoreError> {
        let mut session = self.readers.search().await?;
        let range = session.one(RANGE, values![]).await?;
        let at: Vec<i64> = samples(get(&range, "first")?, get(&range, "last")?).collect();
        let rows = session.query(SAMPLE, values![at]).await?;
        session.end().await?;
        let share = |row: &tokio_postgres::Row| {
            let [bytes, number] = ["bytes", "number"].map(|column| get::<i64>(row, column));
            let [bytes, number] = [bytes?, number?].map(|number| u64::try_from(number).unwrap_or_default());
            Ok((get(row, "space")?, bytes + number * 2 * ROW))
        };
        Ok(rows.iter().map(share).collect::<Result<_, Failure>>()?)
    }
}

struct Expire {
    space: String,
    subscription_id: String,
    since: Timestamp,
    now: Timestamp,
    gate: Gatekeeper,
    notices: Notices,
}

impl Work for Expire {
    type Output = Losses;

    async fn run(&mut self, session: &mut Session) -> Result<Losses, Failure> {
        let Self { space, subscription_id, since, now, gate, notices } = self;
        let rows = session.query(LATE, values![&*space, &*subscription_id, *since, EXPIRED]).await?;
        let mut endings = Vec::new();
        for row in &rows {
            let candidate = Candidate {
                space,
                subscription_id,
                failures: count(row, "failures")?,
                crashes: count(row, "crashes")?,
                since: time(row, "since")?,
                now: *now,
            };
            if let Gate::Expired { reason } = gate.check(&candidate) {
                let (delivery, loss) = (get(row, "seq")?, Loss::Expired);
                endings.push(Ending { delivery, loss, reason, attempted: false, now: *now });
            }
        }
        let mut losses = Losses::default();
        give_up(session, endings, notices, &mut losses).await?;
        Ok(losses)
    }
}

struct Forget {
    events: Vec<i64>,
}

impl Work for Forget {
    type Output = usize;

    /// Deletes those of the events that are still finished, with their deliveries and attempts, and counts them as retired.
    async fn run(&mut self, session: &mut Session) -> Result<usize, Failure> {
        let rows = session.query(STILL_FINISHED, values![self.events.clone()]).await?;
        let (mut events, mut bytes, mut deliveries) = (Vec::<i64>::new(), 0, 0);
        for row in &rows {
            events.push(get(row, "seq")?);
            bytes += usize::try_from(get::<i32>(row, "bytes")?).unwrap_or_default();
        }
        let mut batch = Batch::default();
        for row in session.query(STATES, values![events.clone()]).await? {
            let (space, number): (&str, i64) = (get(&row, "space")?, get(&row, "number")?);
            deliveries += usize::try_from(number).unwrap_or_default();
            batch.count(space, Counter::Retired(name::<DeliveryState>(&row, "state")?), number);
            let discarded = get(&row, "discarded")?;
            if discarded > 0 {
                batch.count(space, Counter::RetiredDiscarded, discarded);
            }
        }
        batch.write(session);
        let attempts = session.one(FORGET_ATTEMPTS, values![events.clone()]).await?;
        let attempts = usize::try_from(get::<i64>(&attempts, "number")?).unwrap_or_default();
        for statement in
            ["DELETE FROM deliveries WHERE event = ANY($1)", "DELETE FROM events WHERE seq = ANY($1)"]
        {
            session.later(statement, values![events.clone()]);
        }
        session.numbers.shrink(room::bytes(events.len() + deliveries + attempts, bytes));
        Ok(events.len())
    }
}
