//! Defines the tables and opens the database. A changed table requires a new format and a migration in `migrate`.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::faults::OpenError;
use super::{StoreError, migrate};

/// `PRAGMA user_version` of the databases that this version writes.
pub(super) const FORMAT: i64 = 4;

// The checks use OR and cost 1.5 % of the instructions that SQLite spends on accepting, claiming and finishing a
// delivery. With IN (…) they would cost 106 %, because SQLite builds a table in each statement for a list of more
// than two.
const TABLES: &str = "
CREATE TABLE config (
    kind TEXT NOT NULL, space TEXT NOT NULL, id TEXT NOT NULL,
    body TEXT NOT NULL,                -- the resource as JSON, with secrets
    PRIMARY KEY (kind, space, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    space TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, source TEXT NOT NULL, subject TEXT,
    method TEXT NOT NULL, path TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,      -- all times are milliseconds since the Unix epoch
    event BLOB NOT NULL                -- the JSON that functions get
) STRICT;

CREATE TABLE attempts (
    delivery INTEGER NOT NULL REFERENCES deliveries (seq),
    number INTEGER NOT NULL,
    started_at INTEGER NOT NULL, duration_ms INTEGER,
    -- NULL: under way
    outcome TEXT CHECK (outcome = 'delivered' OR outcome = 'failed' OR outcome = 'interrupted'),
    error TEXT,
    PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;
";

pub(super) const DELIVERIES: &str = "
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY,
    event INTEGER NOT NULL REFERENCES events (seq),
    space TEXT NOT NULL, subscription_id TEXT NOT NULL, function_id TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state = 'pending' OR state = 'in_flight' OR state = 'delivered' OR state = 'dead' OR state = 'expired'
               OR state = 'filtered'),
    attempts INTEGER NOT NULL DEFAULT 0,  -- number of the last attempt
    failures INTEGER NOT NULL DEFAULT 0,  -- attempts since `since` that failed; an interrupted one is no failure
    since INTEGER NOT NULL,            -- when its age began: accepted, replayed or redriven
    due_at INTEGER,                    -- NULL: waits for earlier ones with its key
    order_key TEXT,                    -- those with the same key are made one after the other
    replay TEXT,                       -- which replay made it
    payload BLOB,                      -- what is delivered instead of the event, after an edited redrive
    ended_at INTEGER, reason TEXT, discarded_at INTEGER
) STRICT;
";

/// Indexes and tables that the second format added.
pub(super) const ADDED_IN_2: &str = "
CREATE TABLE counters (space TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (space, name))
    STRICT, WITHOUT ROWID;
CREATE INDEX events_id ON events (space, id, source);
CREATE INDEX events_accepted ON events (accepted_at);
CREATE INDEX deliveries_subscribed ON deliveries (space, subscription_id, since) WHERE state = 'pending';
CREATE INDEX deliveries_in_flight ON deliveries (seq) WHERE state = 'in_flight';
CREATE INDEX deliveries_dead ON deliveries (space, seq) WHERE state = 'dead' AND discarded_at IS NULL;
CREATE INDEX deliveries_expired ON deliveries (space, seq) WHERE state = 'expired' AND discarded_at IS NULL;
CREATE INDEX deliveries_ordered ON deliveries (space, subscription_id, order_key, seq)
    WHERE order_key IS NOT NULL AND state IN ('pending', 'in_flight');
CREATE INDEX deliveries_event ON deliveries (event);
";

/// Columns, indexes and tables that the fourth format added or changed. `seal` has the checksums, and `position` compares
/// the runs and the counted changes with the mark. Deliveries that have failed before, and those whose attempts the end of the
/// gateway has interrupted, are claimed apart from the others. What was given up is listed by the time when it was.
pub(super) const ADDED_IN_4: &str = "
-- The last attempts in a row during which the gateway ended unexpectedly.
ALTER TABLE deliveries ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;
DROP INDEX IF EXISTS deliveries_due;
CREATE INDEX deliveries_due ON deliveries (space, function_id, failures > 0, due_at)
    WHERE state = 'pending' AND due_at IS NOT NULL AND crashes = 0;
CREATE INDEX deliveries_suspect ON deliveries (seq) WHERE state = 'pending' AND crashes > 0;
DROP INDEX IF EXISTS deliveries_dead;
DROP INDEX IF EXISTS deliveries_expired;
CREATE INDEX deliveries_lost ON deliveries (space, state)
    WHERE (state = 'dead' OR state = 'expired') AND discarded_at IS NULL;
