//! Notifies the engine of functions with deliveries that may be due. It holds at most one entry per function,
//! regardless of the number of events.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::decide::lanes::Lane;

/// Lanes that may have become due since the engine last looked.
#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    lanes: Mutex<HashMap<Lane, Woken>>,
    notify: Notify,
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
    pub(crate) fn mark(&self, marked: impl IntoIterator<Item = (Lane, Woken)>) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        for (lane, woken) in marked {
            let known = lanes.entry(lane).or_insert(woken);
            *known = woken.max(*known);
        }
        drop(lanes);
        self.notify.notify_one();
    }

    /// Takes the lanes that were marked since the last call.
    pub(crate) fn take(&self) -> HashMap<Lane, Woken> {
        std::mem::take(&mut *self.lanes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until there are marked lanes that have not been taken. May also return without a reason.
    pub(crate) async fn wait(&self) {
        self.notify.notified().await;
    }
}
