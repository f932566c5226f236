//! How many bytes of requests may be in memory at once. What does not fit is refused at once, before it is read.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a request costs beside its body: its head, its task, its place in line. Bounds their number too.
const OVERHEAD: usize = 4 * 1024;

/// The bytes that are left. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    left: Arc<Semaphore>,
    total: usize,
}

/// Bytes that are taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        // Permits are taken as `u32`.
        let total =
            bytes.clamp(1, usize::try_from(u32::MAX).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS));
        Self { left: Arc::new(Semaphore::new(total)), total }
    }

    /// Takes room for a body of so many bytes, if there is. What exceeds the whole takes the whole: it goes alone.
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
