//! Wakes tasks that wait for messages of a queue. Knows nothing about messages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// One counter per queue, which changes when messages may have become available.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    queues: Arc<Mutex<BTreeMap<String, watch::Sender<u64>>>>,
}

impl Waiting {
    /// Wakes all tasks that wait for `queue`.
    pub(super) fn wake(&self, queue: &str) {
        self.sender(queue).send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Returns a receiver that sees every change from now on.
    pub(super) fn subscribe(&self, queue: &str) -> watch::Receiver<u64> {
        self.sender(queue).subscribe()
    }

    fn sender(&self, queue: &str) -> watch::Sender<u64> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.entry(queue.to_owned()).or_insert_with(|| watch::channel(0).0).clone()
    }
}
