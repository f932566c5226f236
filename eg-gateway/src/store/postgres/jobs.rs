//! Keeps the jobs: long work whose progress is stored in the transactions that do it, so that a crash repeats and omits
//! nothing. `slices` and `replay` have the work; `crate::jobs` runs it.

use eg_sdk::history::{Job, JobKind, JobPage, JobState};
use tokio_postgres::Row;

use super::faults::Failure;
use super::queue;
use super::session::Session;
use super::values::{get, name, optional_date, time, values};
use super::{PostgresStore, StoreError};
use crate::store::jobs::{KEPT, RunningJob, Work, percent};
use crate::timestamp::Timestamp;

/// What a slice of a job has done. The counts are added to those of the job.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// The number up to which the work is done now.
    pub(super) cursor: i64,
    pub(super) events: usize,
    pub(super) deliveries: usize,
    pub(super) skipped: usize,
    /// Whether nothing is left.
    pub(super) done: bool,
}

/// The columns that [`job`] reads.
macro_rules! jobs {
    ($condition:literal) => {
        concat!(
            "SELECT seq, kind, state, work, start, cursor, last, events, deliveries, skipped, created_at, ended_at,
                    CASE WHEN kind = 'give_up' AND state = 'running' THEN (
                        SELECT count(*) FROM deliveries d WHERE d.state = 'pending' AND d.space = jobs.space
                        AND d.subscription_id = jobs.subscription_id AND d.seq > jobs.start AND d.seq <= jobs.last)
                    END AS waiting
            FROM jobs ",
            $condition
        )
    };
}

const PAGES: &str = jobs!("WHERE space = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3");

const ONE: &str = jobs!("WHERE space = $1 AND seq = $2");

const RUNNING: &str = "SELECT seq, space, work, cursor, last FROM jobs WHERE state = 'running' ORDER BY seq";

const INSERT: &str = "
    INSERT INTO jobs (seq, space, kind, state, subscription_id, reason, work, start, cursor, last, created_at, ended_at)
    SELECT coalesce(max(seq), 0) + 1, $1, $2, CASE WHEN $6 < $7 THEN 'running' ELSE 'done' END, $3, $4, $5, $6, $6, $7, $8,
           CASE WHEN $6 < $7 THEN NULL ELSE $8 END
    FROM jobs RETURNING seq";

const ADVANCE: &str = "
    UPDATE jobs SET cursor = $2, events = events + $3, deliveries = deliveries + $4, skipped = skipped + $5,
                    state = CASE WHEN $6 THEN 'done' ELSE state END, ended_at = CASE WHEN $6 THEN $7 ELSE ended_at END
    WHERE seq = $1";

// A job that runs already covers the deliveries that have come since, too.
const EXTEND: &str = "
    UPDATE jobs SET last = $4
    WHERE seq = (SELECT max(seq) FROM jobs
                 WHERE kind = 'give_up' AND state = 'running' AND space = $1 AND subscription_id = $2)
    AND reason = $3 RETURNING seq";

impl PostgresStore {
    pub(in crate::store) async fn begin_job(
        &self,
        space: String,
        work: Work,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        if matches!(work, Work::Replay { .. } | Work::Redrive { .. }) && self.is_full() {
            return Err(StoreError::Full);
        }
        if matches!(work, Work::Replay { .. }) {
            self.room.reserve(0, || vec![(&space, 0)])?;
        }
        self.writer.run(Begin { space, work, now }).await
    }

    pub(in crate::store) async fn running_jobs(&self) -> Result<Vec<RunningJob>, StoreError> {
        let running = |row: &Row| {
            Ok(RunningJob {
                id: get(row, "seq")?,
                space: get(row, "space")?,
                work: work(row)?,
                cursor: get(row, "cursor")?,
                last: get(row, "last")?,
            })
        };
        let rows = self.readers.query(RUNNING, values![]).await?;
        Ok(rows.iter().map(running).collect::<Result<_, Failure>>()?)
    }

    pub(in crate::store) async fn jobs(
        &self,
        space: String,
        before: Option<i64>,
        limit: u32,
    ) -> Result<JobPage, StoreError> {
        let rows = self.readers.query(PAGES, values![&space, before.unwrap_or(i64::MAX), limit]).await?;
        let jobs: Vec<Job> = rows.iter().map(job).collect::<Result<_, _>>()?;
        let full = u32::try_from(jobs.len()).is_ok_and(|found| found == limit);
        let next = jobs.last().filter(|_| full).map(|last| last.job_id);
        Ok(JobPage { jobs, next })
    }

    pub(in crate::store) async fn job(&self, space: String, id: i64) -> Result<Option<Job>, StoreError> {
        let rows = self.readers.query(ONE, values![&space, id]).await?;
        Ok(rows.first().map(job).transpose()?)
    }

    pub(in crate::store) async fn set_job_running(
        &self,
        space: String,
        id: i64,
        running: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changed = self.writer.run(SetRunning { space, id, running, now }).await?;
        if !running && changed == Some(JobKind::Discard) {
            // What it has discarded makes room.
            self.room.discarded();
        }
        Ok(())
    }
}

struct Begin {
    space: String,
    work: Work,
    now: Timestamp,
}

impl queue::Work for Begin {
    type Output = i64;

    async fn run(&mut self, session: &mut Session) -> Result<i64, Failure> {
        begin(session, &self.space, &self.work, self.now).await
    }
}

struct SetRunning {
    space: String,
    id: i64,
    running: bool,
    now: Timestamp,
}

impl queue::Work for SetRunning {
    type Output = Option<JobKind>;

