//! Keeps configuration, accepted events and their deliveries in one SQLite database. Makes no decisions: `decide`
//! determines what a row becomes, and callers pass the result in.
//!
//! # Invariants
//! 1. An event is acknowledged only after the transaction that holds it *and one delivery for each matched
//!    subscription* is on disk (WAL, `synchronous=FULL`). A failed commit acknowledges nothing.
//! 2. A delivery is in exactly one state: `pending` (due at `due_at`; without a due time, it is parked until an earlier
//!    one with its `order_key` ends), `in_flight` (its attempt number `attempts` has no outcome yet), `delivered`, or
//!    `dead`, `expired` or `filtered` (with a reason). A change of state never deletes events or attempts.
//! 3. An attempt is recorded before the function is called. Its outcome is written in the transaction that changes the
//!    state of the delivery.
//! 4. At start no delivery is in flight: those that were in flight when the process ended become pending and due at
//!    once. So an attempt may be repeated, but no delivery is forgotten.
//! 5. A delivery of a deleted subscription is never attempted: it becomes dead, with that reason. This also holds for
//!    a delivery that waited when its subscription was deleted, if another one with the same id is created later.
//! 6. Of the unfinished deliveries of a subscription that share an `order_key`, exactly one is in flight or has a
//!    `due_at`.
//! 7. The counter `accepted` grows in the transaction that creates deliveries. The rows that retention deletes are added
//!    to a `retired` counter in the same transaction. So the accounts of `accounting` balance at any moment.
//! 8. All writes run on one thread, in the order of the calls. One process owns the directory (`lock`).
//! 9. While a file of the store is not where it was opened, no write is run (`place`).
//! 10. No number of an event or a delivery is used twice.
//! 11. The progress of a job is stored in the transactions that do its work. So a job that a crash interrupts continues
//!     exactly where it was.
//!
//! # Assumptions about the disk
//! Data is durable once `fsync` returns. SQLite detects a torn write in the write-ahead log by its checksums.

pub(crate) mod accounting;
mod backlog;
mod columns;
pub(crate) mod config;
mod dead_letters;
pub(crate) mod deliveries;
pub(crate) mod events;
mod give_up;
mod jobs;
mod lines;
mod migrate;
mod notices;
mod place;
mod ration;
mod readers;
mod replay;
pub(crate) mod retention;
mod room;
mod schema;
mod search;
mod writer;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use self::place::Place;
use self::readers::Readers;
use self::room::Room;
use self::writer::{Queue, Writer};
pub(crate) use backlog::Backlog;
pub(crate) use dead_letters::{DeadLetterQuery, Redrive};
pub(crate) use deliveries::{Claim, Claimed, Ended, Finish};
pub(crate) use events::Accepted;
pub(crate) use jobs::{JobSignals, RunningJob, Work};
pub(crate) use notices::Notices;
pub(crate) use replay::StoredEvent;
pub(crate) use retention::{Limits, Sweeps};
pub(crate) use search::EventQuery;

use crate::timestamp::Timestamp;

/// The open store. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    writer: Writer,
    readers: Readers,
    place: Arc<Place>,
    jobs: Arc<JobSignals>,
    room: Arc<Room>,
    // Held as long as the store is open. The operating system releases it when the process ends, however it ends.
    lock: Arc<File>,
}

/// An open store without its writer thread. The holder takes writes from the queue and commits them.
pub(crate) struct Idle {
    pub(crate) store: Store,
    pub(crate) connection: Connection,
    pub(crate) queue: Queue,
}

