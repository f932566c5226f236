//! Keeps the jobs: long work whose progress is stored in the transactions that do it, so that a crash repeats and omits
//! nothing. The modules of the work have the slices; `crate::jobs` runs them.

use eg_sdk::history::{Job, JobKind, JobPage, JobState, Loss};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::columns::{Name, Time, optional};
use super::{SqliteStore, StoreError};
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
const JOBS: &str =
    "SELECT seq, kind, state, work, start, cursor, last, events, deliveries, skipped, created_at, ended_at,
            iif(kind = 'give_up' AND state = 'running', (
                SELECT count(*) FROM deliveries d WHERE d.state = 'pending' AND d.space = jobs.space
                AND d.subscription_id = jobs.subscription_id AND d.seq > jobs.start AND d.seq <= jobs.last), NULL) AS waiting
    FROM jobs";

const INSERT: &str = "
    INSERT INTO jobs (space, kind, state, subscription_id, reason, work, start, cursor, last, created_at, ended_at)
    VALUES (?1, ?2, iif(?6 < ?7, 'running', 'done'), ?3, ?4, ?5, ?6, ?6, ?7, ?8, iif(?6 < ?7, NULL, ?8))";

const ADVANCE: &str = "
    UPDATE jobs SET cursor = ?2, events = events + ?3, deliveries = deliveries + ?4, skipped = skipped + ?5,
                    state = iif(?6, 'done', state), ended_at = iif(?6, ?7, ended_at)
    WHERE seq = ?1";

impl SqliteStore {
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
        self.writer.run(move |connection| begin(connection, &space, &work, now)).await
    }

    pub(in crate::store) async fn running_jobs(&self) -> Result<Vec<RunningJob>, StoreError> {
        self.readers
            .look_up(|connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT seq, space, work, cursor, last FROM jobs WHERE state = 'running' ORDER BY seq",
                )?;
                let running = |row: &Row<'_>| {
                    let (id, space) = (row.get("seq")?, row.get("space")?);
                    Ok(RunningJob {
                        id,
                        space,
                        work: work(row)?,
                        cursor: row.get("cursor")?,
                        last: row.get("last")?,
                    })
                };
                statement.query_map([], running)?.collect()
            })
            .await
    }

    pub(in crate::store) async fn jobs(
        &self,
        space: String,
        before: Option<i64>,
        limit: u32,
    ) -> Result<JobPage, StoreError> {
        self.readers
            .look_up(move |connection| {
                let mut statement = connection.prepare_cached(&format!(
                    "{JOBS} WHERE space = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3"
                ))?;
                let before = before.unwrap_or(i64::MAX);
                let jobs = statement.query_map(params![space, before, limit], job)?;
                let jobs = jobs.collect::<rusqlite::Result<Vec<_>>>()?;
                let full = u32::try_from(jobs.len()).is_ok_and(|found| found == limit);
                let next = jobs.last().filter(|_| full).map(|last| last.job_id);
                Ok(JobPage { jobs, next })
            })
            .await
    }

    pub(in crate::store) async fn job(&self, space: String, id: i64) -> Result<Option<Job>, StoreError> {
        self.readers
            .look_up(move |connection| {
                let mut statement =
                    connection.prepare_cached(&format!("{JOBS} WHERE seq = ?1 AND space = ?2"))?;
                statement.query_row(params![id, space], job).optional()
            })
            .await
    }

    pub(in crate::store) async fn set_job_running(
        &self,
        space: String,
        id: i64,
        running: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let change = move |connection: &Connection| {
            let (from, to, ended_at) = match running {
                true => (JobState::Cancelled, JobState::Running, None),
                false => (JobState::Running, JobState::Cancelled, Some(now)),
            };
            let change = "UPDATE jobs SET state = ?4, ended_at = ?5
                WHERE seq = ?1 AND space = ?2 AND state = ?3 RETURNING kind";
            connection
                .prepare_cached(change)?
                .query_row(params![id, space, from.as_str(), to.as_str(), ended_at], |row| row.get(0))
                .optional()
        };
        let changed: Option<Name<JobKind>> = self.writer.run(change).await?;
        if !running && matches!(changed, Some(Name(JobKind::Discard))) {
            // What it has discarded makes room.
            self.room.discarded();
        }
        Ok(())
    }

    /// Runs a slice of a job, and stores its progress in the same transaction. `slice` gets the last number that the job
    /// covers. Returns `None` if the job does not run any more, or is not where `job` says.
    pub(super) async fn slice<T: Send + 'static>(
        &self,
        job: &RunningJob,
        now: Timestamp,
        mut slice: impl FnMut(&Connection, i64) -> rusqlite::Result<(Step, T)> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let (id, cursor) = (job.id, job.cursor);
        let run = move |connection: &Connection| {
            let last = connection
                .prepare_cached("SELECT last FROM jobs WHERE seq = ?1 AND cursor = ?2 AND state = 'running'")?
                .query_row([id, cursor], |row| row.get(0))
                .optional()?;
            let Some(last) = last else { return Ok(None) };
            let (step, result) = slice(connection, last)?;
            let [events, deliveries, skipped] = [step.events, step.deliveries, step.skipped].map(number);
            connection.prepare_cached(ADVANCE)?.execute(params![
                id,
                step.cursor,
                events,
                deliveries,
                skipped,
                step.done,
                now
            ])?;
            Ok(Some(result))
        };
        self.writer.run(run).await
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Creates or extends the job that gives up the waiting deliveries of a subscription for this reason, if there are any.
pub(super) fn give_up(
    connection: &Connection,
    space: &str,
    subscription_id: &str,
    reason: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let waiting = "SELECT EXISTS (
        SELECT 1 FROM deliveries WHERE state = 'pending' AND space = ?1 AND subscription_id = ?2)";
    if !connection.prepare_cached(waiting)?.query_row([space, subscription_id], |row| row.get(0))? {
        return Ok(());
    }
    // A job that runs already covers the deliveries that have come since, too.
    let extended = connection
        .prepare_cached(
            "UPDATE jobs SET last = (SELECT max(seq) FROM deliveries)
             WHERE seq = (SELECT max(seq) FROM jobs
                          WHERE kind = 'give_up' AND state = 'running' AND space = ?1 AND subscription_id = ?2)
             AND reason = ?3",
        )?
        .execute([space, subscription_id, reason])?;
    if extended == 0 {
        let (subscription_id, reason) = (subscription_id.to_owned(), reason.to_owned());
        begin(connection, space, &Work::GiveUp { subscription_id, reason }, now)?;
    }
    Ok(())
}

