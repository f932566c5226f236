//! Manages the environments of one version of a function: their number, the choice for an invocation, and the end of
//! idle ones. Leaves invocations to `invocation`.
//!
//! Invariant: an environment is either idle here, or owned by the one task that uses it, and each such task holds a
//! permit. So there are never more processes than permits, except for those that are ending.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::FunctionSpec;
use super::environment::{Environment, NotTaken};
use super::extensions::Reason;
use super::init::InitFailure;
use super::invocation::{Completed, Invocation, Outcome, Over};
use super::log::{FunctionLog, ProcessLog};
use super::report::{Failure, end_line, start_line};
use super::work::Work;

#[derive(Debug)]
pub(super) struct Pool {
    spec: FunctionSpec,
    log: Arc<FunctionLog>,
    /// One per environment that may exist.
    permits: Arc<Semaphore>,
    settling: Arc<Settling>,
    rest: Mutex<Rest>,
    /// Cancelled when a newer version has taken over; waiting invocations move to it.
    superseded: CancellationToken,
    /// Cancelled when environments are no longer kept here.
    closed: CancellationToken,
    work: Work,
}

/// The idle environments.
#[derive(Debug, Default)]
struct Rest {
    /// Ordered by last use. The most recent one is reused first; the first one has been idle longest.
    environments: Vec<Resting>,
    /// Whether a task is waiting to end idle environments.
    reaping: bool,
    closed: bool,
}

#[derive(Debug)]
struct Resting {
    environment: Environment,
    since: Instant,
}

/// The number of environments that hold a permit after the end of their invocation.
#[derive(Debug, Default)]
struct Settling {
    count: AtomicUsize,
    /// Notified when an environment becomes idle or ends.
    over: Notify,
}

/// How long an invocation waits for an environment that is about to become idle, before it starts another.
const SOON: Duration = Duration::from_millis(50);

/// A permit for one busy environment.
pub(super) type Permit = OwnedSemaphorePermit;

/// Why an invocation gets no permit.
#[derive(Debug)]
pub(super) enum NoRoom {
    /// Another version has taken over.
    Superseded,
    /// The limit is reached, and the invocation must not wait.
    Throttled,
    /// The emulator has stopped.
    Stopped,
}

impl Pool {
    pub(super) fn new(spec: FunctionSpec, log: Arc<FunctionLog>, work: Work) -> Self {
        let most = spec.reserved_concurrency.unwrap_or_else(|| spec.concurrency.max(1));
        Self {
            permits: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            settling: Arc::default(),
            rest: Mutex::default(),
            superseded: CancellationToken::new(),
            closed: work.stop_token().child_token(),
            spec,
            log,
            work,
        }
    }

    pub(super) fn event_retries(&self) -> &[Duration] {
        &self.spec.event_retries
    }

    /// Ensures that one process is ready. Returns how long its start took; zero if it was ready.
    pub(super) async fn warm(self: &Arc<Self>) -> Result<Duration, InitFailure> {
        if self.spec.reserved_concurrency == Some(0) {
            return Ok(Duration::ZERO);
        }
        // A newer version prepares its own process.
        let Ok(permit) = self.enter().await else { return Err(InitFailure::Stopped) };
        if let Some(environment) = self.take() {
            self.rest_again(environment);
            return Ok(Duration::ZERO);
        }
        let environment = Environment::start(&self.spec, self.log.clone(), self.work.stop_token()).await?;
        let took = environment.init.unwrap_or_default();
        self.give_back(environment, permit);
        Ok(took)
    }

    /// Waits for a permit.
    pub(super) async fn enter(&self) -> Result<Permit, NoRoom> {
        tokio::select! {
            biased;
            () = self.superseded.cancelled() => Err(NoRoom::Superseded),
            // Nobody closes the semaphore.
            permit = self.permits.clone().acquire_owned() => permit.map_err(|_| NoRoom::Stopped),
            () = self.work.stop_token().cancelled() => Err(NoRoom::Stopped),
        }
    }

