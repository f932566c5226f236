//! The environments of one version of a function: how many there may be, which of them takes an
//! invocation, and when one is no longer needed. Does not look inside invocations.
//!
//! Invariant: an environment is either at rest here or owned by the one task that works with it, and
//! each such task holds a permit. So there are never more processes than permits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::FunctionSpec;
use super::environment::{Environment, NotTaken};
use super::init::InitFailure;
use super::invocation::{Completed, Invocation, Outcome};
use super::log::{FunctionLog, ProcessLog};
use super::registry::Work;
use super::report::{Failure, end_line, start_line};

#[derive(Debug)]
pub(super) struct Pool {
    spec: FunctionSpec,
    log: Arc<FunctionLog>,
    /// One per environment that may exist.
    permits: Semaphore,
    rest: Mutex<Rest>,
    /// Cancelled when a newer version has taken over: who still waits here goes there.
    superseded: CancellationToken,
    /// Cancelled when nothing comes to rest here any more.
    closed: CancellationToken,
    work: Work,
}

/// The environments that wait for work.
#[derive(Debug, Default)]
struct Rest {
    /// The last one used is the last, and used first: it is the warmest. So the first has rested longest.
    environments: Vec<Resting>,
    /// Whether a task looks after those that have rested too long.
    reaping: bool,
    closed: bool,
}

#[derive(Debug)]
struct Resting {
    environment: Environment,
    since: Instant,
}

/// Another version has taken over before there was room for an invocation in this one.
#[derive(Debug)]
pub(super) struct Superseded;

impl Pool {
    pub(super) fn new(spec: FunctionSpec, log: Arc<FunctionLog>, work: Work) -> Self {
        let permits = Semaphore::new(spec.concurrency.clamp(1, Semaphore::MAX_PERMITS));
        let closed = work.stop_token().child_token();
        Self {
            spec,
            log,
            permits,
            rest: Mutex::default(),
            superseded: CancellationToken::new(),
            closed,
            work,
        }
    }

    /// Makes sure that one process is ready, and says how long its start took: nothing, if it was.
    pub(super) async fn warm(self: &Arc<Self>) -> Result<Duration, InitFailure> {
        let _permit = self.permits.acquire().await.map_err(|_| InitFailure::Stopped)?;
        if let Some(environment) = self.take() {
            self.give_back(environment);
            return Ok(Duration::ZERO);
        }
        let environment = Environment::start(&self.spec, self.log.clone(), self.work.stop_token()).await?;
        let took = environment.init.unwrap_or_default();
        self.give_back(environment);
        Ok(took)
    }

    /// Waits until there may be one more busy environment.
    pub(super) async fn enter(&self) -> Result<SemaphorePermit<'_>, Superseded> {
        tokio::select! {
            biased;
            () = self.superseded.cancelled() => Err(Superseded),
            // Nobody closes it.
            permit = self.permits.acquire() => permit.map_err(|_| Superseded),
        }
    }

    /// Runs one invocation to its end, in an environment at rest or a new one.
    pub(super) async fn invoke(
        self: &Arc<Self>,
        invocation: &Invocation,
        _permit: SemaphorePermit<'_>,
    ) -> Completed {
        // A process that died while it was idle has not seen the event: another one takes it.
        while let Some(environment) = self.take() {
            if let Ok(completed) = self.run(invocation, environment).await {
                return completed;
            }
        }
        match Environment::start(&self.spec, self.log.clone(), self.work.stop_token()).await {
            Ok(environment) => {
                let ran = self.run(invocation, environment).await;
                ran.unwrap_or_else(|not_taken| self.lost(invocation, &not_taken))
            }
            Err(failure) => self.not_started(invocation, &failure),
        }
    }

    async fn run(
        self: &Arc<Self>,
        invocation: &Invocation,
        mut environment: Environment,
    ) -> Result<Completed, NotTaken> {
        match invocation.run(&mut environment, &self.spec, self.work.stop_token()).await {
            Ok((completed, true)) => {
                self.give_back(environment);
                Ok(completed)
            }
            Ok((completed, false)) => {
                environment.stop().await;
                Ok(completed)
            }
            Err(not_taken) => {
                environment.stop().await;
                Err(not_taken)
            }
        }
    }

    /// Sends those who wait for room to the version that has taken over.
    pub(super) fn supersede(&self) {
        self.superseded.cancel();
        self.close();
    }

    /// Ends the environments that are at rest, and those at work as soon as they are done.
    pub(super) fn close(&self) {
        self.closed.cancel();
        for resting in self.leave() {
            // Whoever stops the emulator waits for it.
            drop(self.work.spawn_anyway(resting.environment.stop()));
        }
    }

    /// Ends the environments that are at rest, once the emulator has stopped.
    pub(super) async fn stop(&self) {
        for resting in self.leave() {
            resting.environment.stop().await;
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

    fn give_back(self: &Arc<Self>, environment: Environment) {
        let mut rest = self.rest();
        if rest.closed {
            drop(self.work.spawn_anyway(environment.stop()));
            return;
        }
        rest.environments.push(Resting { environment, since: Instant::now() });
        if !rest.reaping {
            rest.reaping = true;
            drop(self.work.spawn_anyway(self.clone().reap()));
        }
    }

    /// Ends environments that nobody has needed for long; is over when none is at rest.
    async fn reap(self: Arc<Self>) {
        while let Some(end) = self.end_of_rest() {
            tokio::select! {
                biased;
                () = self.closed.cancelled() => return,
                () = tokio::time::sleep_until(end) => {}
            }
            for resting in self.rested_too_long() {
                resting.environment.stop().await;
            }
        }
    }

    /// When the environment that has rested longest has rested long enough.
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

    /// The start failed. The process's own words are in the log already.
    fn not_started(&self, invocation: &Invocation, failure: &InitFailure) -> Completed {
        let request_id = &invocation.request_id;
        self.without_process(
            request_id,
            &format!("RequestId: {request_id} Error: {failure}"),
            failure.payload(request_id),
        )
    }

    /// A fresh process asked for an event, and was gone before it could be handed over.
    fn lost(&self, invocation: &Invocation, not_taken: &NotTaken) -> Completed {
        let failure = match not_taken.status {
            _ if self.work.stop_token().is_cancelled() => Failure::Stopped,
            Some(status) => Failure::Exited(status),
            None => Failure::TimedOut(self.spec.timeout),
        };
        let request_id = &invocation.request_id;
        self.without_process(request_id, &failure.log_line(request_id), failure.payload(request_id))
    }

    /// An invocation that no process has seen. There is nothing to report but the failure.
    fn without_process(&self, request_id: &str, line: &str, payload: Bytes) -> Completed {
        let log = ProcessLog::new(self.log.clone());
        log.line(&start_line(request_id));
        log.line(line);
        log.line(&end_line(request_id));
        Completed { outcome: Outcome::FunctionError(payload), log_tail: log.tail() }
    }
}
