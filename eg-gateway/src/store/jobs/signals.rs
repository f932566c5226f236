//! Wakes the runner of the jobs when there is work, and callers when a job has progressed or cannot continue. Stores
//! nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Connects the runner of the jobs with those who create jobs or wait for them.
#[derive(Debug, Default)]
pub(crate) struct JobSignals {
    begun: Notify,
    progressed: Notify,
    /// Why jobs cannot continue now.
    problems: Mutex<HashMap<i64, String>>,
}

impl JobSignals {
    /// Returns when there may be new work.
    pub(crate) async fn begun(&self) {
        self.begun.notified().await;
    }

    /// Notes why a job cannot continue, or that it can.
    pub(crate) fn set_problem(&self, job: i64, problem: Option<String>) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(problem) => {
                problems.insert(job, problem);
                self.progress();
            }
            None => drop(problems.remove(&job)),
        }
    }

    /// Forgets the problems of jobs that do not run any more.
    pub(crate) fn keep_problems_of(&self, running: impl Fn(i64) -> bool) {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).retain(|job, _| running(*job));
    }

    /// Returns why a job cannot continue now.
    pub(super) fn problem(&self, job: i64) -> Option<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).get(&job).cloned()
    }

    /// Wakes the runner.
    pub(in crate::store) fn begin(&self) {
        self.begun.notify_one();
    }

    /// Wakes those who wait for the progress of a job.
    pub(in crate::store) fn progress(&self) {
        self.progressed.notify_waiters();
    }

    /// Returns when a job has progressed.
    pub(super) fn progressed(&self) -> Notified<'_> {
        self.progressed.notified()
    }
}
