//! Mends the definitions of tables and indexes in a copy of a damaged database: without all of them, SQLite reads nothing.
//! `salvage` makes the copies and reads the rows.

use std::path::Path;

use rusqlite::{Connection, params};

/// Opens a copy. If its definitions cannot be read, replaces them by those of `sound`, a database of the current format.
/// A definition that belongs to an older format would then be wrong; the seals of the rows would not fit.
pub(super) fn open(copy: &Path, sound: &Connection) -> rusqlite::Result<Connection> {
    let readable = |connection: &Connection| {
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
    };
    let connection = Connection::open(copy)?;
    if readable(&connection).is_err() {
        tracing::warn!("the definitions of the tables are damaged, and are replaced");
        // With this setting, SQLite goes on without the definitions that it cannot read.
        connection.pragma_update(None, "writable_schema", "ON")?;
        let mut definitions =
            sound.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
        let mut definitions = definitions.query([])?;
        while let Some(row) = definitions.next()? {
            let [kind, name, table, sql]: [String; 4] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
            connection.execute(
                "UPDATE sqlite_schema SET type = ?1, name = ?2, tbl_name = ?3, sql = ?4
                 WHERE (name = ?2 OR sql = ?4) AND (type, name, tbl_name, sql) IS NOT (?1, ?2, ?3, ?4)",
                params![kind, name, table, sql],
            )?;
        }
        drop(connection);
        let connection = Connection::open(copy)?;
        return readable(&connection).map(|_| connection);
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    /// One bit of a definition cost all events.
    #[test]
    fn damaged_definitions_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let sound = schema::open(&dir.path().join("sound")).unwrap();
        for (number, damage) in [
            "sql = replace(sql, 'CREATE INDEX events_id', 'CREATE INDEY events_id')",
            "sql = replace(sql, 'CREATE TABLE events', 'CREAT\u{95} TABLE events')",
            "sql = CAST(x'ff' || substr(sql, 2) AS TEXT) WHERE name = 'deliveries'",
            "name = 'evenus' WHERE name = 'events'",
            "type = 'tabl' WHERE name = 'config'",
        ]
        .into_iter()
        .enumerate()
        {
            let path = dir.path().join(number.to_string());
            let connection = schema::open(&path).unwrap();
            connection
                .execute_batch(&format!(
                    "INSERT INTO counters VALUES ('s', 'n', 1);
                     PRAGMA writable_schema = ON; UPDATE sqlite_schema SET {damage};"
                ))
                .unwrap();
            drop(connection);
            let mended = open(&path, &sound).unwrap();
            for table in ["events", "deliveries", "attempts", "config", "jobs"] {
                let count = mended.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
                assert_eq!(count, Ok(0), "{damage}: {table}");
            }
            let count =
                mended.query_row("SELECT count(*) FROM counters WHERE space = 's'", [], |row| row.get(0));
            assert_eq!(count, Ok(1), "{damage}");
        }
    }
}
