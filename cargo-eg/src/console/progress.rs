//! Shows a progress sign for work that takes longer than a second. Prints nothing unless standard error is a
//! terminal.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::AbortHandle;

/// How long work may take before the sign appears.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the sign moves.
const TICK: Duration = Duration::from_millis(100);

/// The current sign. The program has one terminal, so it has one sign at a time.
static SIGN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Work in progress. Dropping it removes the sign.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    beginning: AbortHandle,
}

impl Progress {
    /// Starts timing `what`, for example `starting the functions`.
    pub(crate) fn begin(what: &'static str) -> Self {
        // The target is hidden where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let later = bar.clone();
        let beginning = tokio::spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            later.set_draw_target(ProgressDrawTarget::stderr());
            later.set_style(ProgressStyle::default_spinner());
            later.set_message(what);
            later.enable_steady_tick(TICK);
        });
        *sign() = Some(bar.clone());
        Self { bar, beginning: beginning.abort_handle() }
    }

    /// Shows how far the work is.
    pub(crate) fn set(&self, what: String) {
        self.bar.set_message(what);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.beginning.abort();
        self.bar.finish_and_clear();
        *sign() = None;
    }
}

/// Prints something while a sign may be shown, without mixing the two.
pub(crate) fn beside(print: impl FnOnce()) {
    match &*sign() {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

fn sign() -> std::sync::MutexGuard<'static, Option<ProgressBar>> {
    SIGN.lock().unwrap_or_else(PoisonError::into_inner)
}
