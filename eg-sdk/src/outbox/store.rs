//! `OutboxStore`: the operations that an outbox needs from your database.

use std::future::Future;
use std::time::Duration;

use super::Batch;

/// The stored state of a cause.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// The cause was never handled.
    New,
    /// The cause was handled, and these events may not have been emitted.
    Unsent(Batch),
    /// The cause was handled, and no event is left to emit.
    Done,
}

/// A database that stores an outbox beside the state of a service.
pub trait OutboxStore: Sync {
    /// A change of the service's state.
    type Change: Send;
    /// The database's error type.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Returns the stored state of `cause`.
    fn find(&self, cause: &str) -> impl Future<Output = Result<Found, Self::Error>> + Send;

    /// In **one transaction**: applies the change, marks the batch's cause as handled, and stores the batch's events,
    /// if any, as unsent. Returns `false` if nothing was stored, because the cause was handled in the meantime, or
    /// the state is no longer the one that the change was based on.
    ///
    /// The store must remember the cause for at least `memory`, and may forget it afterwards. It must keep unsent
    /// events until [`sent`](Self::sent), however long that takes.
    fn commit(
        &self,
        change: Self::Change,
        batch: &Batch,
        memory: Duration,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Deletes the unsent events of `cause`, but keeps the marker that it was handled.
    fn sent(&self, cause: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Returns the first `limit` unsent batches.
    fn unsent(&self, limit: usize) -> impl Future<Output = Result<Vec<Batch>, Self::Error>> + Send;
}
