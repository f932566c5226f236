//! Notifies the engine of functions with deliveries that may be due. It holds at most one entry per function,
//! regardless of the number of events.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::decide::lanes::Lane;

/// Lanes that may have become due since the engine last looked.
#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    lanes: Mutex<HashSet<Lane>>,
    notify: Notify,
}

impl Wakeups {
    /// Marks these lanes as due and wakes the engine.
    pub(crate) fn wake(&self, lanes: impl IntoIterator<Item = Lane>) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).extend(lanes);
        self.notify.notify_one();
    }

    /// Takes the lanes that were marked since the last call.
    pub(crate) fn take(&self) -> HashSet<Lane> {
        std::mem::take(&mut *self.lanes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until there are marked lanes that have not been taken. May also return without a reason.
    pub(crate) async fn wait(&self) {
        self.notify.notified().await;
    }
}
