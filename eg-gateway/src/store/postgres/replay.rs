//! Replays stored events slice by slice: creates new deliveries of old events. The caller names the subscriptions that
//! receive them, and `jobs` keeps the progress.

use std::collections::HashSet;

use eg_sdk::history::ReplayRequest;

use super::batch::{Batch, Replayed as Deliveries};
use super::faults::Failure;
use super::give_up::give_up;
use super::jobs::{Step, advance, last};
use super::queue::Work;
use super::readers::Reading;
use super::session::Session;
use super::stored::{Stored, event, named, size, up_to_bytes};
use super::values::{get, values};
use super::{PostgresStore, StoreError};
use crate::decide::intake::Intake;
use crate::store::events::PAGE;
use crate::store::jobs::{EVENTS_IN_SLICE, EXAMINED, Found, Replayed, RunningJob, StoredEvent};
use crate::store::notices::Notices;
use crate::store::ration::ROWS;
use crate::store::room;
use crate::timestamp::Timestamp;

const MATCHING: &str = up_to_bytes!(
    "$10",
    "seq",
    "SELECT ",
    event!(),
    ", e.seq, octet_length(e.event) AS size FROM events e
    WHERE e.seq > $1 AND e.seq <= $2 AND e.space = $3 AND ($4::text IS NULL OR ",
    named!("$3", "$4"),
    ") AND ($5::text IS NULL OR e.source = $5) AND ($6::text IS NULL OR e.type = $6)
    AND ($7::int8 IS NULL OR e.accepted_at >= $7) AND ($8::int8 IS NULL OR e.accepted_at < $8)
    ORDER BY e.seq LIMIT $9"
);

impl PostgresStore {
    pub(in crate::store) async fn replay_slice(
        &self,
        job: &RunningJob,
        name: String,
        request: ReplayRequest,
        now: Timestamp,
        notices: Notices,
        intakes: impl Fn(StoredEvent) -> Vec<Intake> + Send + 'static,
    ) -> Result<Option<Replayed>, StoreError> {
        // Decided outside of the transaction, because filters take time.
        let mut session = self.readers.search().await?;
        let found = find(&mut session, job, &request, intakes).await?;
        session.end().await?;
        let Found { events, damaged, until } = found;
        let bytes = room::bytes(events.iter().map(|(_, intakes)| intakes.len()).sum(), 0);
        let _reserved = self.room.reserve(bytes, || vec![(&job.space, bytes)])?;
        let slice = Slice { job: job.clone(), name, events, until, now, notices };
        let replayed = self.writer.run(slice).await?;
        if replayed.is_some() {
            damaged.into_iter().for_each(|event| self.health.report_not_replayed(event));
        }
        Ok(replayed)
    }
}

/// Finds the events for the next slice of a job, and decides about their deliveries. Takes no more events than one
/// transaction can replay, because deciding takes time.
async fn find(
    session: &mut Reading<'_>,
    job: &RunningJob,
    request: &ReplayRequest,
    intakes: impl Fn(StoredEvent) -> Vec<Intake>,
) -> Result<Found, Failure> {
    let RunningJob { space, cursor, last, .. } = job;
    let mut until = match request.event_id {
        Some(_) => *last,
        None => (*last).min(cursor.saturating_add(EXAMINED)),
    };
    let values = values![
        *cursor,
        until,
        space,
        request.event_id.as_deref(),
        request.source.as_deref(),
        request.ty.as_deref(),
        request.from.map(Timestamp::from),
        request.to.map(Timestamp::from),
        EVENTS_IN_SLICE,
        PAGE
    ];
    let (mut events, mut damaged) = (Vec::new(), Vec::new());
    let (mut rows_to_write, mut read, mut bytes) = (0, 0, 0);
    for row in session.query(MATCHING, values).await? {
        let seq = get(&row, "seq")?;
        let Stored { ty, method, path, json, is_sound, .. } = Stored::read(&row)?;
        read += 1;
        bytes += size(&row)?;
        if is_sound {
            let intakes = intakes(StoredEvent { ty, method, path, json: json.into() });
            rows_to_write += 1 + intakes.len();
            events.push((seq, intakes));
        } else {
            damaged.push(seq);
        }
        if read == EVENTS_IN_SLICE || bytes >= PAGE || rows_to_write >= ROWS {
            until = seq;
            break;
        }
    }
    Ok(Found { events, damaged, until })
}

struct Slice {
    job: RunningJob,
    name: String,
    events: Vec<(i64, Vec<Intake>)>,
    /// The last number that was examined.
    until: i64,
    now: Timestamp,
    notices: Notices,
}

impl Work for Slice {
    type Output = Option<Replayed>;

    async fn run(&mut self, session: &mut Session) -> Result<Option<Replayed>, Failure> {
        let RunningJob { id, space, cursor, .. } = &self.job;
        let Some(last) = last(session, *id, *cursor).await? else { return Ok(None) };
        // Retention may have deleted some of them.
        let numbers: Vec<i64> = self.events.iter().map(|(event, _)| *event).collect();
        let there = session.query("SELECT seq FROM events WHERE seq = ANY($1)", values![numbers]).await?;
        let there: HashSet<i64> = there.iter().map(|row| get(row, "seq")).collect::<Result<_, _>>()?;
        let (mut batch, mut endings, mut replayed) = (Batch::default(), Vec::new(), Replayed::default());
        let mut step = Step { cursor: self.until, done: self.until >= last, ..Step::default() };
        for (event, intakes) in self.events.iter().filter(|(event, _)| there.contains(event)) {
            let replay = Some(&*self.name);
            let deliveries = Deliveries { event: *event, space, intakes, now: self.now, replay };
            endings.extend(batch.add_deliveries(session, &deliveries)?);
            step.events += 1;
            replayed.add(space, intakes);
        }
        step.deliveries = replayed.deliveries;
        batch.write(session);
        give_up(session, endings, &self.notices, &mut replayed.losses).await?;
        advance(session, *id, &step, self.now);
        Ok(Some(replayed))
    }
}
