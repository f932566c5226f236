//! Defines the store of the gateway: its operations, and what every backend promises. It keeps the configuration, the events and
//! their deliveries. `sqlite` and `postgres` are the backends; outside of this module, only the simulation knows one of them.
//!
//! A store makes no decisions: `decide` determines what becomes of a delivery, and callers pass the result in. Times come
//! from the caller, too, in the gateway's time.
//!
//! # Invariants
//! 1. An event is acknowledged only after the transaction that holds it *and one delivery for each matched
//!    subscription* is durable. A failed commit acknowledges nothing.
//! 2. A delivery is in exactly one state: `pending` (due at its due time; without one, it is parked until an earlier
//!    one with its key ends), `in_flight` (its last attempt has no outcome yet), `delivered`, or `dead`, `expired` or
//!    `filtered` (with a reason). A change of state never deletes events or attempts.
//! 3. An attempt is recorded before the function is called. Its outcome is written in the transaction that changes the
//!    state of the delivery.
//! 4. A delivery in flight belongs to the gateway that claimed it, and to no other one, until its outcome is recorded, it
//!    is released, or that gateway has ended or was silent for its lease. In the last two cases it becomes pending and due at once. So an attempt may
//!    be repeated, but no delivery is forgotten. A delivery counts how often that happened to it in a row because its
//!    gateway ended unexpectedly.
//! 5. A delivery of a deleted subscription is never attempted: it becomes dead, with that reason. This also holds for
//!    a delivery that waited when its subscription was deleted, if another one with the same id is created later.
//! 6. Of the unfinished deliveries of a subscription that share a key, exactly one is in flight or has a due time.
//! 7. The count of accepted deliveries grows in the transaction that creates them. The ones that retention deletes are
//!    counted in the same transaction. So the accounts balance at any moment.
//! 8. No number of an event or a delivery is used twice. Events that are accepted later have larger numbers.
//! 9. The progress of a job is stored in the transactions that do its work. So a job that a crash interrupts continues
//!    exactly where it was, and a slice that two runners begin is done once.
//! 10. An event is delivered, replayed and shown only as it was accepted. A delivery of a damaged event becomes dead, with
//!     that reason.
//! 11. Each change of the configuration is based on the one before it. What is accepted, replayed or given up is decided
//!     by the configuration that the caller passes in, which has all changes that were answered before.
//! 12. Every operation sees what earlier operations have written.
//! 13. If the answer of an operation is lost, the caller may repeat it in these cases: an event with a dedupe window is a
//!     duplicate, an outcome counts once, and a change of the configuration is outdated. An attempt that was not made
//!     leaves its number to the next one, so its outcome must not be repeated after that one has begun.

/// Calls an operation of the backend.
macro_rules! backend {
    ($store:ident.$operation:ident($($argument:expr),*).await) => {
        match &$store.backend {
            $crate::store::Backend::Sqlite(backend) => backend.$operation($($argument),*).await,
            #[cfg(feature = "postgres")]
            $crate::store::Backend::Postgres(backend) => backend.$operation($($argument),*).await,
        }
    };
    ($store:ident.$operation:ident($($argument:expr),*)) => {
        match &$store.backend {
            $crate::store::Backend::Sqlite(backend) => backend.$operation($($argument),*),
            #[cfg(feature = "postgres")]
            $crate::store::Backend::Postgres(backend) => backend.$operation($($argument),*),
        }
    };
}