    async fn run(&mut self, session: &mut Session) -> Result<Option<JobKind>, Failure> {
        let (from, to, ended_at) = match self.running {
            true => (JobState::Cancelled, JobState::Running, None),
            false => (JobState::Running, JobState::Cancelled, Some(self.now)),
        };
        let change = "UPDATE jobs SET state = $4, ended_at = $5
            WHERE seq = $1 AND space = $2 AND state = $3 RETURNING kind";
        let values = values![self.id, &self.space, from.as_str(), to.as_str(), ended_at];
        session.optional(change, values).await?.map(|row| name(&row, "kind")).transpose()
    }
}

/// Returns the last number that a job covers, or `None` if it does not run any more, or is not at `cursor`.
pub(super) async fn last(session: &mut Session, job: i64, cursor: i64) -> Result<Option<i64>, Failure> {
    let sql = "SELECT last FROM jobs WHERE seq = $1 AND cursor = $2 AND state = 'running'";
    session.optional(sql, values![job, cursor]).await?.map(|row| get(&row, "last")).transpose()
}

/// Stores the progress of a job.
pub(super) fn advance(session: &mut Session, job: i64, step: &Step, now: Timestamp) {
    let Step { cursor, events, deliveries, skipped, done } = *step;
    session.later(ADVANCE, values![job, cursor, events, deliveries, skipped, done, now]);
}

/// Creates or extends the job that gives up the waiting deliveries of a subscription for this reason, if there are any.
pub(super) async fn give_up(
    session: &mut Session,
    space: &str,
    subscription_id: &str,
    reason: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let waiting =
        "SELECT 1 FROM deliveries WHERE state = 'pending' AND space = $1 AND subscription_id = $2 LIMIT 1";
    if session.optional(waiting, values![space, subscription_id]).await?.is_none() {
        return Ok(());
    }
    let newest = session.numbers.delivery;
    let extended = session.optional(EXTEND, values![space, subscription_id, reason, newest]).await?;
    if extended.is_none() {
        let (subscription_id, reason) = (subscription_id.to_owned(), reason.to_owned());
        begin(session, space, &Work::GiveUp { subscription_id, reason }, now).await?;
    }
    Ok(())
}

/// Creates a job for what there is to do now, and forgets the oldest that have ended. Returns its number. A job with
/// nothing to do is done.
async fn begin(session: &mut Session, space: &str, work: &Work, now: Timestamp) -> Result<i64, Failure> {
    let (start, last) = range(session, space, work).await?;
    let (subscription, reason) = match work {
        Work::GiveUp { subscription_id, reason } => (Some(&**subscription_id), Some(&**reason)),
        _ => (None, None),
    };
    let json = serde_json::to_string(work).map_err(Failure::unreadable)?;
    let values = values![space, work.kind().as_str(), subscription, reason, &json, start, last, now];
    let job = get(&session.one(INSERT, values).await?, "seq")?;
    session.later("DELETE FROM jobs WHERE state <> 'running' AND seq <= $1", values![job - KEPT]);
    Ok(job)
}

/// Returns the number before the first that the work covers, and the last one. What comes later is not part of it.
async fn range(session: &mut Session, space: &str, work: &Work) -> Result<(i64, i64), Failure> {
    match work {
        Work::Replay { .. } => {
            let first =
                session.one("SELECT coalesce(min(seq) - 1, 0) AS start FROM events", values![]).await?;
            Ok((get(&first, "start")?, session.numbers.event))
        }
        Work::Redrive { loss } | Work::Discard { loss } => {
            let sql =
                "SELECT coalesce(min(seq) - 1, 0) AS start, coalesce(max(seq), 0) AS last FROM deliveries
                WHERE state = $2 AND state IN ('dead', 'expired') AND discarded_at IS NULL AND space = $1";
            let found = session.one(sql, values![space, loss.as_str()]).await?;
            Ok((get(&found, "start")?, get(&found, "last")?))
        }
        Work::GiveUp { subscription_id, .. } => {
            // An earlier job, which has another reason, gives up what it covers.
            let sql = "SELECT coalesce(max(last), 0) AS start FROM jobs
                WHERE kind = 'give_up' AND state = 'running' AND space = $1 AND subscription_id = $2";
            let found = session.one(sql, values![space, subscription_id]).await?;
            Ok((get(&found, "start")?, session.numbers.delivery))
        }
    }
}

fn work(row: &Row) -> Result<Work, Failure> {
    serde_json::from_str(get(row, "work")?).map_err(Failure::unreadable)
}

fn job(row: &Row) -> Result<Job, Failure> {
    let state: JobState = name(row, "state")?;
    let (start, cursor, last): (i64, i64, i64) = (get(row, "start")?, get(row, "cursor")?, get(row, "last")?);
    // Jobs go through numbers, except those that give up what waits, the oldest first.
    let (done, all) = match get::<Option<i64>>(row, "waiting")? {
        None => (cursor - start, last - start),
        Some(waiting) => {
            let done: i64 = get(row, "deliveries")?;
            (done, done + waiting)
        }
    };
    let count = |column| get::<i64>(row, column).map(|count| usize::try_from(count).unwrap_or_default());
    let mut job = Job {
        job_id: get(row, "seq")?,
        kind: name(row, "kind")?,
        state,
        percent: percent(state, done, all),
        events: count("events")?,
        deliveries: count("deliveries")?,
        skipped: count("skipped")?,
        waits_for: None,
        replay_id: None,
        replay: None,
        loss: None,
        subscription_id: None,
        created_at: time(row, "created_at")?.date_time(),
        ended_at: optional_date(row, "ended_at")?,
    };
    match work(row)? {
        Work::Replay { name, request } => (job.replay_id, job.replay) = (Some(name), Some(request)),
        Work::Redrive { loss } | Work::Discard { loss } => job.loss = Some(loss),
        Work::GiveUp { subscription_id, .. } => job.subscription_id = Some(subscription_id),
    }
    Ok(job)
}
