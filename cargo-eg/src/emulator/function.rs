//! One function: its environments, how many there may be, and which of them takes an invocation.
//! Does not look inside invocations.
//!
//! Invariant: an environment is either in `idle` or owned by the one task that works with it, and each
//! such task holds a permit. So there are never more processes than permits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::FunctionSpec;
use super::environment::{Environment, NotTaken};
use super::init::InitFailure;
use super::invocation::{Completed, Invocation, Outcome};
use super::log::{FunctionLog, ProcessLog};
use super::report::{Failure, end_line, start_line};

#[derive(Debug)]
pub(super) struct Function {
    spec: FunctionSpec,
    log: Arc<FunctionLog>,
    /// One per environment that may exist.
    permits: Semaphore,
    /// Environments that wait for work. The last one used is used first: it is the warmest.
    idle: Mutex<Vec<Environment>>,
    stop: CancellationToken,
}

impl Function {
    pub(super) fn new(spec: FunctionSpec, log: FunctionLog, stop: CancellationToken) -> Self {
        let permits = Semaphore::new(spec.concurrency.clamp(1, Semaphore::MAX_PERMITS));
        Self { spec, log: Arc::new(log), permits, idle: Mutex::default(), stop }
    }

    /// Makes sure that one process is ready, and says how long its start took: nothing, if it was.
    pub(super) async fn warm(&self) -> Result<Duration, InitFailure> {
        let _permit = self.permits.acquire().await.map_err(|_| InitFailure::Stopped)?;
        if let Some(environment) = self.take_idle() {
            self.give_back(environment);
            return Ok(Duration::ZERO);
        }
        let environment = Environment::start(&self.spec, self.log.clone(), &self.stop).await?;
        let took = environment.init.unwrap_or_default();
        self.give_back(environment);
        Ok(took)
    }

    /// Runs one invocation to its end, in an idle environment or a new one. Waits when all are busy
    /// and the limit is reached.
    pub(super) async fn invoke(&self, invocation: &Invocation) -> Completed {
        let Ok(_permit) = self.permits.acquire().await else {
            return self.failed(invocation, Failure::Stopped);
        };
        // A process that died while it was idle has not seen the event: another one takes it.
        while let Some(environment) = self.take_idle() {
            if let Ok(completed) = self.run(invocation, environment).await {
                return completed;
            }
        }
        let environment = match Environment::start(&self.spec, self.log.clone(), &self.stop).await {
            Ok(environment) => environment,
            Err(failure) => return self.not_started(invocation, &failure),
        };
        self.run(invocation, environment).await.unwrap_or_else(|not_taken| self.lost(invocation, &not_taken))
    }

    async fn run(
        &self,
        invocation: &Invocation,
        mut environment: Environment,
    ) -> Result<Completed, NotTaken> {
        let result = invocation.run(&mut environment, &self.spec, &self.stop).await;
        match result {
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

    /// Kills the environments that are idle. Busy ones end by the stop token.
    pub(super) async fn stop_idle(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for environment in idle {
            environment.stop().await;
        }
    }

    fn take_idle(&self) -> Option<Environment> {
        self.idle().pop()
    }

    fn give_back(&self, environment: Environment) {
        self.idle().push(environment);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Environment>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.failed(
            invocation,
            match not_taken.status {
                _ if self.stop.is_cancelled() => Failure::Stopped,
                Some(status) => Failure::Exited(status),
                None => Failure::TimedOut(self.spec.timeout),
            },
        )
    }

    fn failed(&self, invocation: &Invocation, failure: Failure) -> Completed {
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
