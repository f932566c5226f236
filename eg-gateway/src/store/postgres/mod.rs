//! The backend that keeps everything in a PostgreSQL database, with which one gateway at a time works. Others stand by.
//!
//! # How it keeps the invariants of the seam
//! * Durable is what the database has committed. A database that answers before that (`synchronous_commit = off`) is refused.
//! * All writes run over one connection of one gateway, those of one line in the order of the calls. A gateway that has lost
//!   its lease, and a connection that was given up, can commit nothing any more (`numbers`). So everything in flight when a
//!   gateway takes over was left by one that has ended or may not write.
//! * If a connection is lost during a commit, the writer finds out whether the commit succeeded before it answers (`writer`).
//! * Numbers come from the row that each transaction changes, and only grow (`numbers`). So does the version of the
//!   configuration: a change that is based on an older one does nothing.
//! * Each event, edited payload and resource has a checksum.
//!
//! # Other databases
//! The statements keep to what databases with PostgreSQL's protocol understand, and leave nothing in a session, so that
//! connections may go through a pool that lends them for a transaction.

mod accounting;
mod batch;
mod claims;
mod config;
mod dead_letters;
mod deliveries;
mod events;
mod faults;
mod give_up;
mod import;
mod jobs;
mod lease;
mod migrations;
mod numbers;
mod queue;
mod readers;
mod replay;
mod retention;
mod search;
mod session;
mod settings;
mod slices;
mod stored;
mod suspects;
mod values;
mod writer;

use std::fs::File;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use self::faults::Failure;
use self::lease::{Lease, Standing};
use self::queue::Work;
use self::readers::Readers;
use self::session::Session;
use self::settings::Settings;
use self::values::values;
use self::writer::Writer;
use super::error::StoreError;
use super::health::Health;
use super::retention::Sweeps;
use super::room::Room;
use super::state::StoreState;
use crate::timestamp::Timestamp;

/// How many runs of gateways the database remembers.
const RUNS: i64 = 1_000;

/// A store that is open. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct PostgresStore {
    writer: Writer,
    readers: Readers,
    standing: Arc<Standing>,
    lease: Arc<Lease>,
    room: Arc<Room>,
    health: Arc<Health>,
    sweeps: Arc<Mutex<Sweeps>>,
}

impl PostgresStore {
    /// Checks whether a URL names a database, and says what is wrong with it.
    pub(in crate::store) fn check_url(url: &str) -> Result<(), StoreError> {
        Settings::read(url, Duration::ZERO).map(drop)
    }

    /// Connects to a database once.
    pub(in crate::store) async fn check_reachable(url: &str) -> Result<(), StoreError> {
        let (client, _driver) = Settings::read(url, Duration::ZERO)?.connect().await?;
        drop(client);
        Ok(())
    }

    /// Opens the store, as [`Store::in_postgres`](crate::store::Store::in_postgres) does.
    pub(in crate::store) async fn open(
        url: &str,
        lease: Duration,
        now: impl Fn() -> Timestamp,
        stop: impl Future<Output = ()>,
    ) -> Result<Self, StoreError> {
        let store = Self::open_for_import(url, lease, now, stop).await?;
        let refused = match store.is_incomplete().await {
            Ok(false) => return Ok(store),
            Ok(true) => StoreError::Incomplete,
            Err(error) => error,
        };
        store.close().await;
        Err(refused)
    }

    /// Opens the store even if a part of it is missing.
    pub(in crate::store) async fn open_for_import(
        url: &str,
        lease: Duration,
        now: impl Fn() -> Timestamp,
        stop: impl Future<Output = ()>,
    ) -> Result<Self, StoreError> {
        let settings = Arc::new(Settings::read(url, lease)?);
        let mut stop = pin!(stop);
        tokio::select! {
            prepared = Self::prepare(&settings) => prepared?,
            () = &mut stop => return Err(StoreError::Closed),
        }
        let standing = Arc::<Standing>::default();
        let lease = Lease::wait(Arc::clone(&settings), Arc::clone(&standing), stop.as_mut()).await?;
        let begun = tokio::select! {
            begun = Self::begin(settings, Arc::clone(&standing), lease.epoch, now()) => begun,
            () = standing.until_lost() => Err(StoreError::LeaseLost),
            () = stop => Err(StoreError::Closed),
        };
        match begun {
            Ok((writer, readers, room, health)) => {
                let (lease, sweeps) = (Arc::new(lease), Arc::default());
                Ok(Self { writer, readers, standing, lease, room, health, sweeps })
            }
            Err(error) => {
                lease.release().await;
                Err(error)
            }
        }
    }

    async fn prepare(settings: &Settings) -> Result<(), StoreError> {
        settings.look_up().await?;
        migrations::prepare(settings).await
    }

    /// Takes over what the last gateway has left.
    async fn begin(
        settings: Arc<Settings>,
        standing: Arc<Standing>,
        epoch: i64,
        now: Timestamp,
    ) -> Result<(Writer, Readers, Arc<Room>, Arc<Health>), StoreError> {
        migrations::run(&settings).await?;
        let (room, health) = (Arc::<Room>::default(), Arc::<Health>::default());
        let readers = Readers::new(&settings, Arc::clone(&standing))?;
        let writer = Writer::start(settings, standing, epoch, Arc::clone(&room), Arc::clone(&health)).await?;
        suspects::recover(&writer, now).await?;
        writer.run(Run { epoch, now }).await?;
        Ok((writer, readers, room, health))
    }

    pub(in crate::store) fn check_standing(&self) -> Result<(), StoreError> {
        self.standing.check()
    }

    /// Returns once another gateway has taken over.
    pub(in crate::store) async fn lost(&self) {
        self.standing.until_lost().await;
    }

    pub(in crate::store) async fn check_writable(&self) -> Result<(), StoreError> {
        self.standing.check()?;
        // Renewing the lease shows that the database is there, although nothing was written lately.
        if self.state().writable { Ok(()) } else { self.writer.run(Touch).await }
    }

    pub(in crate::store) fn state(&self) -> StoreState {
        let writable = self.standing.is_renewed() && self.health.error().is_none();
        StoreState { writable, damaged: self.health.damaged() }
    }

    pub(in crate::store) fn is_full(&self) -> bool {
        self.room.is_full()
    }

    #[expect(clippy::unused_async, reason = "other backends need time for it")]
    pub(in crate::store) async fn backup(&self, _: Timestamp) -> Result<File, StoreError> {
        Err(StoreError::BackedUpElsewhere)
    }

    pub(in crate::store) async fn close(self) {
        self.writer.stop().await;
        // Clones may still exist in tasks that are ending. Without the writer they cannot change anything.
        let had_lease = self.standing.check().is_ok();
        self.standing.closed();
        if had_lease {
            self.lease.release().await;
        }
    }
}

/// Changes nothing but the number of the last transaction, to find out whether the store can be written.
struct Touch;

impl Work for Touch {
    type Output = ();

    async fn run(&mut self, _: &mut Session) -> Result<(), Failure> {
        Ok(())
    }
}

/// Records that a run of a gateway begins.
struct Run {
    epoch: i64,
    now: Timestamp,
}

impl Work for Run {
    type Output = ();

    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        let newest_at = (session.numbers.event > 0).then_some(session.numbers.newest_at);
        session.later(
            "INSERT INTO runs (epoch, started_at, newest_at) VALUES ($1, $2, $3)",
            values![self.epoch, self.now, newest_at],
        );
        session.later("DELETE FROM runs WHERE epoch <= $1", values![self.epoch - RUNS]);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
