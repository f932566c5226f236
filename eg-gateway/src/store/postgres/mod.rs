//! The backend that keeps everything in a PostgreSQL database, with which any number of gateways work at the same time.
//!
//! # How it keeps the invariants of the seam
//! * Durable is what the database has committed. A database that answers before that (`synchronous_commit = off`) is refused.
//! * The writing transactions of all gateways follow one another: each locks one row when it begins (`numbers`). So a gateway
//!   sees what others have written before, numbers only grow, and two gateways never claim the same delivery.
//! * The writes of a gateway run over one connection, those of one line in the order of the calls. A gateway that others have
//!   removed, and a connection that was given up, can commit nothing any more (`numbers`). Whoever removes a gateway makes what
//!   it had in flight due again in the same transaction (`suspects`), and it calls no functions by then (`standing`).
//! * If a connection is lost during a commit, the writer finds out whether the commit succeeded before it answers (`writer`).
//! * A change of the configuration that is based on an older version does nothing. It is answered when all gateways work with it
//!   (`neighbours`), so what is accepted afterwards, wherever, is decided by it.
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
mod feed;
mod give_up;
mod import;
mod jobs;
mod members;
mod migrations;
mod neighbours;
mod numbers;
mod queue;
mod readers;
mod replay;
mod retention;
mod search;
mod session;
mod settings;
mod slices;
mod standing;
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
use self::members::Membership;
use self::neighbours::Seen;
use self::queue::Work;
use self::readers::Readers;
use self::session::Session;
use self::settings::Settings;
use self::standing::Standing;
use self::values::values;
use self::writer::Writer;
use super::error::StoreError;
use super::health::Health;
use super::retention::Sweeps;
use super::room::Room;
use super::state::{DatabaseState, StoreState};
use crate::timestamp::Timestamp;

/// How many runs of gateways the database remembers.
const RUNS: i64 = 1_000;

const RUN: &str = "
    INSERT INTO runs (epoch, started_at, newest_at)
    SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM gateways WHERE epoch <> $1 AND expires_at > now())";

/// A store that is open. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct PostgresStore {
    writer: Writer,
    readers: Readers,
    standing: Arc<Standing>,
    membership: Arc<Membership>,
    /// What this gateway knows of the others.
    seen: Arc<Seen>,
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
        let membership =
            Membership::join(Arc::clone(&settings), Arc::clone(&standing), stop.as_mut()).await?;
        let epoch = membership.epoch;
        let seen = Arc::new(Seen::new(epoch));
        let begun = tokio::select! {
            begun = Self::begin(settings, Arc::clone(&standing), Arc::clone(&seen), epoch, now()) => begun,
            () = standing.until_lost() => Err(StoreError::LeaseLost),
            () = stop => Err(StoreError::Closed),
        };
        match begun {
            Ok((writer, readers, room, health)) => {
                let (membership, sweeps) = (Arc::new(membership), Arc::default());
                let store = Self { writer, readers, standing, membership, seen, room, health, sweeps };
                store.meet().await?;
                Ok(store)
            }
            Err(error) => {
                membership.leave().await;
                Err(error)
            }
        }
    }

    async fn prepare(settings: &Settings) -> Result<(), StoreError> {
        settings.look_up().await?;
        migrations::prepare(settings).await
    }

    async fn begin(
        settings: Arc<Settings>,
        standing: Arc<Standing>,
        seen: Arc<Seen>,
        epoch: i64,
        now: Timestamp,
    ) -> Result<(Writer, Readers, Arc<Room>, Arc<Health>), StoreError> {
        migrations::run(&settings).await?;
        let (room, health) = (Arc::<Room>::default(), Arc::<Health>::default());
        let readers = Readers::new(&settings, Arc::clone(&standing))?;
        let writer =
            Writer::start(settings, standing, seen, epoch, Arc::clone(&room), Arc::clone(&health)).await?;
        suspects::adopt(&writer, now).await?;
        writer.run(Run { epoch, now }).await?;
        Ok((writer, readers, room, health))
    }

    pub(in crate::store) fn check_standing(&self) -> Result<(), StoreError> {
        self.standing.check()
    }

    /// Returns once other gateways have taken over.
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
        let (damaged, gateways) = (self.health.damaged(), self.members().count());
        let database = Some(DatabaseState { behind: self.seen.behind(), ..self.readers.state() });
        StoreState { writable, damaged, gateways, database }
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
        let belongs = self.standing.check().is_ok();
        self.standing.closed();
        if belongs {
            self.membership.leave().await;
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

/// Records that a gateway begins, if none is there.
struct Run {
    epoch: i64,
    now: Timestamp,
}

impl Work for Run {
    type Output = ();

    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        let newest_at = (session.numbers.event > 0).then_some(session.numbers.newest_at);
        session.later(RUN, values![self.epoch, self.now, newest_at]);
        session.later("DELETE FROM runs WHERE epoch <= $1", values![self.epoch - RUNS]);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
