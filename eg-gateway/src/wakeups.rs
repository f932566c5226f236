//! Notifies the engine of functions with deliveries that may be due. It holds at most one entry per function,
//! regardless of the number of events.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::decide::lanes::Lane;
use crate::store::Waiting;

/// Lanes that may have become due since the engine last looked.
#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    marked: Mutex<Marked>,
    notify: Notify,
}

/// What the engine has not seen.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    /// Lanes that may be due now.
    pub(crate) lanes: HashMap<Lane, Woken>,
    /// What waited in the store when gateways had changed something there.
    pub(crate) found: Option<Waiting>,
}

/// Why a lane may have become due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Woken {
    /// Something else than events has made deliveries due, or the events have a known cause.
    Otherwise,
    /// Events without a known cause have arrived.
    ByEvents,
}

impl Wakeups {
    /// Marks these lanes as due and wakes the engine.
    pub(crate) fn wake(&self, lanes: impl IntoIterator<Item = Lane>) {
        self.mark(lanes.into_iter().map(|lane| (lane, Woken::Otherwise)));
    }

    /// Marks these lanes as due, for different reasons, and wakes the engine.
    pub(crate) fn mark(&self, lanes: impl IntoIterator<Item = (Lane, Woken)>) {
        self.change(|marked| {
            for (lane, woken) in lanes {
                let known = marked.lanes.entry(lane).or_insert(woken);
                *known = woken.max(*known);
            }
        });
    }

    /// Passes on what waits in the store, and wakes the engine.
    pub(crate) fn found(&self, waiting: Waiting) {
        self.change(|marked| marked.found = Some(waiting));
    }

    fn change(&self, change: impl FnOnce(&mut Marked)) {
        change(&mut self.marked.lock().unwrap_or_else(PoisonError::into_inner));
        self.notify.notify_one();
    }

    /// Takes what was marked since the last call.
    pub(crate) fn take(&self) -> Marked {
        std::mem::take(&mut *self.marked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until something is marked that has not been taken. May also return without a reason.
    pub(crate) async fn wait(&self) {
        self.notify.notified().await;
    }
}