CREATE INDEX deliveries_lost_at ON deliveries (space, state, ended_at)
    WHERE (state = 'dead' OR state = 'expired') AND discarded_at IS NULL;
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY,
    space TEXT NOT NULL, kind TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state = 'running' OR state = 'done' OR state = 'cancelled'),
    subscription_id TEXT, reason TEXT, -- for those that give up deliveries of a subscription
    work TEXT NOT NULL,                -- what to do, as JSON
    -- numbers of events or deliveries: the job does those after `start` up to `last`, and has done those up to `cursor`
    start INTEGER NOT NULL, cursor INTEGER NOT NULL, last INTEGER NOT NULL,
    events INTEGER NOT NULL DEFAULT 0, deliveries INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL, ended_at INTEGER
) STRICT;
CREATE INDEX jobs_running ON jobs (seq) WHERE state = 'running';
CREATE INDEX jobs_giving_up ON jobs (space, subscription_id) WHERE kind = 'give_up' AND state = 'running';
CREATE INDEX jobs_of_space ON jobs (space, seq);
ALTER TABLE config ADD COLUMN seal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN seal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN payload_seal INTEGER;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,            -- random
    started_at INTEGER NOT NULL,
    newest_at INTEGER,                 -- when the newest event before it was accepted
    changes INTEGER NOT NULL           -- the changes that earlier runs had committed
) STRICT;
INSERT INTO counters (space, name, value) VALUES ('', 'changes', 0);
";

/// Database pages that the writer keeps in memory. Ids are random, so writes touch all parts of an index over them.
const CACHE_KIB: i64 = 64 * 1024;

/// Size of the write-ahead log at which it is copied into the database. A page that many transactions changed is
/// copied once. A log of this size is read quickly at the next start.
pub(super) const CHECKPOINT_PAGES: u32 = 4096;

/// Opens a database that no mark protects.
#[cfg(test)]
pub(crate) fn open(path: &Path) -> Result<Connection, OpenError> {
    let mut connection = Connection::open(path)?;
    prepare(&mut connection, path)?;
    Ok(connection)
}

/// Makes an open database ready for writing, and creates or migrates its tables.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    connection.set_prepared_statement_cache_capacity(64);
    connection.busy_timeout(Duration::from_secs(5))?;
    // Otherwise SQLite recompiles some statements whenever another value is bound, because it might allow a better
    // plan.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match found {
        FORMAT => {}
        0 => connection.execute_batch(&format!(
            "BEGIN; {TABLES} {DELIVERIES} {ADDED_IN_2} {ADDED_IN_4} PRAGMA user_version = {FORMAT}; COMMIT;"
        ))?,
        1..FORMAT => migrate::from(connection, found)?,
        found => return Err(StoreError::Newer { path: path.to_owned(), found, known: FORMAT }.into()),
    }
    connection.pragma_update(None, "foreign_keys", "ON")?;
    Ok(())
}

/// Opens the database for queries only.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use eg_sdk::history::{AttemptOutcome, DeliveryState};
    use rusqlite::{StatementStatus, params};

    use super::super::claims::DUE;
    use super::*;

    /// SQLite used to recompile the query that loads due deliveries for almost every claim, because another limit
    /// might allow another plan. That took a tenth of the instructions of a delivery.
    #[test]
    fn statements_are_compiled_once() {
        let dir = tempfile::tempdir().unwrap();
        let connection = open(&dir.path().join("db")).unwrap();
        let compiled_again = |connection: &Connection| {
            let mut due = connection.prepare(DUE).unwrap();
            for limit in [400, 1, 7] {
                assert!(
                    due.query(params!["default", "f", 1_000 + limit, false, 0, limit])
                        .unwrap()
                        .next()
                        .unwrap()
                        .is_none()
                );
            }
            due.get_status(StatementStatus::RePrepare)
        };
        assert_eq!(compiled_again(&connection), 0);
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, false).unwrap();
        assert_ne!(compiled_again(&connection), 0, "the setting has no effect");
    }

    #[test]
    fn columns_take_the_names_of_states_and_outcomes() {
        let check = |sql: &str, column: &str, names: Vec<&str>| {
            let allowed: Vec<_> = names.iter().map(|name| format!("{column} = '{name}'")).collect();
            let words: Vec<_> = sql.split_whitespace().collect();
            let check = format!("CHECK ({})", allowed.join(" OR "));
            assert!(words.join(" ").contains(&check), "{check}");
        };
        check(DELIVERIES, "state", DeliveryState::ALL.iter().map(|state| state.as_str()).collect());
        // An attempt that is under way has no outcome yet.
        let ended = AttemptOutcome::ALL.iter().filter(|outcome| **outcome != AttemptOutcome::InFlight);
        check(TABLES, "outcome", ended.map(|outcome| outcome.as_str()).collect());
    }
}
