//! Limits how many bytes of requests are in memory at once. The caller refuses a request that does not fit, before it
//! reads the body.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory of a request besides its body: its head, its task, its place in the queue. It also limits the number of
/// requests.
const OVERHEAD: usize = 4 * 1024;

/// The bytes that are left. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    left: Arc<Semaphore>,
    total: usize,
}

/// Bytes that are reserved until this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        // The semaphore counts permits as `u32`.
        let total =
            bytes.clamp(1, usize::try_from(u32::MAX).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS));
        Self { left: Arc::new(Semaphore::new(total)), total }
    }

    /// Reserves room for a body of `body` bytes, or returns `None` if there is too little. A body that exceeds the
    /// whole budget reserves all of it, so it is processed alone.
    pub(crate) fn reserve(&self, body: usize) -> Option<Reservation> {
        let bytes = u32::try_from(body.saturating_add(OVERHEAD).min(self.total)).ok()?;
        Arc::clone(&self.left).try_acquire_many_owned(bytes).ok().map(Reservation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Budget::new(3 * OVERHEAD);
        let first = budget.reserve(OVERHEAD).unwrap();
        let second = budget.reserve(0).unwrap();
        assert!(budget.reserve(0).is_none());
        drop(first);
        assert!(budget.reserve(OVERHEAD + 1).is_none());
        drop(second);
        let alone = budget.reserve(100 * OVERHEAD).unwrap();
        assert!(budget.reserve(0).is_none());
        drop(alone);
        assert!(budget.reserve(2 * OVERHEAD).is_some());
    }
}
