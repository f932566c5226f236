//! The tables, and how the database is opened. Changing a table means a new format and a migration here.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::StoreError;

/// `PRAGMA user_version` of the databases written here.
const FORMAT: i64 = 1;

const TABLES: &str = "
CREATE TABLE config (
    kind TEXT NOT NULL, space TEXT NOT NULL, id TEXT NOT NULL,
    body TEXT NOT NULL,                -- the resource as JSON, with secrets
    PRIMARY KEY (kind, space, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    space TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, source TEXT NOT NULL,
    method TEXT NOT NULL, path TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,      -- all times are milliseconds since the Unix epoch
    event BLOB NOT NULL                -- the JSON that functions get
) STRICT;

CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY,
    event INTEGER NOT NULL REFERENCES events (seq),
    space TEXT NOT NULL, subscription_id TEXT NOT NULL, function_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'in_flight', 'delivered', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0,  -- number of the last attempt
    failures INTEGER NOT NULL DEFAULT 0,  -- attempts that ended with a failure; an interrupted one is none
    due_at INTEGER NOT NULL,
    ended_at INTEGER, reason TEXT
) STRICT;
CREATE INDEX deliveries_due ON deliveries (space, function_id, due_at) WHERE state = 'pending';
CREATE INDEX deliveries_subscribed ON deliveries (space, subscription_id) WHERE state = 'pending';
CREATE INDEX deliveries_in_flight ON deliveries (seq) WHERE state = 'in_flight';
CREATE INDEX deliveries_dead ON deliveries (space, seq) WHERE state = 'dead';

CREATE TABLE attempts (
    delivery INTEGER NOT NULL REFERENCES deliveries (seq),
    number INTEGER NOT NULL,
    started_at INTEGER NOT NULL, duration_ms INTEGER,
    outcome TEXT CHECK (outcome IN ('delivered', 'failed', 'interrupted')),  -- NULL: under way
    error TEXT,
    PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;
";

/// Opens the database for writing, and makes its tables when it is new.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match found {
        FORMAT => {}
        0 => connection.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {FORMAT}; COMMIT;"))?,
        found => return Err(StoreError::Newer { path: path.to_owned(), found, known: FORMAT }),
    }
    Ok(connection)
}

/// Opens the database for queries only.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}
