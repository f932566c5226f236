//! Checks the files of a store without changing them: SQLite's structures, the checksums, the books and the mark.
//! `salvage` saves what is sound.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::columns::lossy;
use super::mark::{self, Mark};
use super::open::{DATABASE, cut, find};
use super::position::{Discrepancy, Found, compare};
use super::seal::{bytes_fit, fits, sealed};
use super::{StoreError, accounting, config};

/// What a check of a store found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// What the store contains, in one line.
    pub summary: String,
    /// What is missing or damaged, one line each. Empty if the store is sound.
    pub problems: Vec<String>,
}

/// Maximum number of lines about one kind of problem.
const LINES: usize = 100;

/// Checks a store. `path` is its directory, or the file of a backup. Changes nothing; a gateway may be using the store.
///
/// # Errors
/// Returns an error if there is nothing to check at `path`. What is wrong with a store is in the report.
pub fn check(path: &Path) -> Result<CheckReport, StoreError> {
    let database = if path.is_dir() { path.join(DATABASE) } else { path.to_owned() };
    let mark = path.is_dir().then(|| path.join(mark::NAME));
    let present = |file: &Path| fs::metadata(file).is_ok_and(|metadata| metadata.len() > 0);
    if !present(&database) && !mark.as_deref().is_some_and(present) {
        let reason = "there is no store".to_owned();
        return Err(StoreError::File { path: path.to_owned(), reason });
    }
    let mut report = CheckReport { summary: String::new(), problems: Vec::new() };
    // The mark is read first: a running gateway writes it after the database.
    let position = match mark.as_deref().map(Mark::read).transpose() {
        Ok(position) => position.flatten(),
        Err(error) => {
            report.problems.push(format!("{}: {error}", mark::NAME));
            None
        }
    };
    let found = if present(&database) {
        match open_read_only(&database).map_err(|error| error.to_string()) {
            Ok(connection) => {
                let cut = database.parent().map(|dir| cut(&connection, dir)).filter(|_| mark.is_some());
                report.problems.extend(cut.and_then(Result::ok).flatten());
                database_problems(&connection, &mut report)
            }
            Err(error) => {
                report.problems.push(format!("the database cannot be opened: {error}"));
                return Ok(report);
            }
        }
    } else {
        Some(Found::Nothing)
    };
    match found.map(|found| compare(position, found)) {
        // A file that stands alone is a backup, and so is a database that says so.
        Some(Err(Discrepancy::Unmarked { .. })) if mark.is_none() => {}
        Some(Err(Discrepancy::Backup { backup, .. })) => {
            let _ = write!(report.summary, ", a backup of {backup}");
        }
        Some(Err(error)) => report.problems.insert(0, error.to_string()),
        None | Some(Ok(())) => {}
    }
    Ok(report)
}

/// Opens a database so that nothing changes in its files.
fn open_read_only(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // All checks see the same state.
    connection.execute_batch("BEGIN")?;
    Ok(connection)
}

/// Checks everything in the database. Returns what it says about itself, unless that cannot be read.
fn database_problems(connection: &Connection, report: &mut CheckReport) -> Option<Found> {
    let problems = &mut report.problems;
    collect(problems, "SQLite", structure(connection));
    let found = match find(connection) {
        Ok(Found::Counted(recorded)) => {
            report.summary = format!(
                "{} changes, {} events up to number {} of {}",
                recorded.changes,
                count(connection, "events").map_or_else(|| "?".to_owned(), |count| count.to_string()),
                recorded.event,
                recorded.at
            );
            Some(Found::Counted(recorded))
        }
        Ok(found) => {
            "a database of an older format, without checksums".clone_into(&mut report.summary);
            return Some(found);
        }
        Err(error) => {
            problems.push(format!("the counted changes cannot be read: {error}"));
            None
        }
    };
    collect(problems, "references", references(connection));
    collect(problems, "events", events(connection));
    collect(problems, "deliveries", payloads(connection));
    collect(problems, "configuration", config::damaged(connection));
    collect(problems, "accounting", books(connection));
    found
}

/// Adds the problems of one kind, or the error that ended the search for them.
fn collect(problems: &mut Vec<String>, kind: &str, found: rusqlite::Result<Vec<String>>) {
    match found {
        Ok(found) => {
            let more = found.len().saturating_sub(LINES);
            problems.extend(found.into_iter().take(LINES).map(|problem| format!("{kind}: {problem}")));
            if more > 0 {
                problems.push(format!("{kind}: {more} more"));
            }
        }
        Err(error) => problems.push(format!("{kind}: cannot be read: {error}")),
    }
}

fn count(connection: &Connection, table: &str) -> Option<i64> {
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).ok()
}

fn structure(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut check = connection.prepare("PRAGMA integrity_check")?;
    let found = check.query_map([], |row| row.get::<_, String>(0))?;
    found.filter(|line| !line.as_ref().is_ok_and(|line| line == "ok")).collect()
}

fn references(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut check =
        connection.prepare("SELECT \"table\", rowid, parent FROM pragma_foreign_key_check ORDER BY 1, 2")?;
    let row = |row: &rusqlite::Row<'_>| {
        let (table, number, parent): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let number = number.map(|number| format!(" {number}")).unwrap_or_default();
        Ok(format!("a row of {table}{number} belongs to a row of {parent} that is missing"))
    };
    check.query_map([], row)?.collect()
}

fn events(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(concat!("SELECT ", sealed!(), ", e.seq FROM events e"))?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if !fits(row, 0)? {
            let (number, id) = (row.get::<_, i64>("seq")?, lossy(row.get_ref("id")?).into_owned());
            found.push(format!("event {number} (`{}`) does not match its checksum", id.escape_debug()));
        }
    }
    Ok(found)
}

fn payloads(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection
        .prepare("SELECT payload, payload_seal, seq FROM deliveries WHERE payload IS NOT NULL OR payload_seal IS NOT NULL")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if !bytes_fit(row, 0)? {
            let number: i64 = row.get("seq")?;
            found.push(format!("the edited event of delivery {number} does not match its checksum"));
        }
    }
    Ok(found)
}

fn books(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let tallies = accounting::read(connection)?;
    let unbalanced = tallies.into_iter().filter(|(_, tally)| !tally.is_balanced());
    Ok(unbalanced
        .map(|(space, tally)| {
            format!(
                "space `{space}` counted {} deliveries, and the rows do not add up to that",
                tally.accepted
            )
        })
        .collect())
}
