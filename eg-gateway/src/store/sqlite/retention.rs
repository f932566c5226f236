//! Expires deliveries that waited too long, and deletes finished events. Events with unfinished deliveries, or with
//! dead letters that nobody discarded, are never deleted. The newest event and that of the newest delivery stay, too:
//! SQLite would give their numbers to the next ones, and clients keep numbers as cursors and as ids of dead letters.
//! (`AUTOINCREMENT` would cost 9 % of the instructions that SQLite spends on accepting an event with a delivery.)

use eg_sdk::history::{DeliveryState, Loss};
use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::time::Instant;

use super::accounting::count;
use super::columns::Name;
use super::{SqliteStore, StoreError, size};
use crate::decide::delivery::Gate;
use crate::decide::gate::{Candidate, Gatekeeper};
use crate::store::accounting::Counter;
use crate::store::notices::{GivingUp, Losses, Notices};
use crate::store::ration::{ROWS, Ration};
use crate::store::retention::{AGE_PAUSE, EXAMINED, LONGEST_PAUSE, Limits, Place, SIZE_PAUSE, Sweep, Sweeps};
use crate::store::room::Room;
use crate::timestamp::Timestamp;

/// Whether nobody needs an event any more.
const FINISHED: &str = "
    e.seq <> (SELECT max(seq) FROM events)
    AND e.seq IS NOT (SELECT event FROM deliveries ORDER BY seq DESC LIMIT 1)
    AND NOT EXISTS (
        SELECT 1 FROM deliveries d WHERE d.event = e.seq
        AND (d.state IN ('pending', 'in_flight') OR (d.state = 'dead' AND d.discarded_at IS NULL)))";

impl SqliteStore {
    pub(in crate::store) async fn expire(
        &self,
        space: String,
        subscription_id: String,
        since: Timestamp,
        now: Timestamp,
        gate: Gatekeeper,
        notices: Notices,
    ) -> Result<Losses, StoreError> {
        let expire = move |connection: &Connection| {
            expire_batch(connection, &space, &subscription_id, since, now, (&gate, &notices))
        };
        self.writer.run(expire).await
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
            self.room.set_spaces(self.readers.search(size::shares).await?);
        }
        Ok(forgotten)
    }

    /// Deletes finished events that were accepted before a time, the oldest first, as long as `more` holds.
    async fn forget(
        &self,
        sweep: &mut Sweep,
        before: Timestamp,
        more: impl Fn(&Room) -> bool,
    ) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        while let Some((after, _)) = sweep.at
            && more(&self.room)
        {
            let (mut finished, last) = self.readers.search(move |c| find(c, after, before)).await?;
            let Some(last) = last else { break };
            while !finished.is_empty() {
                if !more(&self.room) {
                    return Ok(forgotten);
                }
                let (events, began) = (finished.clone(), Instant::now());
                let (examined, deleted) = self.writer.run(move |c| forget(c, &events)).await?;
                finished.drain(..examined);
                forgotten += deleted;
                // Other writes get as much time.
                tokio::time::sleep(began.elapsed().min(LONGEST_PAUSE)).await;
            }
            sweep.at = sweep.at.map(|(_, began)| (last, began));
        }
        Ok(forgotten)
    }
}