/// Creates a job for what there is to do now, and forgets the oldest that have ended. Returns its number. A job with
/// nothing to do is done.
pub(super) fn begin(
    connection: &Connection,
    space: &str,
    work: &Work,
    now: Timestamp,
) -> rusqlite::Result<i64> {
    let (start, last) = range(connection, space, work)?;
    let (subscription, reason) = match work {
        Work::GiveUp { subscription_id, reason } => (Some(subscription_id), Some(reason)),
        _ => (None, None),
    };
    let json = serde_json::to_string(work).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    connection.prepare_cached(INSERT)?.execute(params![
        space,
        work.kind().as_str(),
        subscription,
        reason,
        json,
        start,
        last,
        now
    ])?;
    let job = connection.last_insert_rowid();
    let forget = "DELETE FROM jobs WHERE state <> 'running' AND seq <= ?1";
    connection.prepare_cached(forget)?.execute([job.saturating_sub(KEPT)])?;
    Ok(job)
}

/// Returns the number before the first that the work covers, and the last one. What comes later is not part of it.
fn range(connection: &Connection, space: &str, work: &Work) -> rusqlite::Result<(i64, i64)> {
    let given_up = |loss: &Loss, order: &str| {
        // Each state is spelled out, so that SQLite uses its index.
        let query = format!(
            "SELECT seq FROM deliveries WHERE state = '{loss}' AND discarded_at IS NULL AND space = ?1
             ORDER BY seq {order} LIMIT 1"
        );
        let found = connection.prepare_cached(&query)?.query_row([space], |row| row.get::<_, i64>(0));
        found.optional()
    };
    match work {
        Work::Replay { .. } => connection.query_row(
            "SELECT coalesce((SELECT min(seq) FROM events) - 1, 0), coalesce((SELECT max(seq) FROM events), 0)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        ),
        Work::Redrive { loss } | Work::Discard { loss } => {
            let (first, last) = (given_up(loss, "ASC")?, given_up(loss, "DESC")?);
            Ok((first.map_or(0, |first| first - 1), last.unwrap_or(0)))
        }
        Work::GiveUp { subscription_id, .. } => connection.query_row(
            // An earlier job, which has another reason, gives up what it covers.
            "SELECT (SELECT coalesce(max(last), 0) FROM jobs
                     WHERE kind = 'give_up' AND state = 'running' AND space = ?1 AND subscription_id = ?2),
                    (SELECT coalesce(max(seq), 0) FROM deliveries)",
            [space, subscription_id],
            |row| Ok((row.get(0)?, row.get(1)?)),
        ),
    }
}

fn work(row: &Row<'_>) -> rusqlite::Result<Work> {
    let json: String = row.get("work")?;
    serde_json::from_str(&json)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, e.into()))
}

fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let job_id = row.get("seq")?;
    let state = row.get::<_, Name<JobState>>("state")?.0;
    let (start, cursor, last): (i64, i64, i64) = (row.get("start")?, row.get("cursor")?, row.get("last")?);
    // Jobs go through numbers, except those that give up what waits, the oldest first.
    let (done, all) = match row.get::<_, Option<i64>>("waiting")? {
        None => (cursor - start, last - start),
        Some(waiting) => {
            let done: i64 = row.get("deliveries")?;
            (done, done + waiting)
        }
    };
    let count = |column: &str| row.get(column).map(|count: i64| usize::try_from(count).unwrap_or_default());
    let mut job = Job {
        job_id,
        kind: row.get::<_, Name<JobKind>>("kind")?.0,
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
        created_at: row.get::<_, Time>("created_at")?.0,
        ended_at: optional(row, "ended_at", |Time(time)| time)?,
    };
    match work(row)? {
        Work::Replay { name, request } => (job.replay_id, job.replay) = (Some(name), Some(request)),
        Work::Redrive { loss } | Work::Discard { loss } => job.loss = Some(loss),
        Work::GiveUp { subscription_id, .. } => job.subscription_id = Some(subscription_id),
    }
    Ok(job)
}

#[cfg(test)]
mod tests;
