//! The operations of jobs: long work whose progress is stored in the transactions that do it, so that a crash repeats and
//! omits nothing. `crate::jobs` runs the slices.

mod signals;

use std::time::Duration;

use eg_sdk::history::{Job, JobKind, JobPage, JobState, Loss, ReplayRequest};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub(super) use self::signals::JobSignals;
use super::{Losses, Notices, Store, StoreError};
use crate::decide::intake::{Fate, Intake};
use crate::decide::lanes::Lane;
use crate::timestamp::Timestamp;

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Delivers the events that `request` selects again, marked with the name of the replay.
    Replay { name: String, request: ReplayRequest },
    /// Redrives what was given up in this way.
    Redrive { loss: Loss },
    /// Discards what was given up in this way.
    Discard { loss: Loss },
    /// Gives up the deliveries that waited when their subscription was deleted or disabled.
    GiveUp { subscription_id: String, reason: String },
}

impl Work {
    pub(super) fn kind(&self) -> JobKind {
        match self {
            Self::Replay { .. } => JobKind::Replay,
            Self::Redrive { .. } => JobKind::Redrive,
            Self::Discard { .. } => JobKind::Discard,
            Self::GiveUp { .. } => JobKind::GiveUp,
        }
    }
}

/// A job that runs.
#[derive(Debug, Clone)]
pub(crate) struct RunningJob {
    pub(crate) id: i64,
    pub(crate) space: String,
    pub(crate) work: Work,
    /// The number up to which the work is done.
    pub(in crate::store) cursor: i64,
    /// The last number that the job covers.
    pub(in crate::store) last: i64,
}

/// An event to replay.
#[derive(Debug)]
pub(crate) struct StoredEvent {
    pub(crate) ty: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) json: Vec<u8>,
}

/// What a slice of a replay has created.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) deliveries: usize,
    /// Deliveries that a filter ended at once.
    pub(crate) filtered: usize,
    /// Deliveries that became dead letters at once.
    pub(crate) losses: Losses,
    /// The lanes in which deliveries are due.
    pub(crate) lanes: Vec<Lane>,
}

impl Replayed {
    /// Adds the deliveries of an event of `space`, except for what the losses say.
    pub(super) fn add(&mut self, space: &str, intakes: &[Intake]) {
        self.deliveries += intakes.len();
        for Intake { subscription, fate } in intakes {
            match fate {
                Fate::Filtered { .. } => self.filtered += 1,
                Fate::Dead { .. } => {}
                Fate::Deliver { .. } => {
                    let lane = Lane { space: space.to_owned(), function: subscription.function_id.clone() };
                    if !self.lanes.contains(&lane) {
                        self.lanes.push(lane);
                    }
                }
            }
        }
    }
}

/// The events of a part of the store that a replay selects.
#[derive(Debug)]
pub(super) struct Found {
    /// Each with the deliveries to create.
    pub(super) events: Vec<(i64, Vec<Intake>)>,
    /// Events that are not as they were accepted. They are not replayed.
    pub(super) damaged: Vec<i64>,
    /// The last number that was examined.
    pub(super) until: i64,
}

/// Maximum number of events in a slice of a replay.
pub(super) const EVENTS_IN_SLICE: usize = 200;

/// Maximum number of events that the search for the events of such a slice examines.
pub(super) const EXAMINED: i64 = 10_000;

/// The number of ended jobs that are kept.
pub(super) const KEPT: i64 = 1_000;

/// What a slice of a job has redriven.
#[derive(Debug, Default)]
pub(crate) struct Redriven {
    pub(crate) deliveries: usize,
    /// The lanes in which they are due again.
    pub(crate) lanes: Vec<Lane>,
    /// The job that gives up deliveries of the next one's subscription, and must end first.
    pub(crate) waits_for: Option<i64>,
}

impl Store {
    /// Returns the signals between the runner of the jobs and the others.
    pub(crate) fn job_signals(&self) -> &JobSignals {
        &self.signals
    }

    /// Creates a job for what there is to do now; what comes later is not part of it. Returns its number.
    ///
    /// # Errors
    /// [`StoreError::Full`] if the work needs room in a store that is full, and [`StoreError::ShareUsed`] if it creates
    /// deliveries in a space that holds its share of a nearly full store.
    pub(crate) async fn begin_job(
        &self,
        space: String,
        work: Work,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let job = backend!(self.begin_job(space, work, now).await)?;
        self.signals.begin();
        Ok(job)
    }

    /// Returns all jobs that run.
    pub(crate) async fn running_jobs(&self) -> Result<Vec<RunningJob>, StoreError> {
        backend!(self.running_jobs().await)
    }