/// Expires a batch of deliveries that waited too long.
pub(crate) fn expire_batch(
    connection: &Connection,
    space: &str,
    subscription_id: &str,
    since: Timestamp,
    now: Timestamp,
    (gate, notices): (&Gatekeeper, &Notices),
) -> rusqlite::Result<Losses> {
    let mut late = connection.prepare_cached(
        "SELECT seq, failures, crashes, since FROM deliveries
         WHERE state = 'pending' AND space = ?1 AND subscription_id = ?2 AND since < ?3 ORDER BY since LIMIT ?4",
    )?;
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get("seq")?, row.get("failures")?, row.get("crashes")?, row.get("since")?))
    };
    let limit = i64::try_from(ROWS).unwrap_or(i64::MAX);
    let rows = late.query_map(params![space, subscription_id, since, limit], row)?;
    let rows: Vec<(i64, u32, u32, Timestamp)> = rows.collect::<Result<_, _>>()?;
    let (mut losses, mut ration) = (Losses::default(), Ration::new());
    for (delivery, failures, crashes, since) in rows {
        if !losses.lost.is_empty() && ration.is_used_up() {
            break;
        }
        // Its event, if anybody subscribes to it, is a row with a delivery or more.
        ration.take(3);
        let candidate = Candidate { space, subscription_id, failures, crashes, since, now };
        if let Gate::Expired { reason } = gate.check(&candidate) {
            let one = GivingUp { delivery, loss: Loss::Expired, reason: &reason, attempted: false, now };
            notices.give_up(connection, &one, &mut losses)?;
        }
    }
    Ok(losses)
}

/// Finds the finished events among the next ones in the order of acceptance. Also returns the last one that was examined.
fn find(
    connection: &Connection,
    after: Place,
    before: Timestamp,
) -> rusqlite::Result<(Vec<i64>, Option<Place>)> {
    let mut next = connection.prepare_cached(&format!(
        "SELECT e.accepted_at, e.seq, {FINISHED} FROM events e INDEXED BY events_accepted
         WHERE (e.accepted_at, e.seq) > (?1, ?2) AND e.accepted_at < ?3 ORDER BY e.accepted_at, e.seq LIMIT ?4"
    ))?;
    let mut rows = next.query(params![after.0, after.1, before, EXAMINED])?;
    let (mut finished, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        let (accepted_at, seq) = (row.get(0)?, row.get(1)?);
        if row.get(2)? {
            finished.push(seq);
        }
        last = Some((accepted_at, seq));
    }
    Ok((finished, last))
}

/// Deletes those of the events that are still finished. Returns how many were examined and how many deleted.
fn forget(connection: &Connection, events: &[i64]) -> rusqlite::Result<(usize, usize)> {
    let (mut examined, mut deleted, mut ration) = (0, 0, Ration::new());
    for event in events {
        if examined > 0 && ration.is_used_up() {
            break;
        }
        examined += 1;
        ration.take(1);
        let mut finished =
            connection.prepare_cached(&format!("SELECT {FINISHED} FROM events e WHERE e.seq = ?1"))?;
        let finished = finished.query_row([event], |row| row.get(0)).optional()?;
        if finished == Some(true) {
            ration.take(delete(connection, *event)?);
            deleted += 1;
        }
    }
    Ok((examined, deleted))
}

/// Deletes an event with its deliveries and attempts, and counts them as retired. Returns the number of rows.
fn delete(connection: &Connection, event: i64) -> rusqlite::Result<usize> {
    let mut states = connection.prepare_cached(
        "SELECT space, state, count(*) AS number, count(iif(state = 'dead', discarded_at, NULL)) AS discarded
         FROM deliveries WHERE event = ?1 GROUP BY 1, 2",
    )?;
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get("space")?, row.get("state")?, row.get("number")?, row.get("discarded")?))
    };
    let states: Vec<(String, Name<DeliveryState>, i64, i64)> =
        states.query_map([event], row)?.collect::<Result<_, _>>()?;
    for (space, Name(state), number, discarded) in states {
        count(connection, &space, Counter::Retired(state), number)?;
        if discarded > 0 {
            count(connection, &space, Counter::RetiredDiscarded, discarded)?;
        }
    }
    let mut rows = 0;
    for statement in [
        "DELETE FROM attempts WHERE delivery IN (SELECT seq FROM deliveries WHERE event = ?1)",
        "DELETE FROM deliveries WHERE event = ?1",
        "DELETE FROM events WHERE seq = ?1",
    ] {
        rows += connection.prepare_cached(statement)?.execute([event])?;
    }
    Ok(rows)
}