/// The reason why the store could not be opened or an operation failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory or a file in it cannot be created or read.
    #[error("{}: {reason}", path.display())]
    File {
        /// The path that could not be opened.
        path: PathBuf,
        /// The error of the operating system.
        reason: String,
    },
    /// Another process has this store open.
    #[error("{}: another gateway uses this directory; stop it or choose another directory", .0.display())]
    InUse(PathBuf),
    /// The database was written by a newer version.
    #[error("{}: has format {found}, and this version knows formats up to {known}; use a newer gateway", path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this version can read.
        known: i64,
    },
    /// SQLite refused an operation.
    #[error("the store failed: {0}")]
    Sqlite(String),
    /// Too many writes are waiting.
    #[error("the store is busy; try again")]
    Busy,
    /// A query took too long.
    #[error("the store needed more than {} s for the query; ask for less at a time", .0.as_secs())]
    Slow(Duration),
    /// The store has reached its size limit, and everything in it is still needed.
    #[error(
        "the store is full of unfinished events: let functions catch up, discard dead letters or redrive them one by \
         one, or raise the limit"
    )]
    Full,
    /// The store has nearly reached its size limit, and this space holds its share of it.
    #[error(
        "the store is nearly full, and space `{0}` holds its share: let its functions catch up, discard its dead \
         letters, or raise the limit"
    )]
    ShareUsed(String),
    /// Somebody deleted or replaced a file of the store while it was open.
    #[error(
        "{} was deleted or replaced while the gateway ran, so nothing can be stored; put it back, or restart the gateway",
        .0.display()
    )]
    Gone(PathBuf),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error.to_string())
    }
}

impl Store {
    /// Opens the store in `dir` and creates the directory if it does not exist. Deliveries that were in flight become
    /// pending, due at `now`.
    ///
    /// Blocks; do not call it on an async thread.
    pub(crate) fn open(dir: &Path, now: Timestamp) -> Result<Self, StoreError> {
        let Idle { mut store, connection, queue } = Self::open_idle(dir, now)?;
        store.readers.threads = true;
        store.writer.start(connection, queue, Arc::clone(&store.place))?;
        Ok(store)
    }

    /// Opens the store without starting the writer thread. Queries run in place.
    pub(crate) fn open_idle(dir: &Path, now: Timestamp) -> Result<Idle, StoreError> {
        let file_error =
            |path: &Path, e: &io::Error| StoreError::File { path: path.to_owned(), reason: e.to_string() };
        if !dir.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| file_error(dir, &e))?;
        }
        let lock_path = dir.join("lock");
        let lock = private_file(&lock_path).map_err(|e| file_error(&lock_path, &e))?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => StoreError::InUse(dir.to_owned()),
            TryLockError::Error(e) => file_error(&lock_path, &e),
        })?;
        let path = dir.join("event-gateway.db");
        // SQLite creates its other files with the mode of this one.
        private_file(&path).map_err(|e| file_error(&path, &e))?;
        let mut connection = schema::open(&path)?;
        deliveries::recover(&mut connection, now)?;
        let readers = Readers::open(&path)?;
        let room = Arc::<Room>::default();
        room.measured(room::size(&connection)?);
        let (writer, queue) = Writer::new(Arc::clone(&room));
        let place = Arc::new(Place::new([path, dir.join("event-gateway.db-wal"), lock_path]));
        let (jobs, lock) = (Arc::default(), Arc::new(lock));
        let store = Self { writer, readers, place, jobs, room, lock };
        Ok(Idle { store, connection, queue })
    }

    /// Checks that what the store writes is on the disk where its directory is.
    ///
    /// # Errors
    /// [`StoreError::Gone`] names the file that is not.
    pub(crate) fn check_place(&self) -> Result<(), StoreError> {
        self.place.check()
    }

    /// Returns whether the store is full and accepts no more events.
    pub(crate) fn is_full(&self) -> bool {
        self.room.is_full()
    }

    /// Runs any write, for tests that need one that the store does not offer.
    #[cfg(test)]
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(work).await
    }

    /// Finishes the queued writes and closes the database.
    pub(crate) async fn close(self) {
        self.writer.stop().await;
        // Clones may still exist in tasks that are ending. Without the writer they cannot change anything.
        let _ = self.lock.unlock();
    }
}

/// Opens or creates a file that only its owner can read.
fn private_file(path: &Path) -> io::Result<File> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(file)
}
