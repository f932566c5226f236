//! The SQLite backend: a file that the processes of a service share. When `transact` returns, its writes are on disk,
//! unless the caller allowed them to wait.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, TransactionBehavior, params};

use crate::item::{Change, Writes};
use crate::{Condition, Error, Item, Key};

/// How long a process waits for other writers of the file.
const PATIENCE: Duration = Duration::from_secs(10);

const SCHEMA: &str = r#"
    CREATE TABLE IF NOT EXISTS items (
        "partition" TEXT NOT NULL, sort TEXT NOT NULL, version INTEGER NOT NULL, document TEXT NOT NULL,
        expires INTEGER,
        PRIMARY KEY ("partition", sort)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS items_by_end ON items (expires) WHERE expires IS NOT NULL"#;

/// Each write of an expiring item deletes this many expired ones. There is no background task; more than one per
/// write, so that they cannot pile up.
const PURGE: &str = r#"
    DELETE FROM items WHERE ("partition", sort) IN
        (SELECT "partition", sort FROM items WHERE expires <= ?1 ORDER BY expires LIMIT 4)"#;

/// When a transaction survives a power cut. It always survives the end of the process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Safe {
    /// Once the call returns.
    Now,
    /// Together with the next synced transaction.
    Soon,
}

impl Safe {
    /// The value of SQLite's `synchronous` in WAL mode.
    fn synchronous(self) -> &'static str {
        match self {
            Self::Now => "FULL",
            Self::Soon => "NORMAL",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Database(Arc<Mutex<Connection>>);

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let started = Instant::now();
        loop {
            match Connection::open(path).and_then(prepare) {
                Ok(connection) => return Ok(Self::of(connection)),
                // While another process switches the new file to WAL, SQLite fails at once instead of waiting.
                Err(e) if is_busy(&e) && started.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(e) => return Err(Error::backend(format!("open {}", path.display()), &e)),
            }
        }
    }

    pub(crate) fn in_memory() -> Result<Self, Error> {
        let connection = Connection::open_in_memory().and_then(prepare);
        connection.map(Self::of).map_err(|e| Error::backend("open a store in memory", &e))
    }

    fn of(connection: Connection) -> Self {
        Self(Arc::new(Mutex::new(connection)))
    }

    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        let key = key.clone();
        let action = format!("read item {key}");
        let read = move |connection: &mut Connection| {
            let mut select = connection.prepare_cached(
                r#"SELECT "partition", sort, version, document FROM items WHERE "partition" = ?1 AND sort = ?2"#,
            )?;
            select.query_row([&key.partition, &key.sort], item).optional()
        };
        self.run(read).await?.map_err(|e| Error::backend(action, &e))
    }

    pub(crate) async fn page(
        &self,
        partition: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Item>, Error> {
        let action = format!("read partition `{partition}`");
        // No sort key is empty, so all of them sort after the empty string.
        let (partition, after) = (partition.to_owned(), after.unwrap_or_default().to_owned());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = move |connection: &mut Connection| {
            let mut select = connection.prepare_cached(
                r#"SELECT "partition", sort, version, document FROM items
                   WHERE "partition" = ?1 AND sort > ?2 ORDER BY sort LIMIT ?3"#,
            )?;
            select.query_map(params![partition, after, limit], item)?.collect::<Result<Vec<_>, _>>()
        };
        self.run(read).await?.map_err(|e| Error::backend(action, &e))
    }

    pub(crate) async fn transact(&self, writes: Writes, safe: Safe) -> Result<(), Error> {
        let write = move |connection: &mut Connection| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            connection.pragma_update(None, "synchronous", safe.synchronous())?;
            transact(connection, &writes, signed(now.as_secs()))
        };
        match self.run(write).await? {
            Ok(None) => Ok(()),
            Ok(Some(key)) => Err(Error::Conflict { key }),
            Err(e) => Err(Error::backend("write to the store", &e)),
        }
    }

    /// Runs `work` on a thread that may block on the disk and on other processes.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let connection = Arc::clone(&self.0);
        let run = move || {
            // A panic while the lock was held left no partial change: dropping a transaction rolls it back.
            work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
        };
        tokio::task::spawn_blocking(run).await.map_err(|e| Error::backend("use the store", &e))
    }
}

fn prepare(connection: Connection) -> rusqlite::Result<Connection> {
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

/// Performs the writes. Returns the key of the first write whose condition fails; then nothing was written.
fn transact(connection: &mut Connection, writes: &Writes, now: i64) -> rusqlite::Result<Option<Key>> {
    // Takes the write lock before reading, so the checked state is the state that is overwritten.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut version = transaction
            .prepare_cached(r#"SELECT version FROM items WHERE "partition" = ?1 AND sort = ?2"#)?;
        let mut put = transaction.prepare_cached(
            r#"INSERT INTO items ("partition", sort, version, document, expires) VALUES (?1, ?2, 1, ?3, ?4)
               ON CONFLICT DO UPDATE SET version = version + 1, document = ?3, expires = ?4"#,
        )?;
        let mut delete =
            transaction.prepare_cached(r#"DELETE FROM items WHERE "partition" = ?1 AND sort = ?2"#)?;
        for write in writes.iter() {
            let Key { partition, sort } = &write.key;
            let found = version.query_row([partition, sort], |row| version_in(row, 0)).optional()?;
            let holds = match write.condition {
                Condition::Any => true,
                Condition::Absent => found.is_none(),
                Condition::Version(expected) => found == Some(expected),
            };
            if !holds {
                return Ok(Some(write.key.clone()));
            }
            match &write.change {
                Change::Put { document, expires } => {
                    put.execute(params![partition, sort, document, expires.map(signed)])?
                }
                Change::Delete => delete.execute([partition, sort])?,
            };
        }
        if writes.iter().any(|write| matches!(write.change, Change::Put { expires: Some(_), .. })) {
            transaction.prepare_cached(PURGE)?.execute([now])?;
        }
    }
    transaction.commit()?;
    Ok(None)
}

fn item(row: &Row<'_>) -> rusqlite::Result<Item> {
    let key = Key { partition: row.get(0)?, sort: row.get(1)? };
    Ok(Item { key, version: version_in(row, 2)?, document: row.get(3)? })
}

/// Converts a version from SQLite's signed integers.
fn version_in(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

/// Converts seconds to SQLite's signed integers.
fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
