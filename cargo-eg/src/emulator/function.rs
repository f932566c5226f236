//! One function: its log, and the version of it that takes invocations now. What a version does with
//! an invocation is the pool's business.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;

use super::FunctionSpec;
use super::init::InitFailure;
use super::invocation::{Completed, Invocation};
use super::log::FunctionLog;
use super::pool::Pool;
use super::registry::Work;

#[derive(Debug)]
pub(super) struct Function {
    log: Arc<FunctionLog>,
    current: RwLock<Current>,
    /// Held while a new version gets ready, so that the one deployed last is the one that stays.
    replacing: Mutex<()>,
    work: Work,
}

#[derive(Debug)]
struct Current {
    pool: Arc<Pool>,
    /// Whether the function has been removed; a version that gets ready afterwards keeps no process.
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

    /// Makes sure that one process is ready, and says how long its start took: nothing, if it was.
    pub(super) async fn warm(&self) -> Result<Duration, InitFailure> {
        self.current().warm().await
    }

    /// Runs one invocation to its end. Waits when all environments are busy and the limit is reached;
    /// when a new version takes over meanwhile, the invocation goes there.
    pub(super) async fn invoke(&self, invocation: &Invocation) -> Completed {
        loop {
            let pool = self.current();
            if let Ok(permit) = pool.enter().await {
                return pool.invoke(invocation, permit).await;
            }
        }
    }

    /// Starts a process of the new version and lets it take over once it is ready. Until then, and
    /// for good when it does not get ready, the old version goes on.
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

    /// Lets the invocations end that have been accepted, and keeps no process for others.
    pub(super) fn close(&self) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.removed = true;
        current.pool.close();
    }

    /// Ends the environments at rest. Busy ones end by the stop token.
    pub(super) async fn stop(&self) {
        self.current().stop().await;
    }

    fn current(&self) -> Arc<Pool> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).pool.clone()
    }
}
