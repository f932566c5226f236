//! The deployed functions, by id.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::FunctionSpec;
use super::function::Function;
use super::init::InitFailure;
use super::work::Work;

/// The registry, shared by all parts of an emulator; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Registry {
    functions: Arc<RwLock<BTreeMap<String, Arc<Function>>>>,
    work: Work,
}

impl Registry {
    /// Creates an empty registry. Tasks run on the current runtime.
    pub(super) fn new() -> Self {
        Self { functions: Arc::default(), work: Work::new() }
    }

    pub(super) fn work(&self) -> &Work {
        &self.work
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Function>> {
        self.functions.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Adds a function. Returns `false` if one with that id exists, which stays.
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

    /// Adds `fresh`, created from `spec`, once it is ready. If the function exists, `spec` becomes its new version.
    pub(super) async fn replace(&self, spec: FunctionSpec, fresh: Function) -> Result<Duration, InitFailure> {
        if let Some(function) = self.get(&spec.id) {
            return function.replace(spec).await;
        }
        let fresh = Arc::new(fresh);
        let took = fresh.warm().await?;
        if self.add(spec.id.clone(), fresh.clone()) {
            return Ok(took);
        }
        // Another call was faster.
        fresh.close();
        match self.get(&spec.id) {
            Some(function) => function.replace(spec).await,
            None => Ok(took),
        }
    }

    /// Removes a function, so that it gets no further invocations.
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

    /// Stops, and returns once no process is left.
    pub(super) async fn shut_down(&self) {
        self.stop();
        self.work.finished().await;
    }
}
