//! Replays stored events: creates new deliveries of old events. The caller names the subscriptions that receive them.

use eg_sdk::history::ReplayRequest;
use rusqlite::{Connection, Row, named_params};

use super::events::add_deliveries;
use super::{Store, StoreError};
use crate::decide::intake::{Fate, Intake};
use crate::decide::lanes::Lane;
use crate::timestamp::Timestamp;

/// Selects the events of a space to replay.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    pub(crate) space: String,
    /// The store ignores its `subscription_id`; the caller applies it.
    pub(crate) request: ReplayRequest,
}

/// An event to replay.
#[derive(Debug)]
pub(crate) struct StoredEvent {
    seq: i64,
    pub(crate) ty: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) json: Vec<u8>,
}

/// The result of a replay.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) events: usize,
    pub(crate) deliveries: usize,
    /// Deliveries that a filter ended at once.
    pub(crate) filtered: usize,
    /// Deliveries that became dead letters at once.
    pub(crate) dead: usize,
    /// The lanes in which deliveries are due.
    pub(crate) lanes: Vec<Lane>,
}

/// Maximum number of events that one transaction replays, so that other writes do not wait long.
const BATCH: i64 = 100;

const EVENTS: &str = "
    SELECT seq, type, method, path, event FROM events
    WHERE seq > :after AND seq <= :last AND space = :space AND (:id IS NULL OR id = :id)
    AND (:source IS NULL OR source = :source) AND (:type IS NULL OR type = :type)
    AND (:from IS NULL OR accepted_at >= :from) AND (:to IS NULL OR accepted_at < :to)
    ORDER BY seq LIMIT :limit";

impl Store {
    /// Creates a delivery for each event in the range and each subscription that `intakes` returns for it. The
    /// deliveries carry the name of the replay. Events that are accepted meanwhile are not replayed.
    pub(crate) async fn replay(
        &self,
        range: Range,
        name: String,
        now: Timestamp,
        intakes: impl Fn(&StoredEvent) -> Vec<Intake> + Send + Sync + 'static,
    ) -> Result<Replayed, StoreError> {
        let intakes = std::sync::Arc::new(intakes);
        let newest =
            |c: &Connection| c.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0));
        let last: i64 = self.writer.run(newest).await?;
        let (mut total, mut after) = (Replayed::default(), 0);
        loop {
            let (range, name, intakes) = (range.clone(), name.clone(), std::sync::Arc::clone(&intakes));
            let events = self.read(move |connection| events(connection, &range, after, last)).await?;
            let Some(end) = events.last().map(|event| event.seq) else { return Ok(total) };
            after = end;
            let add = move |connection: &Connection| add(connection, &events, &name, now, &*intakes);
            let batch = self.writer.run(add).await?;
            total.events += batch.events;
            total.deliveries += batch.deliveries;
            total.filtered += batch.filtered;
            total.dead += batch.dead;
            total.lanes.extend(batch.lanes);
            total.lanes.sort_unstable();
            total.lanes.dedup();
        }
    }
}

fn events(
    connection: &Connection,
    range: &Range,
    after: i64,
    last: i64,
) -> rusqlite::Result<Vec<StoredEvent>> {
    let Range { space, request } = range;
    let parameters = named_params! {
        ":after": after, ":last": last, ":space": space, ":id": request.event_id, ":source": request.source,
        ":type": request.ty, ":from": request.from.map(Timestamp::from), ":to": request.to.map(Timestamp::from),
        ":limit": BATCH,
    };
    let stored = |row: &Row<'_>| {
        Ok(StoredEvent {
            seq: row.get("seq")?,
            ty: row.get("type")?,
            method: row.get("method")?,
            path: row.get("path")?,
            json: row.get("event")?,
        })
    };
    connection.prepare_cached(EVENTS)?.query_map(parameters, stored)?.collect()
}

fn add(
    connection: &Connection,
    events: &[StoredEvent],
    name: &str,
    now: Timestamp,
    intakes: &(impl Fn(&StoredEvent) -> Vec<Intake> + ?Sized),
) -> rusqlite::Result<Replayed> {
    let mut batch = Replayed { events: events.len(), ..Replayed::default() };
    for event in events {
        // Retention may have deleted the event meanwhile.
        let mut there = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM events WHERE seq = ?1)")?;
        if !there.query_row([event.seq], |row| row.get(0))? {
            continue;
        }
        let intakes = intakes(event);
        let Some(space) = intakes.first().map(|intake| intake.subscription.space.clone()) else { continue };
        add_deliveries(connection, event.seq, &space, &intakes, now, Some(name))?;
        batch.deliveries += intakes.len();
        for Intake { subscription, fate } in intakes {
            let lane = Lane { space: subscription.space.clone(), function: subscription.function_id.clone() };
            match fate {
                Fate::Filtered { .. } => batch.filtered += 1,
                Fate::Dead { .. } => batch.dead += 1,
                Fate::Deliver { .. } if !batch.lanes.contains(&lane) => batch.lanes.push(lane),
                Fate::Deliver { .. } => {}
            }
        }
    }
    Ok(batch)
}
