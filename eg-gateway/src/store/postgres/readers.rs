//! Runs the queries of the store over connections of their own, which a pool keeps. Searches, which read much, may use only a
//! part of them, so that other queries do not wait for searches.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Status, Timeouts,
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::{Client, Row};

use super::StoreError;
use super::faults::Failure;
use super::session::{Connected, Session};
use super::settings::Settings;
use super::standing::Standing;
use super::values::Value;
use crate::store::state::DatabaseState;

/// The number of connections for queries.
const CONNECTIONS: usize = 6;

/// How many of them searches may use.
const SEARCHES: usize = 3;

/// How long a query waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// The connections. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    pool: Pool,
    searches: Arc<Semaphore>,
    standing: Arc<Standing>,
}

impl Readers {
    pub(super) fn new(settings: &Settings, standing: Arc<Standing>) -> Result<Self, StoreError> {
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(settings.config.clone(), settings.tls.clone(), config);
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: Some(PATIENCE) })
            .build()
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(Self { pool, searches: Arc::new(Semaphore::new(SEARCHES)), standing })
    }

    /// Returns how the connections are used.
    pub(super) fn state(&self) -> DatabaseState {
        let Status { size, available, waiting, .. } = self.pool.status();
        DatabaseState {
            busy: size.saturating_sub(available),
            idle: available,
            waiting,
            behind: Duration::ZERO,
        }
    }

    /// Runs one query that reads little.
    pub(super) async fn query(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let mut session = self.look_up().await?;
        let rows = session.query(sql, values).await?;
        session.end().await?;
        Ok(rows)
    }

    /// Runs one query that may read much.
    pub(super) async fn scan(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let mut session = self.search().await?;
        let rows = session.query(sql, values).await?;
        session.end().await?;
        Ok(rows)
    }

    /// Returns a transaction for queries that read little: by key, or a page of an index.
    pub(super) async fn look_up(&self) -> Result<Reading<'_>, StoreError> {
        self.begin(None).await
    }

    /// Returns a transaction for queries that may read much.
    pub(super) async fn search(&self) -> Result<Reading<'_>, StoreError> {
        let permit = self.searches.acquire().await.map_err(|_| StoreError::Closed)?;
        self.begin(Some(permit)).await
    }

    async fn begin<'s>(&self, permit: Option<SemaphorePermit<'s>>) -> Result<Reading<'s>, StoreError> {
        self.standing.check()?;
        let object = self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(_) => StoreError::Busy,
            PoolError::Backend(error) => Failure::from(error).into(),
            error => StoreError::Unreachable(error.to_string()),
        })?;
        let lent = Arc::new(Lent { object: Some(object), clean: AtomicBool::new(false) });
        let session = Session::reading(Arc::clone(&lent) as _);
        Ok(Reading { session, lent, _permit: permit })
    }
}

/// A transaction that reads.
pub(super) struct Reading<'s> {
    session: Session,
    lent: Arc<Lent>,
    _permit: Option<SemaphorePermit<'s>>,
}

impl Reading<'_> {
    /// Ends the transaction, and returns its connection. Without this, the connection is closed.
    pub(super) async fn end(self) -> Result<(), StoreError> {
        let Self { session, lent, .. } = self;
        session.commit().await?;
        lent.clean.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Deref for Reading<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Reading<'_> {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

/// A connection of the pool. It goes back only if nothing is under way on it.
struct Lent {
    object: Option<Object>,
    clean: AtomicBool,
}

impl Connected for Lent {
    fn client(&self) -> Option<&Client> {
        self.object.as_ref().map(|object| &***object)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.clean.load(Ordering::Relaxed)
            && let Some(object) = self.object.take()
        {
            drop(Object::take(object));
        }
    }
}
