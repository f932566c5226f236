//! Runs the slices of jobs that redrive, discard and give up deliveries. `jobs` keeps their progress.

use eg_sdk::history::Loss;

use super::dead_letters::{GivenUp, discard, given_up, redrive};
use super::faults::Failure;
use super::give_up::{Ending, give_up};
use super::jobs::{Step, advance, last};
use super::queue::Work;
use super::session::Session;
use super::values::{get, values};
use super::{PostgresStore, StoreError};
use crate::store::jobs::{Redriven, RunningJob};
use crate::store::notices::{Losses, Notices};
use crate::store::ration::ROWS;
use crate::timestamp::Timestamp;

// Those that are given up leave the index, so each slice begins with the oldest.
const WAITING: &str = "
    SELECT seq FROM deliveries
    WHERE state = 'pending' AND space = $1 AND subscription_id = $2 AND seq > $5 AND seq <= $3
    ORDER BY since, seq LIMIT $4";

impl PostgresStore {
    pub(in crate::store) async fn redrive_slice(
        &self,
        job: &RunningJob,
        loss: Loss,
        now: Timestamp,
    ) -> Result<Option<Redriven>, StoreError> {
        self.writer.run(RedriveSlice { job: job.clone(), loss, now }).await
    }

    pub(in crate::store) async fn discard_slice(
        &self,
        job: &RunningJob,
        loss: Loss,
        now: Timestamp,
    ) -> Result<Option<usize>, StoreError> {
        let discarded = self.writer.run(DiscardSlice { job: job.clone(), loss, now }).await?;
        if discarded == Some(0) {
            self.room.discarded();
        }
        Ok(discarded)
    }

    pub(in crate::store) async fn give_up_slice(
        &self,
        job: &RunningJob,
        subscription_id: String,
        reason: String,
        now: Timestamp,
        notices: Notices,
    ) -> Result<Option<Losses>, StoreError> {
        self.writer.run(GiveUpSlice { job: job.clone(), subscription_id, reason, now, notices }).await
    }
}

struct RedriveSlice {
    job: RunningJob,
    loss: Loss,
    now: Timestamp,
}

impl Work for RedriveSlice {
    type Output = Option<Redriven>;

    async fn run(&mut self, session: &mut Session) -> Result<Option<Redriven>, Failure> {
        let RunningJob { id, space, cursor, .. } = &self.job;
        let Some(last) = last(session, *id, *cursor).await? else { return Ok(None) };
        let letters = given_up(session, space, self.loss, (*cursor, last), ROWS).await?;
        let mut step = Step { cursor: *cursor, done: letters.is_empty(), ..Step::default() };
        let mut redriven = Redriven::default();
        for GivenUp { delivery, lane, possible, again } in letters {
            if possible && again.is_some() {
                redriven.waits_for = again;
                break;
            }
            step.cursor = delivery;
            if possible {
                redrive(session, delivery, None, self.now);
                step.deliveries += 1;
                if !redriven.lanes.contains(&lane) {
                    redriven.lanes.push(lane);
                }
            } else {
                step.skipped += 1;
            }
        }
        redriven.deliveries = step.deliveries;
        advance(session, *id, &step, self.now);
        Ok(Some(redriven))
    }
}

struct DiscardSlice {
    job: RunningJob,
    loss: Loss,
    now: Timestamp,
}

impl Work for DiscardSlice {
    type Output = Option<usize>;

    async fn run(&mut self, session: &mut Session) -> Result<Option<usize>, Failure> {
        let RunningJob { id, space, cursor, .. } = &self.job;
        let Some(last) = last(session, *id, *cursor).await? else { return Ok(None) };
        let letters = given_up(session, space, self.loss, (*cursor, last), ROWS).await?;
        let cursor = letters.last().map_or(*cursor, |letter| letter.delivery);
        let done = letters.is_empty();
        let letters = letters.into_iter().map(|letter| letter.delivery).collect();
        let deliveries = discard(session, space, letters, self.now).await?;
        advance(session, *id, &Step { cursor, deliveries, done, ..Step::default() }, self.now);
        Ok(Some(deliveries))
    }
}

struct GiveUpSlice {
    job: RunningJob,
    subscription_id: String,
    reason: String,
    now: Timestamp,
    notices: Notices,
}

impl Work for GiveUpSlice {
    type Output = Option<Losses>;

    async fn run(&mut self, session: &mut Session) -> Result<Option<Losses>, Failure> {
        let RunningJob { id, space, cursor, .. } = &self.job;
        let Some(last) = last(session, *id, *cursor).await? else { return Ok(None) };
        let values = values![space, &self.subscription_id, last, ROWS, *cursor];
        let waiting = session.query(WAITING, values).await?;
        let ending = |row: &tokio_postgres::Row| {
            let (loss, reason, delivery) = (Loss::Dead, self.reason.clone(), get(row, "seq")?);
            Ok(Ending { delivery, loss, reason, attempted: false, now: self.now })
        };
        let endings: Vec<Ending> = waiting.iter().map(ending).collect::<Result<_, Failure>>()?;
        let done = endings.is_empty();
        let mut losses = Losses::default();
        give_up(session, endings, &self.notices, &mut losses).await?;
        let (cursor, deliveries) = (if done { last } else { *cursor }, losses.lost.len());
        advance(session, *id, &Step { cursor, deliveries, done, ..Step::default() }, self.now);
        Ok(Some(losses))
    }
}
