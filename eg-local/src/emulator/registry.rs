//! The functions that exist, and the tasks that work for them.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::FunctionSpec;
use super::function::Function;
use super::init::InitFailure;
use super::status::InvokeError;
use super::thread::{Lookout, Thread};

/// Shared by all parts of an emulator; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Registry {
    functions: Arc<RwLock<BTreeMap<String, Arc<Function>>>>,
    work: Work,
}

/// The tasks of an emulator, and the word to stop them.
#[derive(Debug, Clone)]
pub(super) struct Work {
    thread: Handle,
    lookout: Lookout,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Work {
    /// Cancelled when the emulator stops.
    pub(super) fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// The next step of an invocation may be near: the thread stays awake for a moment.
    pub(super) fn expect_more(&self) {
        self.lookout.expect_more();
    }

    /// Runs `work` to its end, whoever waits for it, unless the emulator is stopping.
    pub(super) fn spawn<F>(&self, work: F) -> Result<JoinHandle<F::Output>, InvokeError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        if self.stop.is_cancelled() {
            return Err(InvokeError::Stopping);
        }
        Ok(self.spawn_anyway(work))
    }

    /// Runs what has to be done also while the emulator is stopping, which waits for it.
    pub(super) fn spawn_anyway<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tasks.spawn_on(work, &self.thread)
    }
}

impl Registry {
    /// Without functions; tasks run on `thread`.
    pub(super) fn new(thread: &Thread) -> Self {
        let work = Work {
            thread: thread.handle().clone(),
            lookout: thread.lookout().clone(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Self { functions: Arc::default(), work }
    }

    pub(super) fn work(&self) -> &Work {
        &self.work
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Function>> {
        self.functions.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Adds a function. `false`: there is one with that id already, which stays.
    pub(super) fn add(&self, id: String, function: Arc<Function>) -> bool {
        use std::collections::btree_map::Entry;
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        match functions.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(function);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Adds `fresh`, made of `spec`, once it is ready; lets `spec` take over when its function exists.
    pub(super) async fn replace(&self, spec: FunctionSpec, fresh: Function) -> Result<Duration, InitFailure> {
        if let Some(function) = self.get(&spec.id) {
            return function.replace(spec).await;
        }
        let fresh = Arc::new(fresh);
        let took = fresh.warm().await?;
        if self.add(spec.id.clone(), fresh.clone()) {
            return Ok(took);
        }
        // Somebody else was quicker.
        fresh.close();
        match self.get(&spec.id) {
            Some(function) => function.replace(spec).await,
            None => Ok(took),
        }
    }

    /// Takes a function out, so that it gets no further invocations.
    pub(super) fn remove(&self, id: &str) -> Option<Arc<Function>> {
        self.functions.write().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    /// Stops every function; returns when no process is left.
    pub(super) async fn shut_down(&self) {
        self.work.stop.cancel();
        let functions: Vec<_> =
            self.functions.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for function in functions {
            function.close();
        }
        self.work.tasks.close();
        self.work.tasks.wait().await;
    }
}
