//! Migrates databases of earlier formats, one format at a time. What copies many rows does so in slices; the last
//! transaction of each step switches the format, so after a crash the next start continues. `schema` has the current
//! format.

use rusqlite::{Connection, params};

use super::schema::{ADDED_IN_2, ADDED_IN_4, DELIVERIES};
use super::seal::{of_row, sealed};
use crate::store::seal::of_bytes;

/// Migrates a database of the format `found`, step by step.
pub(super) fn from(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    let steps = [from_1, from_2, from_3];
    let done = usize::try_from(found - 1).unwrap_or_default();
    steps.into_iter().skip(done).try_for_each(|step| step(connection))
}

/// Number of rows that one transaction of a migration copies.
const ROWS: usize = 10_000;

/// Migrates from the first format, which had no order, replay, expiry or filters. Its deliveries become as old as
/// their events. They are copied in slices; after a crash, the next start continues behind the last copy.
fn from_1(connection: &mut Connection) -> rusqlite::Result<()> {
    begin_copy(connection)?;
    let mut copied = 0;
    loop {
        let rows = copy(connection, ROWS)?;
        if rows == 0 {
            break;
        }
        copied += rows;
        tracing::info!(deliveries = copied, "migrating the store from format 1");
    }
    // Foreign keys refer to tables by name, and each table is replaced by one of the same name.
    connection.pragma_update(None, "foreign_keys", "OFF")?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(&format!(
        "DROP INDEX deliveries_due; DROP INDEX deliveries_subscribed;
         DROP INDEX deliveries_in_flight; DROP INDEX deliveries_dead;
         DROP TABLE deliveries;
         ALTER TABLE deliveries_2 RENAME TO deliveries;
         {ADDED_IN_2}
         INSERT INTO counters SELECT space, 'accepted', count(*) FROM deliveries GROUP BY space;
         PRAGMA user_version = 2;"
    ))?;
    transaction.commit()
}

/// Creates the table into which deliveries are copied, unless an interrupted migration has done so.
fn begin_copy(connection: &mut Connection) -> rusqlite::Result<()> {
    if connection.table_exists(None, "deliveries_2")? {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    let table = DELIVERIES.replace("TABLE deliveries ", "TABLE deliveries_2 ");
    transaction.execute_batch(&format!("ALTER TABLE events ADD COLUMN subject TEXT; {table}"))?;
    transaction.commit()
}

/// Copies at most `limit` deliveries. Returns how many.
fn copy(connection: &mut Connection, limit: usize) -> rusqlite::Result<usize> {
    connection.execute(
        "INSERT INTO deliveries_2 (seq, event, space, subscription_id, function_id, state, attempts, failures, since,
                                   due_at, ended_at, reason)
             SELECT d.seq, d.event, d.space, d.subscription_id, d.function_id, d.state, d.attempts, d.failures,
                    e.accepted_at, d.due_at, d.ended_at, d.reason
             FROM deliveries d JOIN events e ON e.seq = d.event
             WHERE d.seq > (SELECT coalesce(max(seq), 0) FROM deliveries_2) ORDER BY d.seq LIMIT ?1",
        [i64::try_from(limit).unwrap_or(i64::MAX)],
    )
}

/// Migrates from the second format, which checked states with `IN (…)`. The third uses `OR`, which is much faster. No
/// row changes, so only the text of the tables is replaced, by the procedure in
/// <https://sqlite.org/lang_altertable.html#otheralter>.
fn from_2(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let version: i64 = transaction.query_row("PRAGMA schema_version", [], |row| row.get(0))?;
    transaction.pragma_update(None, "writable_schema", "ON")?;
    for (column, words) in [
        ("state", &["pending", "in_flight", "delivered", "dead", "expired", "filtered"][..]),
        ("outcome", &["delivered", "failed", "interrupted"]),
    ] {
        let quoted = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>();
        let equal = quoted.iter().map(|word| format!("{column} = {word}")).collect::<Vec<_>>();
        transaction.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ?1, ?2) WHERE type = 'table'",
            [format!("{column} IN ({})", quoted.join(", ")), equal.join(" OR ")],
        )?;
    }
    transaction.pragma_update(None, "schema_version", version + 1)?;
    transaction.pragma_update(None, "writable_schema", "OFF")?;
    transaction.pragma_update(None, "user_version", 3)?;
    transaction.commit()
}

