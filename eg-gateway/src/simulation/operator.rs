//! Makes the requests of operators in a history: redrives and discards given-up deliveries, replays stored events, and
//! cancels and resumes jobs. `oracle` checks what came of them.

use std::time::Duration;

use eg_sdk::CloudEvent;
use eg_sdk::history::{JobState, Loss, ReplayRequest};

use super::process::Process;
use super::world::{EVENT, SUBSCRIBERS};
use crate::decide::router::DEFAULT_SPACE;
use crate::store::{Redrive, Work};
use crate::timestamp::Timestamp;

/// How long an operator waits for the end of a job.
const PATIENCE: Duration = Duration::from_secs(20);

impl Process {
    /// Makes one request, or two at the same time for the same delivery.
    pub(super) async fn operate(&self) {
        let (letters, idle) = {
            let oracle = self.world.oracle.lock().unwrap();
            (oracle.letters(), !oracle.jobs_run())
        };
        let (request, one) = self.world.machine.choose(|rng| (rng.u32(..20), rng.choice(letters)));
        let loss =
            self.world.machine.choose(|rng| if rng.u32(..4) == 0 { Loss::Expired } else { Loss::Dead });
        match (request, one) {
            (0..5, Some(one)) if idle => self.redrive(one).await,
            (5..8, Some(one)) if idle => self.discard(one).await,
            (8..11, Some(one)) if idle => {
                tokio::join!(self.redrive(one), self.discard(one));
            }
            (11..14, _) => self.job(Work::Redrive { loss }).await,
            (14..16, _) => self.job(Work::Discard { loss }).await,
            _ => self.replay().await,
        }
    }

    /// Ends all jobs, then redrives or discards what was given up: nothing in the store needs to stay there.
    pub(super) async fn clean_up(&self) {
        let now = self.world.machine.now();
        let store = &self.reception.store;
        let jobs = store.jobs(DEFAULT_SPACE.to_owned(), None, 1000).await.unwrap().jobs;
        for job in jobs.iter().filter(|job| job.state == JobState::Cancelled) {
            store.set_job_running(DEFAULT_SPACE.to_owned(), job.job_id, true, now).await.unwrap();
        }
        self.job(Work::Redrive { loss: Loss::Dead }).await;
        self.rest().await;
        self.job(Work::Discard { loss: Loss::Dead }).await;
        self.job(Work::Discard { loss: Loss::Expired }).await;
    }

    /// Redrives one delivery, sometimes with an edited event.
    async fn redrive(&self, one: i64) {
        let edit = self.world.machine.choose(|rng| (rng.u32(..3) == 0).then(|| rng.u32(..1000)));
        let edited = {
            let mut oracle = self.world.oracle.lock().unwrap();
            let edited = edit.map(|edit| {
                let event = CloudEvent::from_json(oracle.event_of(one).as_bytes()).unwrap();
                event.with_extension("edited", edit).to_json().unwrap()
            });
            oracle.redrive_begins(one, edited.clone());
            edited
        };
        let how = if edited.is_some() { "edited and redriven" } else { "redriven" };
        let (space, now) = (DEFAULT_SPACE.to_owned(), self.world.machine.now());
        let redriven = self.reception.store.redrive(space, one, edited, now).await;
        self.world.note(format_args!("delivery {one} is {how}: {redriven:?}"));
        let due = redriven.as_ref().ok().map(|redriven| matches!(redriven, Redrive::Due(_)));
        let finding = self.world.oracle.lock().unwrap().redrive_ends(due);
        self.world.check(finding);
        if let Ok(Redrive::Due(lane)) = redriven {
            self.reception.wakeups.wake([lane]);
        }
    }

    /// Discards one delivery.
    async fn discard(&self, one: i64) {
        self.world.oracle.lock().unwrap().discard_begins(one);
        let (space, now) = (DEFAULT_SPACE.to_owned(), self.world.machine.now());
        let discarded = self.reception.store.discard(space, one, now).await;
        self.world.note(format_args!("delivery {one} is discarded: {discarded:?}"));
        let finding = self.world.oracle.lock().unwrap().discard_ends(discarded.ok());
        self.world.check(finding);
    }

    /// Replays the events of some time, of all types or one, to one subscription or all.
    async fn replay(&self) {
        let now = self.world.machine.now();
        let work = self.world.machine.choose(|rng| {
            let from = now.saturating_sub(Duration::from_secs(rng.u64(1..10)));
            let to = rng.bool().then(|| now.saturating_sub(Duration::from_secs(rng.u64(..4))));
            let only = if rng.bool() { rng.choice(SUBSCRIBERS) } else { None };
            let request = ReplayRequest {
                from: Some(from.date_time()),
                to: to.map(Timestamp::date_time),
                ty: rng.bool().then(|| EVENT.to_owned()),
                subscription_id: only.map(str::to_owned),
                ..ReplayRequest::default()
            };
            Work::Replay { name: format!("{:08x}", rng.u32(..)), request }
        });
        self.job(work).await;
    }

    /// Creates a job, sometimes cancels and resumes it, and waits for its end.
    async fn job(&self, work: Work) {
        let store = &self.reception.store;
        let space = || DEFAULT_SPACE.to_owned();
        let before = self.world.oracle.lock().unwrap().job_begins(&work);
        let begun = store.begin_job(space(), work.clone(), self.world.machine.now()).await;
        self.world.note(format_args!("job {begun:?}: {work:?}"));
        let Ok(id) = begun else { return };
        if self.world.machine.choose(|rng| rng.u32(..4) == 0) {
            let cancelled = store.set_job_running(space(), id, false, self.world.machine.now()).await;
            self.wait(1..2_000).await;
            let resumed = store.set_job_running(space(), id, true, self.world.machine.now()).await;
            self.world.note(format_args!("job {id} is cancelled: {cancelled:?}, and resumed: {resumed:?}"));
        }
        let job = store.job_within(space(), id, PATIENCE).await;
        self.world.note(format_args!("job {id} is now {job:?}"));
        if let Ok(Some(job)) = job
            && job.state == JobState::Done
        {
            let finding = self.world.oracle.lock().unwrap().job_done(&work, &before, &job);
            self.world.check(finding);
        }
    }
}
