//! How the parts that accept events tell the engine that something is due. Holds one entry per function at most,
//! however many events arrive.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::store::Lane;

/// Lanes that may have become due since the engine last looked.
#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    lanes: Mutex<HashSet<Lane>>,
    notify: Notify,
}

impl Wakeups {
    /// Says that something is due in these lanes.
    pub(crate) fn wake(&self, lanes: impl IntoIterator<Item = Lane>) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).extend(lanes);
        self.notify.notify_one();
    }

    /// Takes what was said since the last time.
    pub(super) fn take(&self) -> HashSet<Lane> {
        std::mem::take(&mut *self.lanes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when something was said that has not been taken, or now and then without need.
    pub(super) async fn wait(&self) {
        self.notify.notified().await;
    }
}