    /// Lists jobs, the newest first.
    pub(crate) async fn jobs(
        &self,
        space: String,
        before: Option<i64>,
        limit: u32,
    ) -> Result<JobPage, StoreError> {
        let mut page = backend!(self.jobs(space, before, limit).await)?;
        page.jobs.iter_mut().for_each(|job| self.add_problem(job));
        Ok(page)
    }

    /// Reads one job.
    pub(crate) async fn job(&self, space: String, id: i64) -> Result<Option<Job>, StoreError> {
        let mut job = backend!(self.job(space, id).await)?;
        job.iter_mut().for_each(|job| self.add_problem(job));
        Ok(job)
    }

    /// Says why a job cannot continue now.
    fn add_problem(&self, job: &mut Job) {
        if job.state == JobState::Running {
            job.waits_for = self.signals.problem(job.job_id);
        }
    }

    /// Reads a job as soon as it has ended, or cannot continue, or after `patience`.
    pub(crate) async fn job_within(
        &self,
        space: String,
        id: i64,
        patience: Duration,
    ) -> Result<Option<Job>, StoreError> {
        let until = Instant::now() + patience;
        loop {
            let progressed = self.signals.progressed();
            tokio::pin!(progressed);
            // From now on, no progress is missed.
            progressed.as_mut().enable();
            let found = self.job(space.clone(), id).await?;
            let waits = |job: &Job| job.state == JobState::Running && job.waits_for.is_none();
            if !found.as_ref().is_some_and(waits) || tokio::time::timeout_at(until, progressed).await.is_err()
            {
                return Ok(found);
            }
        }
    }

    /// Cancels a job that runs, or resumes one that was cancelled. Other jobs stay as they are.
    pub(crate) async fn set_job_running(
        &self,
        space: String,
        id: i64,
        running: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        backend!(self.set_job_running(space, id, running, now).await)?;
        self.signals.keep_problems_of(|job| job != id);
        self.signals.begin();
        self.signals.progress();
        Ok(())
    }

    /// Runs a slice of a replay: creates a delivery for each event that `request` selects and each subscription that
    /// `intakes` returns for it. The deliveries carry `name`. Ignores the request's `subscription_id`, which the caller
    /// applies. Returns what was created, or `None` if the job does not run any more, or is not where `job` says.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::ShareUsed`] if there is no room for the deliveries.
    pub(crate) async fn replay_slice(
        &self,
        job: &RunningJob,
        name: String,
        request: ReplayRequest,
        now: Timestamp,
        notices: Notices,
        intakes: impl Fn(StoredEvent) -> Vec<Intake> + Send + 'static,
    ) -> Result<Option<Replayed>, StoreError> {
        let replayed = backend!(self.replay_slice(job, name, request, now, notices, intakes).await)?;
        self.signals.progress();
        Ok(replayed)
    }

    /// Runs a slice of a job that redrives deliveries. Returns `None` as [`replay_slice`](Self::replay_slice) does.
    pub(crate) async fn redrive_slice(
        &self,
        job: &RunningJob,
        loss: Loss,
        now: Timestamp,
    ) -> Result<Option<Redriven>, StoreError> {
        let redriven = backend!(self.redrive_slice(job, loss, now).await)?;
        self.signals.progress();
        Ok(redriven)
    }

    /// Runs a slice of a job that discards deliveries. Returns how many, or `None` as [`replay_slice`](Self::replay_slice)
    /// does.
    pub(crate) async fn discard_slice(
        &self,
        job: &RunningJob,
        loss: Loss,
        now: Timestamp,
    ) -> Result<Option<usize>, StoreError> {
        let discarded = backend!(self.discard_slice(job, loss, now).await)?;
        self.signals.progress();
        Ok(discarded)
    }

    /// Runs a slice of a job that gives up the deliveries that waited for a subscription. Returns `None` as
    /// [`replay_slice`](Self::replay_slice) does.
    pub(crate) async fn give_up_slice(
        &self,
        job: &RunningJob,
        subscription_id: String,
        reason: String,
        now: Timestamp,
        notices: Notices,
    ) -> Result<Option<Losses>, StoreError> {
        let losses = backend!(self.give_up_slice(job, subscription_id, reason, now, notices).await)?;
        self.signals.progress();
        Ok(losses)
    }
}

/// Returns how far a job is, of which so much is done of all.
pub(super) fn percent(state: JobState, done: i64, all: i64) -> u8 {
    match state {
        JobState::Done => 100,
        _ if all <= 0 => 0,
        _ => u8::try_from(done.clamp(0, all).saturating_mul(100) / all).unwrap_or_default(),
    }
}
