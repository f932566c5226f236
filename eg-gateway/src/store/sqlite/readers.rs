//! Runs the queries of the store on connections of their own, concurrently with the writes. Searches, which read much,
//! have other connections than the rest, so they wait only for each other.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{StoreError, schema};

/// Connections of each kind.
const CONNECTIONS: usize = 2;

/// The longest time that a query may take. Searches return what they have found long before that.
const LIMIT: Duration = Duration::from_secs(30);

/// Steps of SQLite's virtual machine between two looks at the clock.
const STEPS: i32 = 10_000;

/// The connections. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    lookups: Arc<Pool>,
    searches: Arc<Pool>,
    /// Whether queries run on threads of their own. A simulation runs them in place, so that it can be repeated.
    pub(super) threads: bool,
}

impl Readers {
    /// Opens the connections to the database at `path`.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let (lookups, searches) = (Arc::new(Pool::open(path)?), Arc::new(Pool::open(path)?));
        Ok(Self { lookups, searches, threads: false })
    }

    /// Runs a query that reads little: by key, or a page of an index.
    pub(super) async fn look_up<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(&self.lookups, LIMIT, query).await
    }

    /// Runs a query that may read much.
    pub(super) async fn search<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(&self.searches, LIMIT, query).await
    }

    /// Runs a query for at most `limit`, as soon as a connection is idle.
    async fn run<T: Send + 'static>(
        &self,
        pool: &Arc<Pool>,
        limit: Duration,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&pool.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let back = Arc::clone(pool);
        let run = move || {
            // Held until the connection is back, even if the caller stops waiting.
            let _permit = permit;
            let idle = back.idle().pop();
            let mut lent = Lent { connection: idle, pool: back };
            let connection = lent.connection.as_mut().ok_or(StoreError::Closed)?;
            let until = Instant::now() + limit;
            connection.progress_handler(STEPS, Some(move || Instant::now() >= until))?;
            query(connection).map_err(|error| match error.sqlite_error_code() {
                Some(ErrorCode::OperationInterrupted) => StoreError::Slow(limit),
                _ => error.into(),
            })
        };
        if !self.threads {
            return run();
        }
        tokio::task::spawn_blocking(run).await.map_err(|e| StoreError::Failed(e.to_string()))?
    }
}

/// Connections of one kind.
#[derive(Debug)]
struct Pool {
    idle: Mutex<Vec<Connection>>,
    /// One permit for each idle connection. Queries that wait get theirs in turn.
    permits: Arc<Semaphore>,
}

impl Pool {
    fn open(path: &Path) -> rusqlite::Result<Self> {
        let idle = (0..CONNECTIONS).map(|_| schema::open_reader(path)).collect::<Result<_, _>>()?;
        Ok(Self { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(CONNECTIONS)) })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that goes back to its pool, even if the query panics.
struct Lent {
    connection: Option<Connection>,
    pool: Arc<Pool>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.idle().extend(self.connection.take());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const ENDLESS: &str =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

    fn readers() -> (tempfile::TempDir, Readers) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        drop(schema::open(&path).unwrap());
        let readers = Readers { threads: true, ..Readers::open(&path).unwrap() };
        (dir, readers)
    }

    /// Forty searches made every other query wait, because there was one connection.
    #[tokio::test]
    async fn queries_do_not_wait_for_searches() {
        let (_dir, readers) = readers();
        let (release, hold) = mpsc::channel::<()>();
        let hold = Arc::new(Mutex::new(hold));
        let searches: Vec<_> = (0..40)
            .map(|_| {
                let (readers, hold) = (readers.clone(), Arc::clone(&hold));
                tokio::spawn(async move {
                    // Ends when the other side is dropped.
                    readers.search(move |_| Ok(hold.lock().unwrap().recv().is_err())).await
                })
            })
            .collect();
        for _ in 0..100 {
            assert_eq!(readers.look_up(|_| Ok(1)).await.unwrap(), 1);
        }
        drop(release);
        for search in searches {
            assert!(search.await.unwrap().unwrap());
        }
    }

    #[tokio::test]
    async fn a_query_that_takes_too_long_is_ended() {
        let (_dir, readers) = readers();
        let endless = |c: &Connection| c.query_row(ENDLESS, [], |row| row.get::<_, i64>(0));
        let ended = readers.run(&readers.lookups, Duration::from_millis(20), endless).await;
        assert!(matches!(ended, Err(StoreError::Slow(_))), "{ended:?}");
        // The connection works again, and so does that of a query that panics.
        for _ in 0..2 * CONNECTIONS {
            assert!(readers.look_up(|_| -> rusqlite::Result<()> { panic!("planned") }).await.is_err());
        }
        assert_eq!(readers.look_up(|_| Ok(1)).await.unwrap(), 1);
    }

    /// A query goes on after its caller has hung up, and nobody else may count on its connection meanwhile.
    #[tokio::test]
    async fn a_query_without_a_caller_keeps_its_connection() {
        let (_dir, readers) = readers();
        let (release, hold) = mpsc::channel::<()>();
        let hold = Arc::new(Mutex::new(hold));
        for _ in 0..CONNECTIONS {
            let hold = Arc::clone(&hold);
            let abandoned = readers.look_up(move |_| Ok(hold.lock().unwrap().recv().is_err()));
            assert!(tokio::time::timeout(Duration::from_millis(1), abandoned).await.is_err());
        }
        let next = readers.look_up(|_| Ok(1));
        tokio::pin!(next);
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut next).await.is_err());
        drop(release);
        assert_eq!(next.await.unwrap(), 1);
    }
}
