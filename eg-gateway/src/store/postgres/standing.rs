//! Knows whether this gateway may use the store: whether the others still count it among them. `members` finds it out, and all
//! parts of the store ask.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::StoreError;

/// Whether this gateway may work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    /// The lease could not be renewed in time. Until the database answers, nobody knows whether others have taken over.
    CutOff,
    /// Others have taken over.
    Lost,
    Closed,
}

/// What the parts of a store know about the lease of this gateway.
#[derive(Debug)]
pub(super) struct Standing {
    state: watch::Sender<State>,
    /// Whether the lease was renewed when it was last tried.
    renewed: AtomicBool,
    times: Mutex<Times>,
}

#[derive(Debug, Default)]
struct Times {
    /// When the lease runs out unless it is renewed. A process that was paused may ask before the task that renews it.
    until: Option<Instant>,
    /// Since when each attempt to renew it has succeeded.
    steady_since: Option<Instant>,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            state: watch::Sender::new(State::Active),
            renewed: AtomicBool::new(true),
            times: Mutex::default(),
        }
    }
}

impl Standing {
    /// # Errors
    /// Fails if this gateway may not use the store any more.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match *self.state.borrow() {
            State::Active if !self.has_run_out() => Ok(()),
            State::Active | State::CutOff => {
                Err(StoreError::Unreachable("others may have taken over meanwhile".to_owned()))
            }
            State::Lost => Err(StoreError::LeaseLost),
            State::Closed => Err(StoreError::Closed),
        }
    }

    fn has_run_out(&self) -> bool {
        let until = self.times.lock().unwrap_or_else(PoisonError::into_inner).until;
        until.is_some_and(|until| until <= Instant::now())
    }

    /// Records that the lease was renewed at `now`, and now ends at `until`.
    pub(super) fn renewed(&self, now: Instant, until: Instant) {
        self.renewed.store(true, Ordering::Relaxed);
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.until = Some(until);
        times.steady_since.get_or_insert(now);
        drop(times);
        if self.change(&[State::CutOff], State::Active) {
            tracing::info!("the database answers, and nobody has taken over from this gateway; it goes on");
        }
    }

    /// Records that an attempt to renew the lease failed.
    pub(super) fn not_renewed(&self) {
        self.renewed.store(false, Ordering::Relaxed);
        self.times.lock().unwrap_or_else(PoisonError::into_inner).steady_since = None;
    }

    /// Returns since when the database has answered each time. Whoever could not reach it cannot judge the silence of others.
    pub(super) fn steady_since(&self) -> Option<Instant> {
        self.check().ok()?;
        self.times.lock().unwrap_or_else(PoisonError::into_inner).steady_since
    }

    /// Returns whether this gateway may use the store, and the database could be reached lately.
    pub(super) fn is_renewed(&self) -> bool {
        self.check().is_ok() && self.renewed.load(Ordering::Relaxed)
    }

    /// Records that others have taken over.
    pub(super) fn lost(&self) {
        if self.change(&[State::Active, State::CutOff], State::Lost) {
            tracing::error!("the other gateways have taken over the deliveries of this one");
        }
    }

    /// Records that the lease has run out, and others may take over.
    pub(super) fn cut_off(&self) {
        if self.change(&[State::Active], State::CutOff) {
            tracing::error!(
                "the lease of this gateway could not be renewed in time; it pauses until the database answers"
            );
        }
    }

    /// Returns whether the state has changed.
    fn change(&self, from: &[State], to: State) -> bool {
        self.state.send_if_modified(|state| {
            let changes = from.contains(state);
            if changes {
                *state = to;
            }
            changes
        })
    }

    pub(super) fn closed(&self) {
        self.state.send_replace(State::Closed);
    }

    /// Returns once others have taken over.
    pub(super) async fn until_lost(&self) {
        // The sender is `self`, so this never fails.
        let _ = self.state.subscribe().wait_for(|state| *state == State::Lost).await;
    }
}
