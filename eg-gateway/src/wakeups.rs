//! Tells the engine which functions have deliveries that may be due. Holds at most one entry per function, however many
//! events arrive.

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

    /// Returns when lanes were marked that nobody has taken. May also return without a reason.
    pub(crate) async fn wait(&self) {
        self.notify.notified().await;
    }
}
