//! `OutboxStore`: what an outbox needs of your database.

use std::future::Future;
use std::time::Duration;

use super::Batch;

/// What is known of a cause.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// It was never handled.
    New,
    /// It was handled, and these events may not have been emitted.
    Unsent(Batch),
    /// It was handled, and there is nothing left to emit.
    Done,
}

/// A database that can keep an outbox beside the state of the service.
pub trait OutboxStore: Sync {
    /// What a function changes in the state.
    type Change: Send;
    /// How the database fails.
    type Error: std::error::Error + Send + Sync + 'static;

    /// What is known of `cause`.
    fn find(&self, cause: &str) -> impl Future<Output = Result<Found, Self::Error>> + Send;

    /// In **one transaction**: makes the change, remembers that the batch's cause is handled, and keeps its events, if
    /// it has any, as unsent. `false`: nothing was stored, because the cause was handled by somebody else, or the state
    /// is no longer what the change was decided upon.
    ///
    /// The cause is remembered `memory` long at least. That it is forgotten some time later is the store's business;
    /// events that are unsent are kept until they are [`sent`](Self::sent), however long that takes.
    fn commit(
        &self,
        change: Self::Change,
        batch: &Batch,
        memory: Duration,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Forgets the unsent events of `cause`, but not that it was handled.
    fn sent(&self, cause: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The first `limit` batches that are unsent.
    fn unsent(&self, limit: usize) -> impl Future<Output = Result<Vec<Batch>, Self::Error>> + Send;
}
