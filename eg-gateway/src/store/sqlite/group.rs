//! Runs the writes of a group in one transaction, so that they share one fsync. A write that fails fails alone, and a
//! failed commit acknowledges nothing. `queue` collects the groups.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::StoreError;
use super::position::{Position, advance};
use super::queue::CopyJob;
use super::size;
use crate::store::room::Room;

/// A write and its result.
pub(super) trait Job: Send {
    /// Runs the write.
    fn run(&mut self, transaction: &Connection) -> Result<(), StoreError>;
    /// Sends the result to the caller.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// A write whose caller waits for its result.
struct Write<F, T> {
    work: F,
    result: Result<T, StoreError>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

/// Returns a write that sends its result to `caller`.
pub(super) fn job<T: Send + 'static>(
    work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    caller: oneshot::Sender<Result<T, StoreError>>,
) -> Box<dyn Job> {
    Box::new(Write { work, result: Err(StoreError::Closed), caller })
}

impl<F, T> Job for Write<F, T>
where
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, transaction: &Connection) -> Result<(), StoreError> {
        self.result = (self.work)(transaction).map_err(StoreError::from);
        self.result.as_ref().map(drop).map_err(StoreError::clone)
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        // The caller may have stopped waiting; the write is valid nevertheless.
        let _ = self.caller.send(committed.and(self.result));
    }
}

/// What the mark has to know of a write, or of a group of them: the most that one of its writes asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Nothing: if it is lost with the end of the log, it is made again.
    Repeatable,
    /// The number of the newest event.
    Events,
    /// That there was one more change.
    Change,
}

/// Writes that share a transaction.
pub(crate) struct Group {
    jobs: Vec<Box<dyn Job>>,
    /// What the mark has to know of it.
    kind: Kind,
    /// Learns the size of the store after the group, if it is measured.
    room: Option<Arc<Room>>,
    /// A copy to make after them.
    copy: Option<CopyJob>,
    /// Set if the disk refused one of them.
    disk_error: Option<StoreError>,
}

/// What a commit has done.
struct Committed {
    /// The size of the store in bytes, if it was measured.
    size: Option<u64>,
    /// The position of the store, if the mark covers what was changed.
    position: Option<Position>,
}

impl Group {
    /// Creates a group of writes, with a copy of the database to make after them.
    pub(super) fn new(
        jobs: Vec<Box<dyn Job>>,
        kind: Kind,
        room: Option<Arc<Room>>,
        copy: Option<CopyJob>,
    ) -> Self {
        Self { jobs, kind, room, copy, disk_error: None }
    }

    /// Returns the copy to make after the writes.
    pub(super) fn take_copy(&mut self) -> Option<CopyJob> {
        self.copy.take()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Returns the error of a write that the disk refused while others of the group were written.
    pub(super) fn disk_error(&self) -> Option<&StoreError> {
        self.disk_error.as_ref()
    }

    /// Runs the writes in one transaction and commits those that succeed. If the commit fails, none is written.
    /// Returns the position of the store after them, for the mark, if it has to know. Before them, it was `before`.
    pub(crate) fn commit(
        &mut self,
        connection: &Connection,
        before: Position,
    ) -> Result<Option<Position>, StoreError> {
        // Failing writes are rare, so writes get their own savepoints only after one of them has failed.
        let committed = self.together(connection, before).and_then(|done| match done {
            Some(committed) => Ok(committed),
            None => self.one_by_one(connection, before),
        });
        match committed {
            Ok(Committed { size, position }) => {
                if let (Some(room), Some(size)) = (&self.room, size) {
                    room.measured(size);
                }
                Ok(position)
            }
            Err(error) => {
                tracing::error!(%error, writes = self.jobs.len(), "a group of writes failed");
                Err(error)
            }
        }
    }

    /// Sends each caller the result of its write, or the error of the commit.
    pub(crate) fn answer(self, committed: &Result<(), StoreError>) {
        for job in self.jobs {
            job.answer(committed.clone());
        }
    }

    /// Runs the whole group in one transaction. Returns `None` if a write failed; then nothing was written.
    fn together(
        &mut self,
        connection: &Connection,
        before: Position,
    ) -> Result<Option<Committed>, StoreError> {
        let open = Open::begin(connection)?;
        let unchanged = connection.total_changes();
        for job in &mut self.jobs {
            let done = job.run(connection);
            still_open(connection)?;
            if done.is_err() {
                return Ok(None);
            }
        }
        self.end(open, unchanged, before).map(Some)
    }

    /// Runs each write of the group in its own savepoint and commits those that succeed.
    fn one_by_one(&mut self, connection: &Connection, before: Position) -> Result<Committed, StoreError> {
        let open = Open::begin(connection)?;
        let unchanged = connection.total_changes();
        for job in &mut self.jobs {
            connection.execute_batch("SAVEPOINT one")?;
            if let Err(error) = job.run(connection) {
                if matches!(error, StoreError::Disk(_) | StoreError::Corrupt(_)) {
                    self.disk_error = Some(error);
                }
                still_open(connection)?;
                // Undoes what the failing write changed before it failed.
                connection.execute_batch("ROLLBACK TO one")?;
            }
            still_open(connection)?;
            connection.execute_batch("RELEASE one")?;
        }
        self.end(open, unchanged, before)
    }

    /// Commits a transaction that began with `unchanged` changed rows at the position `before`.
    fn end(&self, open: Open<'_>, unchanged: u64, before: Position) -> Result<Committed, StoreError> {
        let Open(connection) = open;
        let moves = self.kind > Kind::Repeatable && connection.total_changes() != unchanged;
        let is_change = self.kind == Kind::Change;
        let position = moves.then(|| advance(connection, before, is_change)).transpose()?;
        // Asking within the transaction takes no lock.
        let size = self.room.as_ref().map(|_| size::used(connection)).transpose()?;
        open.commit()?;
        Ok(Committed { size, position })
    }
}

/// An open transaction. Dropping it undoes what was not committed. SQLite compiles its statements only once.
struct Open<'a>(&'a Connection);

impl<'a> Open<'a> {
    fn begin(connection: &'a Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self(connection))
    }

    fn commit(self) -> rusqlite::Result<()> {
        self.0.prepare_cached("COMMIT")?.execute([]).map(drop)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // After a commit, and after an error that ended the transaction, there is nothing to undo.
        if !self.0.is_autocommit()
            && let Err(error) = self.0.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be undone");
        }
    }
}

/// Checks that the transaction is still open: a full disk or an I/O error ends it, and later statements would commit
/// on their own.
fn still_open(transaction: &Connection) -> Result<(), StoreError> {
    let over = || StoreError::Disk("it failed during the transaction".to_owned());
    if transaction.is_autocommit() { Err(over()) } else { Ok(()) }
}
