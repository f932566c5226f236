//! What the gateway keeps on disk: configuration, accepted events, and the deliveries that follow from them, in one
//! SQLite database. Decides nothing: `decide` decides what a row becomes, and the result is handed in.
//!
//! # What always holds
//! 1. An event is acknowledged only after the transaction that holds it *and one delivery for each matched
//!    subscription* is on disk (WAL, `synchronous=FULL`). A failed commit acknowledges nothing.
//! 2. A delivery is in exactly one state: `pending` (due at `due_at`; without that, after an earlier one with its
//!    `order_key`), `in_flight` (its attempt number `attempts` has no outcome yet), `delivered`, or `dead`, `expired` or
//!    `filtered` (with a reason). Events and attempts are never deleted by a change of state.
//! 3. An attempt has its row before the function is called, and gets its outcome in the transaction that moves the
//!    delivery on.
//! 4. At start nothing is in flight: what was, when the process ended, is pending and due at once. So an attempt may be
//!    repeated, and none is forgotten.
//! 5. A delivery of a subscription that no longer exists is never attempted: it becomes dead, with that reason.
//! 6. Of the unfinished deliveries of a subscription that share an `order_key`, exactly one is in flight or has a
//!    `due_at`.
//! 7. The counter `accepted` grows in the transaction that makes deliveries; what retention deletes is added to a
//!    `retired` counter in the transaction that deletes it. So the accounts of `accounting` balance at any moment.
//! 8. All writes go through one thread, in the order they were asked for. One process owns the directory (`lock`).
//!
//! # Assumed of the disk
//! `fsync` that returned keeps the data; a torn write within the write-ahead log is found by its checksums.

pub(crate) mod accounting;
mod backlog;
mod columns;
pub(crate) mod config;
mod dead_letters;
pub(crate) mod deliveries;
pub(crate) mod events;
mod migrate;
mod notices;
mod replay;
pub(crate) mod retention;
mod schema;
mod search;
mod writer;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use self::writer::{Queue, Writer};
pub(crate) use backlog::Backlog;
pub(crate) use dead_letters::{DeadLetterQuery, GivenUp};
pub(crate) use deliveries::{Claim, Claimed, Ended, Finish};
pub(crate) use events::Accepted;
pub(crate) use notices::Notices;
pub(crate) use replay::{Range, StoredEvent};
pub(crate) use retention::Limits;
pub(crate) use search::EventQuery;

/// The open store. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    writer: Writer,
    reader: Arc<Mutex<Connection>>,
    /// Retention could not make room.
    full: Arc<AtomicBool>,
    // Held as long as the store is open; the operating system lets go of it when the process ends in any way.
    lock: Arc<File>,
}

/// An open store and what its writer works with: whoever holds this takes writes from the queue and commits them.
pub(crate) struct Idle {
    pub(crate) store: Store,
    pub(crate) connection: Connection,
    pub(crate) queue: Queue,
}

/// Why the store cannot be opened or did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory or a file in it cannot be made or read.
    #[error("{}: {reason}", path.display())]
    File {
        /// What could not be opened.
        path: PathBuf,
        /// What the operating system says.
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
        /// The newest format known here.
        known: i64,
    },
    /// SQLite refused an operation.
    #[error("the store failed: {0}")]
    Sqlite(String),
    /// More writes are waiting than the store can take up.
    #[error("the store is busy; try again")]
    Busy,
    /// The store has reached its limit in bytes, and all that it holds is still needed.
    #[error(
        "the store is full of events that are not over: let functions catch up, redrive or discard dead letters, or \
             raise the limit"
    )]
    Full,
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
    /// Opens the store in `dir`, which is made if need be, and puts what was in flight back in line, due at `now`
    /// (milliseconds since the epoch).
    ///
    /// Blocks; not for use on an async thread.
    pub(crate) fn open(dir: &Path, now: i64) -> Result<Self, StoreError> {
        let Idle { store, connection, queue } = Self::open_idle(dir, now)?;
        store.writer.start(connection, queue)?;
        Ok(store)
    }

    /// Opens the store without the thread that writes.
    pub(crate) fn open_idle(dir: &Path, now: i64) -> Result<Idle, StoreError> {
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
        // SQLite gives its other files the mode of this one.
        private_file(&path).map_err(|e| file_error(&path, &e))?;
        let mut connection = schema::open(&path)?;
        deliveries::recover(&mut connection, now)?;
        let reader = Arc::new(Mutex::new(schema::open_reader(&path)?));
        let (writer, queue) = Writer::new();
        let store = Self { writer, reader, full: Arc::default(), lock: Arc::new(lock) };
        Ok(Idle { store, connection, queue })
    }

    /// Whether nothing more is accepted.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Runs a query beside the writes.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = Arc::clone(&self.reader);
        let run = move || Ok(query(&reader.lock().unwrap_or_else(PoisonError::into_inner))?);
        tokio::task::spawn_blocking(run).await.map_err(|e| StoreError::Sqlite(e.to_string()))?
    }

    /// Does any write, for tests that do what the store itself does not.
    #[cfg(test)]
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(work).await
    }

    /// Finishes the writes that were asked for and closes the database.
    pub(crate) async fn close(self) {
        self.writer.stop().await;
        // Clones may live on in tasks that are just ending; without the writer they change nothing.
        let _ = self.lock.unlock();
    }
}

/// Opens or makes a file that only its owner can read.
fn private_file(path: &Path) -> io::Result<File> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(file)
}
