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
//!    once. So an attempt may be repeated, but no delivery is forgotten. `crashes` counts how often that happened to a
//!    delivery in a row because the process ended unexpectedly.
//! 5. A delivery of a deleted subscription is never attempted: it becomes dead, with that reason. This also holds for
//!    a delivery that waited when its subscription was deleted, if another one with the same id is created later.
//! 6. Of the unfinished deliveries of a subscription that share an `order_key`, exactly one is in flight or has a
//!    `due_at`.
//! 7. The counter `accepted` grows in the transaction that creates deliveries. The rows that retention deletes are added
//!    to a `retired` counter in the same transaction. So the accounts of `accounting` balance at any moment.
//! 8. All writes run on one thread, those of one line in the order of the calls (`lines`). One process owns the directory (`lock`).
//! 9. While a file of the store is not where it was opened, no write is run (`place`).
//! 10. No number of an event or a delivery is used twice.
//! 11. The progress of a job is stored in the transactions that do its work. So a job that a crash interrupts continues
//!     exactly where it was.
//! 12. An event is delivered, replayed and shown only as it was accepted: each row has a checksum (`seal`). A delivery of
//!     a damaged event becomes dead, with that reason.
//! 13. The store opens only if its database is the one that was left: the mark (`mark`) outside of the database covers
//!     every acknowledged write, with the exceptions that `mark` names.
//!
//! # Assumptions about the disk
//! Data is durable once `fsync` returns. SQLite detects a torn write in the write-ahead log by its checksums; but it also
//! takes a damaged log for a torn one, and that is what the mark is for.

pub(crate) mod accounting;
mod backlog;
mod backup;
mod check;
mod checkpoint;
pub(crate) mod claims;
mod columns;
pub(crate) mod config;
mod dead_letters;
mod definitions;
pub(crate) mod deliveries;
pub(crate) mod events;
mod faults;
mod give_up;
mod group;
mod health;
mod jobs;
mod lines;
mod log;
pub(crate) mod mark;
mod migrate;
mod notices;
mod open;
mod place;
mod position;
mod queue;
mod ration;
mod readers;
mod replay;
pub(crate) mod retention;
mod room;
mod salvage;
mod schema;
mod seal;
mod search;
mod suspects;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rusqlite::Connection;

use self::health::Health;
use self::mark::Mark;
use self::place::Place;
use self::queue::Queue;
use self::readers::Readers;
use self::room::Room;
use self::writer::Writer;
pub(crate) use backlog::Backlog;
pub use check::{CheckReport, check};
pub(crate) use claims::Claimed;
pub(crate) use dead_letters::{DeadLetterQuery, Redrive};
pub(crate) use deliveries::Finish;
pub(crate) use events::Accepted;
pub(crate) use jobs::{JobSignals, RunningJob, Work};
pub(crate) use notices::{Losses, Lost, Notices};
pub(crate) use replay::StoredEvent;
pub(crate) use retention::{Limits, Sweeps};
pub use salvage::{RepairReport, repair, restore};
pub(crate) use search::{EventQuery, PAGE};

/// The open store. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    writer: Writer,
    readers: Readers,
    place: Arc<Place>,
    jobs: Arc<JobSignals>,
    room: Arc<Room>,
    health: Arc<Health>,
    /// Where its files are.
    dir: Arc<Path>,
    /// Whether a backup is being made.
    backing_up: Arc<AtomicBool>,
    // Held as long as the store is open. The operating system releases it when the process ends, however it ends.
    lock: Arc<File>,
}

/// What the metrics show about a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreState {
    /// Whether the last write succeeded and the files of the store are at their place.
    pub(crate) writable: bool,
    /// How often a damaged event was found since the store was opened.
    pub(crate) damaged: u64,
}

/// An open store without its writer thread. The holder takes writes from the queue and commits them.
pub(crate) struct Idle {
    pub(crate) store: Store,
    pub(crate) connection: Connection,
    pub(crate) queue: Queue,
    pub(crate) mark: Mark,
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
    /// The database is not the one that the gateway left, or a part of it changed on the disk.
    #[error(
        "the store in {} is damaged or incomplete, and was left as it is: {reason}. Put back what is missing, or run \
         `event-gateway repair {}` to save what is sound into a new store; `event-gateway check {}` shows details",
        dir.display(), dir.display(), dir.display()
    )]
    Damaged {
        /// The directory of the store.
        dir: PathBuf,
        /// What is missing or damaged.
        reason: String,
    },
    /// Another program than a gateway has locked the database.
    #[error("{}: another program has locked the database; end it, and start the gateway again", .0.display())]
    Locked(PathBuf),
    /// There is no room for a file of the store.
    #[error("{}: the disk is full; free some space, or move the store to another disk ({reason})", path.display())]
    NoRoom {
        /// The file, or the directory of the store.
        path: PathBuf,
        /// The error of the operating system or of SQLite.
        reason: String,
    },
    /// The process may not read or write a file of the store.
    #[error(
        "{}: this process may not use the store; run the gateway as the owner of its files, and do not mount their disk \
         read-only ({reason})", path.display()
    )]
    NoRights {
        /// The file, or the directory of the store.
        path: PathBuf,
        /// The error of the operating system or of SQLite.
        reason: String,
    },
    /// The database turned out to be damaged while it was in use.
    #[error("the database is damaged: {0}; stop the gateway, and run `event-gateway check` on its store")]
    Corrupt(String),
    /// The disk refused an operation.
    #[error("the disk of the store failed: {0}")]
    Disk(String),
    /// SQLite refused an operation.
    #[error("the store failed: {0}")]
    Sqlite(String),
    /// Too many writes are waiting.
    #[error("the store is busy; try again")]
    Busy,
    /// A job still gives up deliveries of the same subscription, and would give up this one again.
    #[error("job {0} still gives up deliveries of the same subscription, and must be done first")]
    GivingUp(i64),
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

impl Store {
    /// Checks that the store can be written: its files are at their place, and the last write succeeded. If that one
    /// failed, another one is tried.
    ///
    /// # Errors
    /// Returns the reason why events cannot be stored.
    pub(crate) async fn check_writable(&self) -> Result<(), StoreError> {
        self.place.check()?;
        match self.health.error() {
            Some(_) => self.writer.run(position::touch).await,
            None => Ok(()),
        }
    }

    /// Returns what the metrics show about the store.
    pub(crate) fn state(&self) -> StoreState {
        let writable = self.place.check().is_ok() && self.health.error().is_none();
        StoreState { writable, damaged: self.health.damaged() }
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