/// Migrates from the third format, which had no jobs and no checksums, and whose claims did not distinguish deliveries
/// that have failed. What it holds is sealed as it is.
fn from_3(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(ADDED_IN_4)?;
    {
        let mut events = transaction.prepare(concat!("SELECT ", sealed!(), ", e.seq FROM events e"))?;
        let mut seal = transaction.prepare("UPDATE events SET seal = ?2 WHERE seq = ?1")?;
        let mut rows = events.query([])?;
        while let Some(row) = rows.next()? {
            seal.execute(params![row.get::<_, i64>("seq")?, of_row(row, 0)?])?;
        }
        let mut payloads =
            transaction.prepare("SELECT seq, payload FROM deliveries WHERE payload IS NOT NULL")?;
        let mut seal = transaction.prepare("UPDATE deliveries SET payload_seal = ?2 WHERE seq = ?1")?;
        let mut rows = payloads.query([])?;
        while let Some(row) = rows.next()? {
            seal.execute(params![row.get::<_, i64>("seq")?, of_bytes(row.get_ref("payload")?.as_blob()?)])?;
        }
        let mut bodies = transaction.prepare("SELECT DISTINCT body FROM config")?;
        let mut seal = transaction.prepare("UPDATE config SET seal = ?2 WHERE body = ?1")?;
        let mut rows = bodies.query([])?;
        while let Some(row) = rows.next()? {
            let body: String = row.get("body")?;
            seal.execute(params![body, of_bytes(body.as_bytes())])?;
        }
    }
    transaction.pragma_update(None, "user_version", 4)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::Connection;

    use super::super::seal::{fits, sealed};
    use super::super::{config, schema};

    /// The checks of the second format.
    const CHECKS_IN_2: &str = "
        CREATE TABLE config (kind TEXT, space TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, space, id))
            WITHOUT ROWID;
        CREATE TABLE events (seq INTEGER PRIMARY KEY, space TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL,
            source TEXT NOT NULL, subject TEXT, method TEXT NOT NULL, path TEXT NOT NULL, accepted_at INTEGER NOT NULL,
            event BLOB NOT NULL) STRICT;
        CREATE TABLE counters (space TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,
            PRIMARY KEY (space, name)) STRICT, WITHOUT ROWID;
        CREATE TABLE attempts (delivery INTEGER, outcome TEXT CHECK (outcome IN ('delivered', 'failed', 'interrupted')));
        CREATE TABLE deliveries (seq INTEGER PRIMARY KEY, state TEXT NOT NULL
            CHECK (state IN ('pending', 'in_flight', 'delivered', 'dead', 'expired', 'filtered')),
            payload BLOB, space TEXT, function_id TEXT, failures INTEGER, due_at INTEGER, ended_at INTEGER,
            discarded_at INTEGER);
        INSERT INTO deliveries (seq, state) VALUES (1, 'expired');
        PRAGMA user_version = 2;";

    #[test]
    fn checks_of_the_second_format_become_fast_ones() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("event-gateway.db");
        Connection::open(&path).unwrap().execute_batch(CHECKS_IN_2).unwrap();
        let connection = schema::open(&path).unwrap();
        assert_checks(&connection);
        let kept: String =
            connection.query_row("SELECT state FROM deliveries", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, "expired");
    }

    /// Holds in release builds too.
    #[test]
    fn a_new_database_checks_states() {
        let dir = tempfile::tempdir().unwrap();
        let connection = schema::open(&dir.path().join("event-gateway.db")).unwrap();
        let rows = "
            INSERT INTO events VALUES (1, 'default', 'a', 't', '/s', NULL, 'POST', '/', 1000, x'7b7d', 0);
            INSERT INTO deliveries (seq, event, space, subscription_id, function_id, state, since)
                VALUES (1, 1, 'default', 's', 'f', 'pending', 1000);";
        connection.execute_batch(rows).unwrap();
        assert_checks(&connection);
    }

    /// Checks that the database refuses unknown states, and that its checks contain no lists. Delivery 1 ends as
    /// expired.
    fn assert_checks(connection: &Connection) {
        let slow: i64 = connection
            .query_row(
                "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND sql LIKE '% IN (%'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(slow, 0, "a check makes a table in each statement");
        let ignored: bool =
            connection.query_row("PRAGMA ignore_check_constraints", [], |row| row.get(0)).unwrap();
        assert!(!ignored);
        for (word, allowed) in [("filtered", true), ("lost", false), ("", false), ("expired", true)] {
            let changed = connection.execute("UPDATE deliveries SET state = ?1 WHERE seq = 1", [word]);
            assert_eq!(changed.ok(), allowed.then_some(1), "{word}");
        }
    }

    /// A database as a gateway of the first format left it: one delivery in each state, with attempts.
    const FORMAT_1: &str = "
        CREATE TABLE config (kind TEXT NOT NULL, space TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (kind, space, id)) STRICT, WITHOUT ROWID;
        CREATE TABLE events (seq INTEGER PRIMARY KEY, space TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL,
            source TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, accepted_at INTEGER NOT NULL,
            event BLOB NOT NULL) STRICT;
        CREATE TABLE deliveries (seq INTEGER PRIMARY KEY, event INTEGER NOT NULL REFERENCES events (seq),
            space TEXT NOT NULL, subscription_id TEXT NOT NULL, function_id TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('pending', 'in_flight', 'delivered', 'dead')),
            attempts INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, due_at INTEGER NOT NULL,
            ended_at INTEGER, reason TEXT) STRICT;
        CREATE INDEX deliveries_due ON deliveries (space, function_id, due_at) WHERE state = 'pending';
        CREATE INDEX deliveries_subscribed ON deliveries (space, subscription_id) WHERE state = 'pending';
        CREATE INDEX deliveries_in_flight ON deliveries (seq) WHERE state = 'in_flight';
        CREATE INDEX deliveries_dead ON deliveries (space, seq) WHERE state = 'dead';
        CREATE TABLE attempts (delivery INTEGER NOT NULL REFERENCES deliveries (seq), number INTEGER NOT NULL,
            started_at INTEGER NOT NULL, duration_ms INTEGER,
            outcome TEXT CHECK (outcome IN ('delivered', 'failed', 'interrupted')), error TEXT,
            PRIMARY KEY (delivery, number)) STRICT, WITHOUT ROWID;
        INSERT INTO events VALUES (1, 'default', 'a', 't', '/s', 'POST', '/', 1000, x'7b7d');
        INSERT INTO deliveries VALUES (1, 1, 'default', 's1', 'f', 'pending', 1, 1, 2000, NULL, NULL);
        INSERT INTO deliveries VALUES (2, 1, 'default', 's2', 'f', 'in_flight', 1, 0, 1000, NULL, NULL);
        INSERT INTO deliveries VALUES (3, 1, 'default', 's3', 'f', 'delivered', 1, 0, 1000, 1500, NULL);
        INSERT INTO deliveries VALUES (4, 1, 'default', 's4', 'f', 'dead', 1, 1, 1000, 1600, 'rejected: no');
        INSERT INTO attempts VALUES (1, 1, 1000, 5, 'failed', 'x'), (2, 1, 1000, NULL, NULL, NULL),
            (3, 1, 1000, 5, 'delivered', NULL), (4, 1, 1000, 5, 'failed', 'no');
        PRAGMA user_version = 1;";

    #[test]
    fn the_first_format_is_taken_over_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("event-gateway.db");
        Connection::open(&path).unwrap().execute_batch(FORMAT_1).unwrap();
        is_taken_over(&path);
    }

    #[test]
    fn an_interrupted_migration_continues() {
        for copied in 0..=4 {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("event-gateway.db");
            let mut connection = Connection::open(&path).unwrap();
            connection.execute_batch(FORMAT_1).unwrap();
            super::begin_copy(&mut connection).unwrap();
            assert_eq!(super::copy(&mut connection, copied).unwrap(), copied);
            drop(connection);
            is_taken_over(&path);
        }
    }

    fn is_taken_over(path: &Path) {
        drop(schema::open(path).unwrap());
        let connection = schema::open(path).unwrap();
        let rows: Vec<String> = connection
            .prepare(
                "SELECT d.seq || ' ' || state || ' ' || since || ' ' || coalesce(due_at, '-') || ' ' ||
                        coalesce(reason, '-') || ' ' || (SELECT count(*) FROM attempts WHERE delivery = d.seq)
                 FROM deliveries d ORDER BY seq",
            )
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(
            rows,
            [
                "1 pending 1000 2000 - 1",
                "2 in_flight 1000 1000 - 1",
                "3 delivered 1000 1000 - 1",
                "4 dead 1000 1000 rejected: no 1",
            ]
        );
        let accepted = "SELECT value FROM counters WHERE space = 'default'";
        let accepted: i64 = connection.query_row(accepted, [], |row| row.get(0)).unwrap();
        assert_eq!(accepted, 4);
        let sealed = concat!("SELECT ", sealed!(), " FROM events e");
        assert!(connection.query_row(sealed, [], |row| fits(row, 0)).unwrap(), "what was there is sealed");
        assert_eq!(config::damaged(&connection).unwrap(), Vec::<String>::new());
        let broken: i64 = connection
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(broken, 0);
        assert_checks(&connection);
    }
}
