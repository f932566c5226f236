//! The functions that exist, and the tasks that work for them.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::function::Function;
use super::status::InvokeError;

/// Shared by all parts of an emulator; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry {
    functions: Arc<RwLock<BTreeMap<String, Arc<Function>>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Registry {
    /// Cancelled when the emulator stops.
    pub(super) fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Function>> {
        self.functions.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Adds a function. `false`: there is one with that id already, which stays.
    pub(super) fn add(&self, id: String, function: Function) -> bool {
        use std::collections::btree_map::Entry;
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        match functions.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(Arc::new(function));
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Runs `work` to its end, whoever waits for it, unless the emulator is stopping.
    pub(super) fn spawn<F>(&self, work: F) -> Result<JoinHandle<F::Output>, InvokeError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        if self.stop.is_cancelled() {
            return Err(InvokeError::Stopping);
        }
        Ok(self.tasks.spawn(work))
    }

    /// Stops every function; returns when no process is left.
    pub(super) async fn shut_down(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let functions: Vec<_> =
            self.functions.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for function in functions {
            function.stop_idle().await;
        }
    }
}
