//! Runs the jobs: replays, redrives, discards, and the deliveries of deleted subscriptions. `store` keeps the jobs and
//! does their slices; between two slices there is room for other writes.

use std::sync::Arc;
use std::time::Duration;

use eg_sdk::config::Subscription;
use eg_sdk::history::{Job, JobState, ReplayRequest};
use tokio::time::Instant;

use crate::activity::Activity;
use crate::decide::intake::{Intake, intake_stored};
use crate::decide::place::{Named, Place};
use crate::decide::router::Target;
use crate::deliver::Delivering;
use crate::metrics::Outcome;
use crate::reception::Reception;
use crate::store::{RunningJob, StoreError, StoredEvent, Work};
use crate::timestamp::Timestamp;

/// Pause after a slice that failed or could not be done.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two slices.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// The loop that runs the jobs.
pub(crate) struct Jobs<C> {
    delivering: Arc<Delivering<C>>,
    reception: Reception,
}

impl<C> Jobs<C> {
    /// Creates the loop. `reception` wakes the engine.
    pub(crate) fn new(delivering: Arc<Delivering<C>>, reception: Reception) -> Self {
        Self { delivering, reception }
    }

    /// Runs until the gateway stops. Jobs of an earlier process continue.
    pub(crate) async fn run(self) {
        let stop = self.delivering.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = async { loop { self.round().await } } => {}
        }
    }

    /// Runs a slice of each job. If there is none, waits for one.
    async fn round(&self) {
        let store = &self.delivering.store;
        if !store.members().leads() {
            // Another gateway runs them.
            return store.job_signals().begun().await;
        }
        let jobs = match store.running_jobs().await {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::error!(%error, "cannot read jobs");
                return tokio::time::sleep(RETRY_PAUSE).await;
            }
        };
        store.job_signals().keep_problems_of(|id| jobs.iter().any(|job| job.id == id));
        if jobs.is_empty() {
            return store.job_signals().begun().await;
        }
        let (mut pause, mut failed) = (Duration::ZERO, 0);
        for job in &jobs {
            let started = Instant::now();
            let problem = self.slice(job).await.err();
            if let Some(error) = &problem {
                failed += 1;
                tracing::warn!(job = job.id, %error, "a job cannot continue now");
            }
            store.job_signals().set_problem(job.id, problem.map(|error| error.to_string()));
            pause = started.elapsed().min(LONGEST_PAUSE);
            // Other writes get as much time as the job.
            tokio::time::sleep(pause).await;
        }
        if failed == jobs.len() {
            tokio::time::sleep(RETRY_PAUSE.saturating_sub(pause)).await;
        }
    }

    /// Runs a slice of a job, and informs metrics, watchers and the engine of what it did.
    async fn slice(&self, job: &RunningJob) -> Result<(), StoreError> {
        let Delivering { store, clock, metrics, .. } = &*self.delivering;
        let now = clock.timestamp();
        match job.work.clone() {
            Work::Replay { name, request } => {
                let intakes = self.intakes(job.space.clone(), &request);
                let notices = self.reception.notices();
                if let Some(replayed) = store.replay_slice(job, name, request, now, notices, intakes).await? {
                    metrics.began(&job.space, replayed.deliveries);
                    metrics.ended(&job.space, Outcome::Filtered, replayed.filtered);
                    self.reception.lost(replayed.losses);
                    self.reception.wakeups.wake(replayed.lanes);
                }
            }
            Work::Redrive { loss } => {
                if store.is_full() {
                    return Err(StoreError::Full);
                }
                if let Some(redriven) = store.redrive_slice(job, loss, now).await? {
                    metrics.began(&job.space, redriven.deliveries);
                    self.reception.wakeups.wake(redriven.lanes);
                    redriven.waits_for.map_or(Ok(()), |job| Err(StoreError::GivingUp(job)))?;
                }
            }
            Work::Discard { loss } => {
                store.discard_slice(job, loss, now).await?;
            }
            Work::GiveUp { subscription_id, reason } => {
                let notices = self.reception.notices();
                if let Some(losses) = store.give_up_slice(job, subscription_id, reason, now, notices).await? {
                    self.reception.lost(losses);
                }
            }
        }
        self.report_end(job, now).await;
        Ok(())
    }

    /// Shows a job that has just ended to the watchers.
    async fn report_end(&self, job: &RunningJob, now: Timestamp) {
        let ended = self.delivering.store.job(job.space.clone(), job.id).await.unwrap_or_else(|error| {
            tracing::warn!(job = job.id, %error, "cannot read whether a job has ended");
            None
        });
        let Some(Job { state: JobState::Done, events, deliveries, .. }) = ended else { return };
        tracing::debug!(job = job.id, events, deliveries, at = %now, "a job is done");
        let space = job.space.clone();
        match &job.work {
            Work::Replay { name, .. } => {
                let replay = name.clone();
                self.delivering.feed.publish(|| Activity::Replayed { space, replay, events, deliveries });
            }
            Work::Redrive { .. } => {
                self.delivering.feed.publish(|| Activity::Redriven { space, deliveries });
            }
            Work::Discard { .. } if deliveries > 0 => {
                self.delivering.feed.publish(|| Activity::Discarded { space, deliveries });
            }
            Work::Discard { .. } | Work::GiveUp { .. } => {}
        }
    }

    /// Returns the decision about a stored event that is replayed, by the configuration of now.
    fn intakes(
        &self,
        space: String,
        request: &ReplayRequest,
    ) -> impl Fn(StoredEvent) -> Vec<Intake> + Send + 'static {
        let snapshot = self.delivering.configuration.current();
        let max_hops = self.reception.terms.max_hops;
        let named = if snapshot.catalog.routing.hosts { Named::Host } else { Named::Path };
        let only = request.subscription_id.as_ref().map(|id| {
            // A subscription that was deleted meanwhile gets nothing.
            let subscription = snapshot.catalog.table::<Subscription>().get(&space, id);
            subscription.map(|subscription| Arc::new(Target::new(subscription)))
        });
        move |stored| {
            let routed;
            let targets = match &only {
                Some(Some(target)) if target.subscription.event_type == stored.ty => {
                    std::slice::from_ref(target)
                }
                Some(_) => return Vec::new(),
                None => {
                    let place = Place { space: space.clone(), path: stored.path.clone(), named };
                    routed = snapshot.router.replayed(&place, &stored.ty, &stored.method);
                    routed.as_slice()
                }
            };
            intake_stored(targets, stored.json, max_hops)
        }
    }
}