mod accounting;
mod claims;
mod configuration;
#[cfg(test)]
mod conformance;
mod dead_letters;
mod error;
mod events;
mod feed;
mod health;
mod jobs;
mod lines;
mod neighbours;
mod notices;
#[cfg(feature = "postgres")]
mod postgres;
mod ration;
mod retention;
mod room;
#[cfg(feature = "postgres")]
mod rows;
mod seal;
pub(crate) mod sqlite;
mod state;
mod url;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::claims::{Claimed, Finish};
pub(crate) use self::dead_letters::{DeadLetterQuery, Redrive};
pub use self::error::StoreError;
pub(crate) use self::events::{Accepted, EventQuery, PAGE};
pub(crate) use self::feed::SharedFeed;
use self::jobs::JobSignals;
pub(crate) use self::jobs::{RunningJob, StoredEvent, Work};
pub(crate) use self::neighbours::{News, Waiting};
pub(crate) use self::notices::{Losses, Lost, Notices};
#[cfg(feature = "postgres")]
use self::postgres::PostgresStore;
pub(crate) use self::retention::Limits;
#[cfg(feature = "postgres")]
pub use self::rows::MoveReport;
use self::sqlite::SqliteStore;
pub use self::sqlite::{CheckReport, RepairReport, check, repair, restore};
pub(crate) use self::state::{Backlog, DatabaseState, StoreState};
pub use self::url::StoreUrl;
#[cfg(feature = "postgres")]
use crate::clock;
use crate::timestamp::Timestamp;

/// The open store. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    backend: Backend,
    signals: Arc<JobSignals>,
}

/// The implementation behind a [`Store`].
#[derive(Debug, Clone)]
enum Backend {
    Sqlite(SqliteStore),
    #[cfg(feature = "postgres")]
    Postgres(PostgresStore),
}

impl From<SqliteStore> for Store {
    fn from(backend: SqliteStore) -> Self {
        Self { backend: Backend::Sqlite(backend), signals: Arc::default() }
    }
}

impl Store {
    /// Opens the store in the directory `dir`, and creates it if it does not exist. Deliveries that were in flight when its
    /// gateway ended become pending, due at `now`.
    ///
    /// Blocks; do not call it on an async thread.
    ///
    /// # Errors
    /// Returns [`StoreError::Damaged`] if the store is not the one that the last gateway left, or cannot be read, and says
    /// so if another program has it, if the disk is full, or if this process may not use it.
    pub(crate) fn in_directory(dir: &Path, now: Timestamp) -> Result<Self, StoreError> {
        SqliteStore::open(dir, now).map(Self::from)
    }

    /// Opens the store in the database at `url`, and creates its tables if there are none. Waits for a database that cannot be
    /// reached, until `stop` is ready. Other gateways may work with it. If this one is silent for `lease`, the others take it to
    /// have ended.
    ///
    /// # Errors
    /// Returns [`StoreError::Closed`] if `stop` is ready before the store is open, [`StoreError::Url`] if the URL is wrong, and
    /// another error if the database refuses this gateway.
    #[cfg(feature = "postgres")]
    pub(crate) async fn in_postgres(
        url: &str,
        lease: Duration,
        now: impl Fn() -> Timestamp,
        stop: impl Future<Output = ()>,
    ) -> Result<Self, StoreError> {
        let backend = PostgresStore::open(url, lease, now, stop).await?;
        Ok(Self { backend: Backend::Postgres(backend), signals: Arc::default() })
    }

    /// Checks whether a URL names a database, without connecting to it.
    #[cfg(feature = "postgres")]
    pub(crate) fn check_url(url: &str) -> Result<(), StoreError> {
        PostgresStore::check_url(url)
    }

    /// Refuses every URL, as [`check_url`](Self::check_url) has done.
    #[cfg(not(feature = "postgres"))]
    pub(crate) async fn in_postgres(
        url: &str,
        _: Duration,
        _: impl Fn() -> Timestamp,
        _: impl Future<Output = ()>,
    ) -> Result<Self, StoreError> {
        std::future::ready(Self::check_url(url)).await?;
        Err(StoreError::Closed)
    }

    /// Refuses every URL: this program was built without a client of PostgreSQL.
    #[cfg(not(feature = "postgres"))]
    pub(crate) fn check_url(_: &str) -> Result<(), StoreError> {
        Err(StoreError::Url(
            "this program cannot use PostgreSQL; build it with `--features postgres`".to_owned(),
        ))
    }

