//! The functions that exist, by their ids. Leaves what a function does to it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::FunctionSpec;
use super::function::Function;
use super::init::InitFailure;
use super::work::Work;

/// Shared by all parts of an emulator; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Registry {
    functions: Arc<RwLock<BTreeMap<String, Arc<Function>>>>,
    work: Work,
}

impl Registry {
    /// Without functions. Tasks run on the current runtime.
    pub(super) fn new() -> Self {
        Self { functions: Arc::default(), work: Work::new() }
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

    /// Ends every invocation and starts to end every process.
    pub(super) fn stop(&self) {
        self.work.stop();
        for function in self.functions.read().unwrap_or_else(PoisonError::into_inner).values() {
            function.close();
        }
    }

    /// Stops, and returns when no process is left.
    pub(super) async fn shut_down(&self) {
        self.stop();
        self.work.finished().await;
    }
}
