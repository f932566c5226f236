//! Expires deliveries that waited too long, and deletes finished events. Events with unfinished deliveries, or with
//! dead letters that nobody discarded, are never deleted. The newest event and that of the newest delivery stay, too:
//! SQLite would give their numbers to the next ones, and clients keep numbers as cursors and as ids of dead letters.
//! (`AUTOINCREMENT` would cost 9 % of the instructions that SQLite spends on accepting an event with a delivery.)

use std::sync::atomic::Ordering;

use eg_sdk::history::{DeliveryState, Loss};
use rusqlite::{Connection, params};

use super::accounting::{Counter, count};
use super::columns::Name;
use super::deliveries::{Ended, end};
use super::notices::Notices;
use super::{Store, StoreError};
use crate::decide::arrival::NewEvent;
use crate::decide::delivery::Gate;
use crate::decide::gate::{Candidate, Gatekeeper};
use crate::timestamp::Timestamp;

/// Maximum number of rows that one transaction visits, so that other writes do not wait long.
const BATCH: i64 = 200;

/// How much the store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Finished events accepted before this time are deleted, except for the newest.
    pub(crate) older_than: Timestamp,
    /// If the store is larger, finished events accepted before `needed_since` are deleted too, the oldest first.
    pub(crate) bytes: u64,
    /// Events accepted since this time are needed to recognise duplicates.
    pub(crate) needed_since: Timestamp,
}

const OVER: &str = "
    SELECT e.accepted_at, e.seq FROM events e INDEXED BY events_accepted
    WHERE (e.accepted_at, e.seq) > (?1, ?2) AND e.accepted_at < ?3
    AND e.seq <> (SELECT max(seq) FROM events)
    AND e.seq IS NOT (SELECT event FROM deliveries ORDER BY seq DESC LIMIT 1)
    AND NOT EXISTS (
        SELECT 1 FROM deliveries d WHERE d.event = e.seq
        AND (d.state IN ('pending', 'in_flight') OR (d.state = 'dead' AND d.discarded_at IS NULL)))
    ORDER BY e.accepted_at, e.seq LIMIT ?4";

/// An event's place in the order of acceptance.
type Place = (Timestamp, i64);

const START: Place = (Timestamp::EARLIEST, 0);

impl Store {
    /// Ends a batch of a subscription's deliveries that are older than `since` and too old for `gate`. The returned
    /// events are their notices.
    pub(crate) async fn expire(
        &self,
        space: String,
        subscription_id: String,
        since: Timestamp,
        now: Timestamp,
        gate: Gatekeeper,
        notices: Notices,
    ) -> Result<(Vec<Ended>, Vec<NewEvent>), StoreError> {
        let expire = move |connection: &Connection| {
            let ended = expire_batch(connection, &space, &subscription_id, since, now, &gate)?;
            let notices = notices.write_all(connection, ended.iter().map(|ended| ended.delivery))?;
            Ok((ended, notices))
        };
        self.writer.run(expire).await
    }

    /// Deletes finished events that exceed the limits and returns how many. If that does not make enough room, the
    /// store is full and accepts no events until it has room again.
    pub(crate) async fn retain(&self, limits: Limits) -> Result<usize, StoreError> {
        let (mut forgotten, mut after) = (0, START);
        loop {
            let (batch, last) = self.writer.run(move |c| forget(c, after, limits.older_than)).await?;
            forgotten += batch;
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
        after = START;
        let mut size = self.writer.run(size).await?;
        while size > limits.bytes {
            let (batch, last) = self.writer.run(move |c| forget(c, after, limits.needed_since)).await?;
            forgotten += batch;
            let Some(last) = last else { break };
            after = last;
            size = self.writer.run(self::size).await?;
        }
        self.full.store(size > limits.bytes, Ordering::Relaxed);
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
    gate: &Gatekeeper,
) -> rusqlite::Result<Vec<Ended>> {
    let mut late = connection.prepare_cached(
        "SELECT d.seq, d.failures, d.since, d.order_key IS NOT NULL AS ordered, e.id, e.type, d.function_id
         FROM deliveries d JOIN events e ON e.seq = d.event
         WHERE d.state = 'pending' AND d.space = ?1 AND d.subscription_id = ?2 AND d.since < ?3
         ORDER BY d.since LIMIT ?4",
    )?;
    let row = |row: &rusqlite::Row<'_>| {
        let ended = Ended {
            delivery: row.get("seq")?,
            event_id: row.get("id")?,
            event_type: row.get("type")?,
            function: row.get("function_id")?,
            loss: Loss::Expired,
            reason: String::new(),
        };
        Ok((row.get("failures")?, row.get("since")?, row.get("ordered")?, ended))
    };
    let rows = late.query_map(params![space, subscription_id, since, BATCH], row)?;
    let rows: Vec<(u32, Timestamp, bool, Ended)> = rows.collect::<Result<_, _>>()?;
    let mut ended = Vec::new();
    for (failures, since, ordered, one) in rows {
        if let Gate::Expired { reason } =
            gate.check(&Candidate { space, subscription_id, failures, since, now })
        {
            end(connection, one.delivery, ordered, one.loss, &reason, now)?;
            ended.push(Ended { reason, ..one });
        }
    }
    Ok(ended)
}

/// Deletes a batch of finished events that were accepted before a time. Returns how many, and the last of them unless
/// nothing is left.
pub(crate) fn forget(
    connection: &Connection,
    after: Place,
    before: Timestamp,
) -> rusqlite::Result<(usize, Option<Place>)> {
    let mut over = connection.prepare_cached(OVER)?;
    let place = |row: &rusqlite::Row<'_>| Ok((row.get("accepted_at")?, row.get("seq")?));
    let events: Vec<Place> =
        over.query_map(params![after.0, after.1, before, BATCH], place)?.collect::<Result<_, _>>()?;
    for (_, event) in &events {
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
        for statement in [
            "DELETE FROM attempts WHERE delivery IN (SELECT seq FROM deliveries WHERE event = ?1)",
            "DELETE FROM deliveries WHERE event = ?1",
            "DELETE FROM events WHERE seq = ?1",
        ] {
            connection.prepare_cached(statement)?.execute([event])?;
        }
    }
    Ok((events.len(), events.last().copied()))
}

/// Returns the bytes in use, without freed pages.
fn size(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(u64::try_from(pages.saturating_mul(pragma("page_size")?)).unwrap_or_default())
}