    /// Reserves a permit for a caller that must not wait. `None` if the caller may wait.
    pub(super) async fn reserve(&self) -> Result<Option<Permit>, NoRoom> {
        if self.spec.reserved_concurrency.is_none() {
            return Ok(None);
        }
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(Some(permit));
        }
        // An environment that has finished becomes idle in a moment.
        if self.settling.count.load(Ordering::Relaxed) > 0 {
            return self.enter().await.map(Some);
        }
        self.permits.clone().try_acquire_owned().map(Some).map_err(|_| NoRoom::Throttled)
    }

    /// Runs one invocation to its end, in an idle environment or a new one.
    pub(super) async fn invoke(self: &Arc<Self>, invocation: &Invocation, mut permit: Permit) -> Completed {
        // A process that died while it was idle has not seen the event, so another one gets it.
        while let Some(environment) = self.take_soon().await {
            match self.run(invocation, environment, permit).await {
                Ok(completed) => return completed,
                Err((_, again)) => permit = again,
            }
        }
        match Environment::start(&self.spec, self.log.clone(), self.work.stop_token()).await {
            Ok(environment) => match self.run(invocation, environment, permit).await {
                Ok(completed) => completed,
                Err((not_taken, _)) => self.lost(invocation, &not_taken),
            },
            Err(failure) => self.not_started(invocation, &failure),
        }
    }

    async fn run(
        self: &Arc<Self>,
        invocation: &Invocation,
        mut environment: Environment,
        permit: Permit,
    ) -> Result<Completed, (NotTaken, Permit)> {
        match invocation.run(&mut environment, &self.spec, self.work.stop_token()).await {
            Ok(Over { completed, end: None }) => {
                self.give_back(environment, permit);
                Ok(completed)
            }
            Ok(Over { completed, end: Some(reason) }) => {
                self.settle(async move { environment.stop(reason).await }, permit);
                Ok(completed)
            }
            Err(not_taken) => {
                drop(self.work.spawn_anyway(environment.stop(not_taken.end_of_environment())));
                Err((not_taken, permit))
            }
        }
    }

    /// Takes back an environment after its invocation. Releases the permit once it is ready for the next one.
    fn give_back(self: &Arc<Self>, mut environment: Environment, permit: Permit) {
        // Usually the next invocation waits until the process requests it. A frozen process cannot request, and
        // extensions may still be working.
        if !self.spec.freeze && !environment.extensions.are_there() {
            self.rest_again(environment);
            return;
        }
        let pool = self.clone();
        let settle = async move {
            match environment.ready(pool.spec.timeout, pool.work.stop_token()).await {
                Ok(()) => {
                    if pool.spec.freeze {
                        environment.freeze();
                    }
                    pool.rest_again(environment);
                }
                Err(not_taken) => environment.stop(not_taken.end_of_environment()).await,
            }
        };
        self.settle(settle, permit);
    }

    /// Finishes an invocation without its caller.
    fn settle(&self, work: impl Future<Output = ()> + Send + 'static, permit: Permit) {
        let settling = self.settling.clone();
        settling.count.fetch_add(1, Ordering::Relaxed);
        let work = async move {
            work.await;
            drop(permit);
            settling.count.fetch_sub(1, Ordering::Relaxed);
            settling.over.notify_waiters();
        };
        drop(self.work.spawn_anyway(work));
    }

    /// Moves waiting invocations to the version that has taken over.
    pub(super) fn supersede(&self) {
        self.superseded.cancel();
        self.close();
    }

    /// Ends idle environments, and busy ones once they are done.
    pub(super) fn close(&self) {
        self.closed.cancel();
        for resting in self.leave() {
            // The emulator's stop waits for this task.
            drop(self.work.spawn_anyway(resting.environment.stop(Reason::Spindown)));
        }
    }

    fn leave(&self) -> Vec<Resting> {
        let mut rest = self.rest();
        rest.closed = true;
        std::mem::take(&mut rest.environments)
    }

    fn take(&self) -> Option<Environment> {
        self.rest().environments.pop().map(|resting| resting.environment)
    }

    /// Returns an environment that is idle, or will be in a moment.
    async fn take_soon(&self) -> Option<Environment> {
        let end = Instant::now() + SOON;
        loop {
            let over = self.settling.over.notified();
            tokio::pin!(over);
            // No notification after this point is missed.
            over.as_mut().enable();
            let environment = self.take();
            if environment.is_some() || self.settling.count.load(Ordering::Relaxed) == 0 {
                return environment;
            }
            if tokio::time::timeout_at(end, over).await.is_err() {
                return self.take();
            }
        }
    }

    fn rest_again(self: &Arc<Self>, environment: Environment) {
        let mut rest = self.rest();
        if rest.closed {
            drop(self.work.spawn_anyway(environment.stop(Reason::Spindown)));
            return;
        }
        rest.environments.push(Resting { environment, since: Instant::now() });
        if !rest.reaping {
            rest.reaping = true;
            drop(self.work.spawn_anyway(self.clone().reap()));
        }
    }

    /// Ends environments that have been idle for too long. Returns once none is idle.
    async fn reap(self: Arc<Self>) {
        while let Some(end) = self.end_of_rest() {
            tokio::select! {
                biased;
                () = self.closed.cancelled() => return,
                () = tokio::time::sleep_until(end) => {}
            }
            for resting in self.rested_too_long() {
                resting.environment.stop(Reason::Spindown).await;
            }
        }
    }

    /// Returns when the environment that has been idle longest reaches the limit.
    fn end_of_rest(&self) -> Option<Instant> {
        let mut rest = self.rest();
        let end = rest.environments.first().map(|resting| resting.since + self.spec.idle_timeout);
        rest.reaping = end.is_some();
        end
    }

    fn rested_too_long(&self) -> Vec<Resting> {
        let mut rest = self.rest();
        let rested = |resting: &Resting| resting.since.elapsed() >= self.spec.idle_timeout;
        let count = rest.environments.iter().take_while(|resting| rested(resting)).count();
        rest.environments.drain(..count).collect()
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The result for a failed start. The process's own output is already in the log.
    fn not_started(&self, invocation: &Invocation, failure: &InitFailure) -> Completed {
        let request_id = &invocation.request_id;
        let line = format!("RequestId: {request_id} Error: {failure}");
        self.without_process(invocation, &line, failure.payload(request_id))
    }

    /// A new process requested an event and ended before it got one.
    fn lost(&self, invocation: &Invocation, not_taken: &NotTaken) -> Completed {
        let failure = match *not_taken {
            _ if self.work.stop_token().is_cancelled() => Failure::Stopped,
            NotTaken::Ended(status) => Failure::Exited(status),
            NotTaken::Late => Failure::TimedOut(self.spec.timeout),
            NotTaken::Extension(trouble) => Failure::Extension(trouble),
            NotTaken::Stopped => Failure::Stopped,
        };
        self.failed(invocation, failure)
    }

    pub(super) fn failed(&self, invocation: &Invocation, failure: Failure) -> Completed {
        let request_id = &invocation.request_id;
        let line = failure.log_line(request_id, OffsetDateTime::now_utc());
        self.without_process(invocation, &line, failure.payload(request_id))
    }

    /// The result of an invocation that no process has seen: only the failure.
    fn without_process(&self, invocation: &Invocation, line: &str, payload: Bytes) -> Completed {
        let request_id = &invocation.request_id;
        let log = ProcessLog::new(self.log.clone());
        log.lines(&[&start_line(request_id), line, &end_line(request_id)]);
        Completed { outcome: Outcome::FunctionError(payload), log_tail: log.tail() }
    }
}
