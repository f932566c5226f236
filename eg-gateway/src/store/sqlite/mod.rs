//! The backend that keeps everything in one SQLite database, of which one gateway at a time is the owner.
//!
//! # How it keeps the invariants of the seam
//! * Durable is what is in the write-ahead log after an `fsync` (WAL, `synchronous=FULL`).
//! * All writes run on one thread, those of one line in the order of the calls (`lines`). One process owns the directory
//!   (`lock`), so everything in flight when it is opened was left by a gateway that has ended.
//! * While a file of the store is not where it was opened, no write is run (`place`).
//! * Each row has a checksum (`seal`), and one that does not fit shows damage.
//! * The store opens only if its database is the one that was left: the mark (`mark`) outside of the database covers
//!   every acknowledged write, with the exceptions that `mark` names.
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
#[cfg(feature = "postgres")]
mod export;
mod faults;
mod give_up;
mod group;
mod jobs;
mod log;
pub(crate) mod mark;
mod migrate;
mod neighbours;
mod notices;
mod open;
mod place;
mod position;
mod queue;
mod readers;
mod replay;
pub(crate) mod retention;
mod salvage;
mod schema;
mod seal;
mod search;
mod size;
mod suspects;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rusqlite::Connection;
use tokio::sync::Mutex;

use self::mark::Mark;
use self::open::Lock;
use self::place::Place;
use self::queue::Queue;
use self::readers::Readers;
use self::writer::Writer;
use super::error::StoreError;
use super::health::Health;
use super::retention::Sweeps;
use super::room::Room;
use super::state::StoreState;
use crate::decide::catalog::Version;
use crate::decide::members::Members;
pub use check::{CheckReport, check};
#[cfg(feature = "postgres")]
pub(in crate::store) use export::Export;
pub use salvage::{RepairReport, repair, restore};

/// A store that is open. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct SqliteStore {
    writer: Writer,
    readers: Readers,
    place: Arc<Place>,
    room: Arc<Room>,
    health: Arc<Health>,
    sweeps: Arc<Mutex<Sweeps>>,
    /// The changes of the configuration since the store was opened. Nobody else changes it.
    version: Arc<Mutex<Version>>,
    /// Where its files are.
    dir: Arc<Path>,
    /// The only gateway.
    members: Arc<Members>,
    /// Whether a backup is being made.
    backing_up: Arc<AtomicBool>,
    // Held as long as the store is open. The operating system releases it when the process ends, however it ends.
    lock: Arc<Lock>,
}

/// An open store without its writer thread. The holder takes writes from the queue and commits them.
pub(crate) struct Idle {
    pub(crate) store: SqliteStore,
    pub(crate) connection: Connection,
    pub(crate) queue: Queue,
    pub(crate) mark: Mark,
}

impl SqliteStore {
    pub(in crate::store) async fn check_writable(&self) -> Result<(), StoreError> {
        self.place.check()?;
        match self.health.error() {
            Some(_) => self.writer.run(position::touch).await,
            None => Ok(()),
        }
    }

    pub(in crate::store) fn state(&self) -> StoreState {
        let writable = self.place.check().is_ok() && self.health.error().is_none();
        StoreState { writable, damaged: self.health.damaged(), gateways: 1, database: None }
    }

    pub(in crate::store) fn is_full(&self) -> bool {
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

    pub(in crate::store) async fn close(self) {
        self.writer.stop().await;
        // Clones may still exist in tasks that are ending. Without the writer they cannot change anything.
        self.lock.end();
    }
}
