//! The tasks of one emulator, and the signal that stops them. Knows nothing about functions.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::status::InvokeError;

/// The tasks of an emulator, and the signal that stops them.
#[derive(Debug, Clone)]
pub(super) struct Work {
    runtime: Handle,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Work {
    /// Creates an empty set of tasks on the current runtime.
    pub(super) fn new() -> Self {
        Self { runtime: Handle::current(), tasks: TaskTracker::new(), stop: CancellationToken::new() }
    }

    /// Asks all tasks to stop.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Returns when no task is left, including those that are spawned meanwhile.
    pub(super) async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Returns the runtime on which the emulator was started.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Cancelled when the emulator stops.
    pub(super) fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Runs `work` to its end on the emulator's runtime, unless the emulator is stopping.
    pub(super) fn spawn<F>(&self, work: F) -> Result<JoinHandle<F::Output>, InvokeError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        if self.stop.is_cancelled() {
            return Err(InvokeError::Stopping);
        }
        Ok(self.spawn_anyway(work))
    }

    /// Runs `work` even while the emulator is stopping; [`finished`](Self::finished) waits for it.
    pub(super) fn spawn_anyway<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tasks.spawn_on(work, &self.runtime)
    }
}
