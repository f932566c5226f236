//! What an app does around the events of Lambda: before a snapshot, after a restore, after each answer, and at the end. `app` collects the
//! hooks; the clients of the Runtime API run them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::deadline::Deadline;
use crate::error::Error;
use crate::log::{Level, print};
use crate::panics;

type HookFuture = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Runs once in the life of a process.
type Once = Box<dyn FnOnce() -> HookFuture + Send>;

/// Runs after each invocation.
type Each = Arc<dyn Fn() -> HookFuture + Send + Sync>;

/// The hooks of an app.
#[derive(Default)]
pub(crate) struct Hooks {
    before_snapshot: Vec<Once>,
    after_restore: Vec<Once>,
    on_shutdown: Vec<Once>,
    pub(super) after_answer: AfterAnswer,
}

/// The hooks that run after each answer.
#[derive(Clone, Default)]
pub(super) struct AfterAnswer(Vec<Each>);

impl Hooks {
    pub(crate) fn before_snapshot<F, Fut, E>(&mut self, hook: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        self.before_snapshot.push(Box::new(move || boxed(hook())));
    }

    pub(crate) fn after_restore<F, Fut, E>(&mut self, hook: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        self.after_restore.push(Box::new(move || boxed(hook())));
    }

    pub(crate) fn after_answer<F, Fut, E>(&mut self, hook: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        self.after_answer.0.push(Arc::new(move || boxed(hook())));
    }

    pub(crate) fn on_shutdown<F, Fut, E>(&mut self, hook: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        self.on_shutdown.push(Box::new(move || boxed(hook())));
    }

    /// Returns whether something is to be done when the process ends.
    pub(super) fn has_on_shutdown(&self) -> bool {
        !self.on_shutdown.is_empty()
    }

    /// Takes out the hooks that run at the end of the process.
    pub(super) fn take_on_shutdown(&mut self) -> Self {
        Self { on_shutdown: std::mem::take(&mut self.on_shutdown), ..Self::default() }
    }

    /// Runs the hooks at the end of the process, those that were registered last first. A failure is printed, and the others
    /// run nevertheless.
    pub(crate) async fn run_on_shutdown(&mut self) {
        for hook in self.on_shutdown.drain(..).rev() {
            if let Err(failure) = run(std::iter::once(hook)).await {
                print(Level::Warn, &format!("a hook at the end of the process failed: {failure}"));
            }
        }
    }

    /// Runs the hooks before the snapshot. What was registered last may need what was registered first, so it goes first.
    ///
    /// # Errors
    /// That of the first hook that fails.
    pub(super) async fn run_before_snapshot(&mut self) -> Result<(), String> {
        run(self.before_snapshot.drain(..).rev()).await
    }

    /// Runs the hooks after the restore, in their order.
    ///
    /// # Errors
    /// That of the first hook that fails.
    pub(super) async fn run_after_restore(&mut self) -> Result<(), String> {
        run(self.after_restore.drain(..)).await
    }
}

impl AfterAnswer {
    /// Runs the hooks until the deadline of the invocation, whose answer is on its way. A failure is printed.
    pub(super) async fn run(&self, deadline: Option<Deadline>) {
        for hook in &self.0 {
            let outcome = panics::catch_in(async { hook().await.map_err(|error| error.to_string()) });
            let outcome = match deadline {
                Some(deadline) => tokio::time::timeout_at(deadline.cancels_at().into(), outcome).await,
                None => Ok(outcome.await),
            };
            let failure = match outcome {
                Ok(Ok(Ok(()))) => continue,
                Ok(Ok(Err(error))) => error,
                Ok(Err(panic)) => panic.message,
                Err(_) => "its time is up".to_owned(),
            };
            print(Level::Warn, &format!("a hook after the answer failed: {failure}"));
        }
    }
}

async fn run(hooks: impl Iterator<Item = Once>) -> Result<(), String> {
    for hook in hooks {
        let outcome = panics::catch_in(async { hook().await.map_err(|error| error.to_string()) }).await;
        outcome.unwrap_or_else(|panic| Err(panic.message))?;
    }
    Ok(())
}

fn boxed<E: Into<Error>>(hook: impl Future<Output = Result<(), E>> + Send + 'static) -> HookFuture {
    Box::pin(async { hook.await.map_err(Into::into) })
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before_snapshot, after_restore, on_shutdown, after_answer } = self;
        let count = before_snapshot.len() + after_restore.len() + on_shutdown.len() + after_answer.0.len();
        write!(f, "{count} hooks")
    }
}