    /// Checks that the other gateways of the store count on this one.
    ///
    /// # Errors
    /// Fails if they may have taken over its deliveries. Then this gateway must not call functions.
    pub(crate) fn check_standing(&self) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Sqlite(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Backend::Postgres(backend) => backend.check_standing(),
        }
    }

    /// Returns once the other gateways have taken over the deliveries of this one. Then it can store nothing any more, and must end.
    pub(crate) async fn lost(&self) -> StoreError {
        match &self.backend {
            Backend::Sqlite(_) => std::future::pending().await,
            #[cfg(feature = "postgres")]
            Backend::Postgres(backend) => {
                backend.lost().await;
                StoreError::LeaseLost
            }
        }
    }

    /// Returns a backup: an open file without a name, which contains everything that was acknowledged before the call.
    ///
    /// # Errors
    /// Returns [`StoreError::Busy`] if another backup is being made.
    pub(crate) async fn backup(&self, now: Timestamp) -> Result<File, StoreError> {
        backend!(self.backup(now).await)
    }

    /// Returns the SQLite store, for the simulation, which looks into it.
    #[cfg(test)]
    pub(crate) fn sqlite(&self) -> &SqliteStore {
        match &self.backend {
            Backend::Sqlite(backend) => backend,
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => panic!("the simulation uses SQLite"),
        }
    }

    /// Finishes the writes that were requested, and closes the store. Clones that still exist cannot change anything any
    /// more. What is in flight stays so until the next start: [`release`](Self::release) it first.
    pub(crate) async fn close(self) {
        match self.backend {
            Backend::Sqlite(backend) => backend.close().await,
            #[cfg(feature = "postgres")]
            Backend::Postgres(backend) => backend.close().await,
        }
    }
}

/// The lease while a store is moved.
#[cfg(feature = "postgres")]
const LEASE: Duration = Duration::from_secs(8);

/// How long to wait for gateways to leave the database. One that was killed stays for as long as its lease.
#[cfg(feature = "postgres")]
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause between attempts to have the database alone.
#[cfg(feature = "postgres")]
const PAUSE: Duration = Duration::from_millis(100);

/// Moves the store in the directory `dir` into the database at `url`, which must be empty, or contain what an interrupted move
/// has left. No gateway may use either of them. The store in `dir` stays; a gateway that opened it again would deliver
/// the same events.
///
/// # Errors
/// Returns an error if a gateway uses one of the stores, if the one in `dir` is damaged, or if the database has a store
/// already. An interrupted move can be repeated.
#[cfg(feature = "postgres")]
pub async fn migrate(dir: &Path, url: &StoreUrl) -> Result<MoveReport, StoreError> {
    clock::resume(dir);
    let opened = {
        let dir = dir.to_owned();
        tokio::task::spawn_blocking(move || SqliteStore::open_for_export(&dir, clock::timestamp()))
    };
    let from = opened.await.map_err(|_| StoreError::Closed)??;
    // Whoever waits for an answer wants to know at once what is wrong.
    PostgresStore::check_reachable(url.as_str()).await?;
    let to =
        PostgresStore::open_for_import(url.as_str(), LEASE, clock::timestamp, std::future::pending()).await?;
    let moved = copy(from, &to).await;
    to.close().await;
    moved
}

#[cfg(feature = "postgres")]
async fn copy(from: sqlite::Export, to: &PostgresStore) -> Result<MoveReport, StoreError> {
    let alone = async {
        loop {
            match to.begin_import().await {
                Err(StoreError::Occupied) => tokio::time::sleep(PAUSE).await,
                begun => return begun,
            }
        }
    };
    tokio::time::timeout(PATIENCE, alone).await.unwrap_or(Err(StoreError::Occupied))?;
    // The next page is read while one is written.
    let (pages, mut arriving) = tokio::sync::mpsc::channel(1);
    let reading = tokio::task::spawn_blocking(move || from.read(&pages));
    let mut report = MoveReport::default();
    while let Some(page) = arriving.recv().await {
        match page.table.name {
            "events" => report.events += page.rows,
            "deliveries" => report.deliveries += page.rows,
            "config" => report.resources += page.rows,
            _ => {}
        }
        // If it fails, the reader cannot hand over the next page, and ends.
        to.import(page).await?;
    }
    reading.await.map_err(|_| StoreError::Closed)??;
    to.end_import().await?;
    Ok(report)
}
