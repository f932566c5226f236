//! Replays stored events slice by slice: creates new deliveries of old events. The caller names the subscriptions that
//! receive them, and `jobs` keeps the progress.

use eg_sdk::history::ReplayRequest;
use rusqlite::{Connection, named_params};

use super::events::{Deliveries, add_deliveries};
use super::jobs::Step;
use super::seal::{JSON, fits, sealed};
use super::{SqliteStore, StoreError};
use crate::decide::intake::Intake;
use crate::store::jobs::{EVENTS_IN_SLICE, EXAMINED, Found, Replayed, RunningJob, StoredEvent};
use crate::store::notices::Notices;
use crate::store::ration::{ROWS, Ration};
use crate::store::room;
use crate::timestamp::Timestamp;

const EVENTS: &str = concat!("SELECT ", sealed!(), ", e.seq FROM events e");

/// Finds events by their id.
const BY_ID: &str = "INDEXED BY events_id WHERE id = :id";

/// Reads events in the order of acceptance.
const IN_ORDER: &str = "WHERE :id IS NULL";

const MATCHING: &str = "
    AND seq > :after AND seq <= :last AND space = :space
    AND (:source IS NULL OR source = :source) AND (:type IS NULL OR type = :type)
    AND (:from IS NULL OR accepted_at >= :from) AND (:to IS NULL OR accepted_at < :to)
    ORDER BY seq";

impl SqliteStore {
    pub(in crate::store) async fn replay_slice(
        &self,
        job: &RunningJob,
        name: String,
        request: ReplayRequest,
        now: Timestamp,
        notices: Notices,
        intakes: impl Fn(StoredEvent) -> Vec<Intake> + Send + 'static,
    ) -> Result<Option<Replayed>, StoreError> {
        let (space, after, last) = (job.space.clone(), job.cursor, job.last);
        // Decided outside of the transaction, because filters take time.
        let found =
            self.readers.search(move |connection| find(connection, &space, &request, after, last, intakes));
        let Found { events, damaged, until } = found.await?;
        let bytes = room::bytes(events.iter().map(|(_, intakes)| intakes.len()).sum(), 0);
        let _reserved = self.room.reserve(bytes, || vec![(&job.space, bytes)])?;
        let space = job.space.clone();
        let slice = move |connection: &Connection, last: i64| {
            let (mut step, mut ration) = (Step { cursor: until, ..Step::default() }, Ration::new());
            let mut replayed = Replayed::default();
            for (at, (event, intakes)) in events.iter().enumerate() {
                let deliveries =
                    Deliveries { event: *event, space: &space, intakes, now, replay: Some(&name) };
                if add(connection, &deliveries, &notices, &mut replayed)? {
                    step.events += 1;
                }
                ration.take(1 + intakes.len());
                if ration.is_used_up() && at + 1 < events.len() {
                    step.cursor = *event;
                    break;
                }
            }
            step.deliveries = replayed.deliveries;
            step.done = step.cursor >= last;
            let reached = step.cursor;
            Ok((step, (replayed, reached)))
        };
        let (replayed, reached) = self.slice(job, now, slice).await?.unzip();
        // A slice that ended early finds the rest of them again.
        let reached = reached.unwrap_or(after);
        for event in damaged.into_iter().filter(|event| *event <= reached) {
            self.health.report_not_replayed(event);
        }
        Ok(replayed)
    }
}

/// Finds the events for a slice that begins after the event `after`, and decides about their deliveries. Takes no more
/// events than one transaction can replay, because deciding takes time.
fn find(
    connection: &Connection,
    space: &str,
    request: &ReplayRequest,
    after: i64,
    last: i64,
    intakes: impl Fn(StoredEvent) -> Vec<Intake>,
) -> rusqlite::Result<Found> {
    let (access, mut until) = match request.event_id {
        Some(_) => (BY_ID, last),
        None => (IN_ORDER, last.min(after.saturating_add(EXAMINED))),
    };
    let parameters = named_params! {
        ":after": after, ":last": until, ":space": space, ":id": request.event_id, ":source": request.source,
        ":type": request.ty, ":from": request.from.map(Timestamp::from), ":to": request.to.map(Timestamp::from),
    };
    let mut statement = connection.prepare_cached(&format!("{EVENTS} {access} {MATCHING}"))?;
    let mut rows = statement.query(parameters)?;
    let (mut events, mut damaged, mut rows_to_write) = (Vec::new(), Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let seq = row.get("seq")?;
        if !fits(row, 0)? {
            damaged.push(seq);
            continue;
        }
        let event = StoredEvent {
            ty: row.get("type")?,
            method: row.get("method")?,
            path: row.get("path")?,
            json: row.get(JSON)?,
        };
        let intakes = intakes(event);
        rows_to_write += 1 + intakes.len();
        events.push((seq, intakes));
        if events.len() == EVENTS_IN_SLICE || rows_to_write >= ROWS {
            until = seq;
            break;
        }
    }
    Ok(Found { events, damaged, until })
}

/// Creates the deliveries of an event. Returns whether the event still exists: retention may have deleted it.
fn add(
    connection: &Connection,
    deliveries: &Deliveries<'_>,
    notices: &Notices,
    replayed: &mut Replayed,
) -> rusqlite::Result<bool> {
    let mut there = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM events WHERE seq = ?1)")?;
    if !there.query_row([deliveries.event], |row| row.get(0))? {
        return Ok(false);
    }
    add_deliveries(connection, deliveries, notices, &mut replayed.losses)?;
    replayed.add(deliveries.space, deliveries.intakes);
    Ok(true)
}
