//! A function: its log and its current version. Leaves invocations of a version to `pool`.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;

use super::FunctionSpec;
use super::init::InitFailure;
use super::invocation::{Completed, Invocation};
use super::log::{FunctionLog, ProcessLog};
use super::pool::{NoRoom, Permit, Pool};
use super::printed::Stream;
use super::report::Failure;
use super::status::InvokeError;
use super::work::Work;

#[derive(Debug)]
pub(super) struct Function {
    log: Arc<FunctionLog>,
    current: RwLock<Current>,
    /// Held while a new version starts, so that the last deployed version wins.
    replacing: Mutex<()>,
    work: Work,
}

/// A reserved place in one version, for one invocation.
#[derive(Debug)]
pub(super) struct Place {
    pool: Arc<Pool>,
    permit: Permit,
}

#[derive(Debug)]
struct Current {
    pool: Arc<Pool>,
    /// Whether the function was removed. A version that becomes ready afterwards keeps no process.
    removed: bool,
}

impl Function {
    pub(super) fn new(spec: FunctionSpec, log: FunctionLog, work: Work) -> Self {
        let log = Arc::new(log);
        let pool = Arc::new(Pool::new(spec, log.clone(), work.clone()));
        Self {
            log,
            current: RwLock::new(Current { pool, removed: false }),
            replacing: Mutex::default(),
            work,
        }
    }

    /// Ensures that one process is ready. Returns how long its start took; zero if it was ready.
    pub(super) async fn warm(&self) -> Result<Duration, InitFailure> {
        self.current().warm().await
    }

    /// Reserves room for an invocation whose caller must not wait, because its concurrency is reserved.
    pub(super) async fn reserve(&self) -> Result<Option<Place>, InvokeError> {
        loop {
            let pool = self.current();
            return match pool.reserve().await {
                Ok(permit) => Ok(permit.map(|permit| Place { pool, permit })),
                Err(NoRoom::Superseded) => continue,
                Err(NoRoom::Throttled) => Err(InvokeError::Throttled),
                Err(NoRoom::Stopped) => Err(InvokeError::Stopping),
            };
        }
    }

    /// Runs one invocation to its end, in the reserved place if given. Otherwise it waits while all environments are
    /// busy and the limit is reached. If a new version takes over in the meantime, the invocation goes there.
    pub(super) async fn invoke(&self, invocation: &Invocation, place: Option<Place>) -> Completed {
        if let Some(Place { pool, permit }) = place {
            return pool.invoke(invocation, permit).await;
        }
        loop {
            let pool = self.current();
            match pool.enter().await {
                Ok(permit) => return pool.invoke(invocation, permit).await,
                Err(NoRoom::Superseded) => {}
                Err(NoRoom::Throttled | NoRoom::Stopped) => {
                    return pool.failed(invocation, Failure::Stopped);
                }
            }
        }
    }

    /// Returns the delays before the retries of an event.
    pub(super) fn event_retries(&self) -> Vec<Duration> {
        self.current().event_retries().to_vec()
    }

    /// Writes a line of Lambda that belongs to no process.
    pub(super) fn note(&self, line: &str) {
        ProcessLog::new(self.log.clone()).line(line);
        self.log.report(Stream::Stderr, line.as_bytes());
    }

    /// Starts a process of the new version, which takes over once it is ready. Until then, or if it never becomes
    /// ready, the old version continues.
    pub(super) async fn replace(&self, spec: FunctionSpec) -> Result<Duration, InitFailure> {
        let _replacing = self.replacing.lock().await;
        let pool = Arc::new(Pool::new(spec, self.log.clone(), self.work.clone()));
        let took = pool.warm().await?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.removed {
            pool.close();
        }
        std::mem::replace(&mut current.pool, pool).supersede();
        Ok(took)
    }

    /// Finishes the accepted invocations and ends all other processes.
    pub(super) fn close(&self) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.removed = true;
        current.pool.close();
    }

    fn current(&self) -> Arc<Pool> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).pool.clone()
    }
}
