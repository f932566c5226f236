//! Opens the file and brings the tables of earlier versions up to date. What the columns mean is up to the store.

use std::path::Path;

use rusqlite::Connection;

use super::StoreError;
use crate::private;

/// `PRAGMA user_version` of the files that this version writes. The first version left it at 0.
const FORMAT: i64 = 1;

const TABLES: &str = "
CREATE TABLE queues (
    name TEXT PRIMARY KEY,
    -- What was set for the queue, as JSON.
    overrides TEXT NOT NULL DEFAULT '{}',
    -- In milliseconds since 1970, as all times here.
    created INTEGER NOT NULL DEFAULT 0,
    modified INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE messages (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    attributes TEXT NOT NULL,
    message_group TEXT,
    deduplication TEXT,
    sent INTEGER NOT NULL,
    visible INTEGER NOT NULL,
    first_received INTEGER,
    receives INTEGER NOT NULL DEFAULT 0,
    receipt TEXT,
    -- The queue that gave a dead letter up, why its last handling failed, how often it was received there, and when it
    -- was given up.
    came_from TEXT,
    reason TEXT,
    died_after INTEGER,
    died INTEGER
) STRICT;
CREATE INDEX due ON messages (queue, visible);
CREATE INDEX dead ON messages (came_from) WHERE came_from IS NOT NULL;
CREATE UNIQUE INDEX receipts ON messages (receipt);
CREATE TABLE deduplication (
    queue TEXT NOT NULL,
    deduplication TEXT NOT NULL,
    id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    PRIMARY KEY (queue, deduplication)
) STRICT;
";

/// Adds what the first version lacked.
const FROM_0: &str = "
ALTER TABLE queues ADD COLUMN overrides TEXT NOT NULL DEFAULT '{}';
ALTER TABLE queues ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queues ADD COLUMN modified INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN reason TEXT;
ALTER TABLE messages ADD COLUMN died_after INTEGER;
ALTER TABLE messages ADD COLUMN died INTEGER;
CREATE INDEX dead ON messages (came_from) WHERE came_from IS NOT NULL;
";

/// Opens the file and creates its tables if it is new.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    // SQLite gives its other files the mode of this one. It reports why a file cannot be used.
    let _ = private::append_to(path);
    let connection = Connection::open(path).map_err(failed)?;
    let prepare = || {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let has_tables: bool =
            connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let step = match found {
            0 if has_tables => FROM_0,
            0 => TABLES,
            found => return Ok(found),
        };
        connection.execute_batch(&format!("BEGIN; {step} PRAGMA user_version = {FORMAT}; COMMIT;"))?;
        Ok(FORMAT)
    };
    match prepare().map_err(failed)? {
        FORMAT => Ok(connection),
        found => Err(StoreError::Newer { path: path.to_owned(), found, known: FORMAT }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of the first version, with a message and a dead letter.
    const FIRST: &str = "
        CREATE TABLE queues (name TEXT PRIMARY KEY) STRICT;
        CREATE TABLE messages (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
            attributes TEXT NOT NULL, message_group TEXT, deduplication TEXT, sent INTEGER NOT NULL,
            visible INTEGER NOT NULL, first_received INTEGER, receives INTEGER NOT NULL DEFAULT 0, receipt TEXT,
            came_from TEXT) STRICT;
        CREATE INDEX due ON messages (queue, visible);
        CREATE UNIQUE INDEX receipts ON messages (receipt);
        CREATE TABLE deduplication (
            queue TEXT NOT NULL, deduplication TEXT NOT NULL, id TEXT NOT NULL, sequence INTEGER NOT NULL,
            sent INTEGER NOT NULL, PRIMARY KEY (queue, deduplication)) STRICT;
        INSERT INTO queues VALUES ('orders'), ('orders-dead-letters');
        INSERT INTO messages (queue, id, body, attributes, sent, visible, came_from)
            VALUES ('orders', 'a', 'waits', '{}', 1, 1, NULL),
                   ('orders-dead-letters', 'b', 'died', '{}', 2, 2, 'orders');";

    #[test]
    fn a_file_of_the_first_version_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queues.db");
        Connection::open(&path).unwrap().execute_batch(FIRST).unwrap();
        drop(open(&path).unwrap());
        let migrated = open(&path).unwrap();
        let rows: String = migrated
            .query_row("SELECT group_concat(body || coalesce(reason, '-'), ' ') FROM messages", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(rows, "waits- died-");
        // Both files have the same columns in the same order, and the same indexes.
        let columns = |connection: &Connection| -> Vec<String> {
            let query = "SELECT m.name || '.' || c.name || ' ' || c.type FROM sqlite_schema m, pragma_table_info(m.name) c
                         WHERE m.type IN ('table', 'index') AND m.name NOT LIKE 'sqlite%' ORDER BY 1";
            connection
                .prepare(query)
                .unwrap()
                .query_map([], |row| row.get(0))
                .unwrap()
                .map(Result::unwrap)
                .collect()
        };
        assert_eq!(columns(&migrated), columns(&open(&folder.path().join("new.db")).unwrap()));
    }

    #[test]
    fn a_file_of_a_newer_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queues.db");
        open(&path).unwrap().pragma_update(None, "user_version", FORMAT + 1).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found, .. } if found == FORMAT + 1), "{error}");
    }
}
