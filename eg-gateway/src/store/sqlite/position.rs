//! Counts the changes in the database, and compares that and the number of the newest event with the mark outside of it.
//! `mark` keeps the file. A change is a transaction of the gateway's own: of the configuration, of jobs, of retention.
//! Accepted events have numbers anyway.

use rusqlite::{Connection, Row, params};

use super::{SqliteStore, StoreError};
use crate::decide::lived::Stop;
use crate::timestamp::Timestamp;

/// How far a store has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The random id of the run of the gateway that wrote it.
    pub(super) run: i64,
    /// Changes that all runs have committed.
    pub(super) changes: i64,
    /// The number of the newest event, and when it was accepted. Events are numbered without gaps.
    pub(super) event: i64,
    pub(super) at: Timestamp,
}

/// What the database says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    /// The newest runs of the gateway.
    pub(super) runs: Vec<i64>,
    pub(super) changes: i64,
    pub(super) event: i64,
    pub(super) at: Timestamp,
    /// When it was copied, if it is a backup.
    pub(super) backup: Option<Timestamp>,
}

/// The state of the database file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// There is no database, or an empty file.
    Nothing,
    /// A database of a format that counted no changes, or without tables.
    Uncounted,
    /// A database that counts.
    Counted(Recorded),
}

/// Why a database is not the one that the gateway left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Discrepancy {
    #[error(
        "the database is missing or empty; {} changes and {} events had been written to it until {}",
        .0.changes, .0.event, .0.at
    )]
    Missing(Position),
    #[error(
        "the database is an older copy, without tables or of an older format; {} changes and {} events had been written \
         until {}",
        .0.changes, .0.event, .0.at
    )]
    OlderFormat(Position),
    #[error(
        "the end of the database is missing: it ends with change {} and event {} of {}, and the last that were written \
         are change {} and event {} of {}{}",
        found.changes, found.event, found.at, written.changes, written.event, written.at, missing(found, written)
    )]
    Behind { found: Box<Recorded>, written: Position },
    #[error(
        "the database is another copy: it ends with change {} and event {} of {}, and has no record of the run \
         of the gateway that wrote change {} and event {} of {}",
        found.changes, found.event, found.at, written.changes, written.event, written.at
    )]
    OtherCopy { found: Box<Recorded>, written: Position },
    #[error(
        "the database is a backup of {backup}, with the changes up to {changes} and the events up to {event}; \
         whatever was accepted later is not in it. `event-gateway restore` makes a store of it"
    )]
    Backup { backup: Timestamp, changes: i64, event: i64 },
    #[error(
        "the file event-gateway.mark is missing, so the gateway cannot tell whether the database (changes up to \
         {changes}, events up to {event}) is complete"
    )]
    Unmarked { changes: i64, event: i64 },
}

fn missing(found: &Recorded, written: &Position) -> String {
    let changes = match written.changes - found.changes {
        ..=0 => String::new(),
        changes => format!("; {changes} changes are missing"),
    };
    match written.event - found.event {
        ..=0 => changes,
        events => {
            format!("{changes}; {events} events are missing, from {} to {}", found.event + 1, written.event)
        }
    }
}

/// Compares the database with the mark.
///
/// # Errors
/// Describes what is missing if the database is not the one that the mark was written for, or is behind it.
pub(super) fn compare(mark: Option<Position>, found: Found) -> Result<(), Discrepancy> {
    match (mark, found) {
        (None, Found::Nothing | Found::Uncounted) => Ok(()),
        (None, Found::Counted(Recorded { changes, event, backup: Some(backup), .. })) => {
            Err(Discrepancy::Backup { backup, changes, event })
        }
        (None, Found::Counted(Recorded { changes, event, .. })) => {
            Err(Discrepancy::Unmarked { changes, event })
        }
        // The first start creates the mark before the database.
        (Some(mark), Found::Nothing | Found::Uncounted) if mark.changes == 0 => Ok(()),
        (Some(mark), Found::Nothing) => Err(Discrepancy::Missing(mark)),
        (Some(mark), Found::Uncounted) => Err(Discrepancy::OlderFormat(mark)),
        (Some(written), Found::Counted(found))
            if found.changes < written.changes || found.event < written.event =>
        {
            Err(Discrepancy::Behind { found: Box::new(found), written })
        }
        (Some(written), Found::Counted(found)) => {
            if found.runs.contains(&written.run) || (written.changes == 0 && found.changes == 0) {
                Ok(())
            } else {
                Err(Discrepancy::OtherCopy { found: Box::new(found), written })
            }
        }
    }
}

/// Reads what the database says about itself. It must have the current format.
pub(super) fn recorded(connection: &Connection) -> rusqlite::Result<Recorded> {
    let runs = connection
        .prepare("SELECT id FROM runs")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let counter = "SELECT coalesce(max(value), 0) FROM counters WHERE space = '' AND name = ?1";
    let counter = |name: &str| connection.query_row(counter, [name], |row| row.get::<_, i64>(0));
    let (event, at) = newest(connection)?;
    let backup = Some(counter("backup")?).filter(|at| *at > 0).map(Timestamp::from_millis);
    Ok(Recorded { runs, changes: counter("changes")?, event, at, backup })
}

/// Returns the number of the newest event, and when it was accepted.
fn newest(connection: &Connection) -> rusqlite::Result<(i64, Timestamp)> {
    let mut newest =
        connection.prepare_cached("SELECT seq, accepted_at FROM events ORDER BY seq DESC LIMIT 1")?;
    let mut rows = newest.query([])?;
    match rows.next()? {
        Some(row) => Ok((row.get(0)?, row.get(1)?)),
        None => Ok((0, Timestamp::from_millis(0))),
    }
}

impl SqliteStore {
    pub(in crate::store) async fn reached(&self) -> Result<Timestamp, StoreError> {
        self.readers.look_up(|connection| newest(connection).map(|(_, at)| at)).await
    }

    pub(in crate::store) async fn stops(&self) -> Result<Vec<Stop>, StoreError> {
        self.readers.look_up(stops).await
    }
}

fn stops(connection: &Connection) -> rusqlite::Result<Vec<Stop>> {
    // Without a new event, nothing shows how long a run lasted.
    let query = "
        SELECT max(newest_at, coalesce(lag(started_at) OVER (ORDER BY changes), newest_at)) AS stopped_at, started_at
        FROM runs WHERE newest_at IS NOT NULL ORDER BY changes DESC";
    let stop = |row: &Row<'_>| Ok(Stop { from: row.get("stopped_at")?, until: row.get("started_at")? });
    connection.prepare(query)?.query_map([], stop)?.collect()
}

/// Returns the position after a transaction, and in the transaction. Counts it if it is a change.
pub(super) fn advance(
    transaction: &Connection,
    before: Position,
    is_change: bool,
) -> rusqlite::Result<Position> {
    let changes = if is_change { count(transaction)? } else { before.changes };
    let (event, at) = newest(transaction)?;
    Ok(Position { changes, event, at, ..before })
}

/// Counts a change, and returns its number.
fn count(transaction: &Connection) -> rusqlite::Result<i64> {
    let mut count = transaction.prepare_cached(
        "UPDATE counters SET value = value + 1 WHERE space = '' AND name = 'changes' RETURNING value",
    )?;
    count.query_row([], |row| row.get(0))
}

/// Writes the number of changes again, to find out whether the store can be written.
pub(super) fn touch(transaction: &Connection) -> rusqlite::Result<()> {
    let touched =
        transaction.execute("UPDATE counters SET value = value WHERE space = '' AND name = 'changes'", [])?;
    if touched == 1 { Ok(()) } else { Err(rusqlite::Error::QueryReturnedNoRows) }
}

/// How many runs the database remembers: a mark that is older than so many starts belongs to another copy.
const RUNS: i64 = 1000;

/// Records that a run of the gateway begins, and returns the position at which it does.
pub(super) fn begin(connection: &mut Connection, run: i64, now: Timestamp) -> rusqlite::Result<Position> {
    let transaction = connection.transaction()?;
    transaction.execute(
        "DELETE FROM runs WHERE id NOT IN (SELECT id FROM runs ORDER BY changes DESC, started_at DESC LIMIT ?1)",
        [RUNS],
    )?;
    transaction.execute("DELETE FROM counters WHERE space = '' AND name = 'backup'", [])?;
    transaction.execute(
        "INSERT OR REPLACE INTO runs (id, started_at, newest_at, changes)
         SELECT ?1, ?2, (SELECT max(accepted_at) FROM events), value FROM counters WHERE space = '' AND name = 'changes'",
        params![run, now],
    )?;
    let changes = count(&transaction)?;
    let (event, at) = newest(&transaction)?;
    let position = Position { run, changes, event, at };
    transaction.commit()?;
    Ok(position)
}

#[cfg(test)]
mod tests {
    use super::super::events::insert_example;
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_000);

    fn found(runs: &[i64], changes: i64, event: i64) -> Found {
        Found::Counted(Recorded { runs: runs.to_vec(), changes, event, at: AT, backup: None })
    }

    #[test]
    fn every_time_in_which_no_gateway_ran_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = super::super::schema::open(&dir.path().join("db")).unwrap();
        let at = Timestamp::from_millis;
        // The first run begins without events. Nothing shows how long the third one lasted.
        for (run, started, event) in
            [(1, 1_000, Some(2_000)), (2, 5_000, Some(6_000)), (3, 8_000, None), (4, 9_000, None)]
        {
            begin(&mut connection, run, at(started)).unwrap();
            if let Some(event) = event {
                insert_example(&connection, "default", &run.to_string(), at(event)).unwrap();
            }
        }
        let stop = |from, until| Stop { from: at(from), until: at(until) };
        assert_eq!(stops(&connection).unwrap(), [stop(8_000, 9_000), stop(6_000, 8_000), stop(2_000, 5_000)]);
    }

    #[test]
    fn databases_that_are_not_the_one_that_was_left() {
        let mark =
            |changes, event| Some(Position { run: 7, changes, event, at: Timestamp::from_millis(9_000) });
        for (mark, found, expected) in [
            (None, Found::Nothing, ""),
            (None, Found::Uncounted, ""),
            (None, found(&[7], 5, 4), "event-gateway.mark is missing"),
            (mark(0, 0), Found::Nothing, ""),
            (mark(0, 0), Found::Uncounted, ""),
            (mark(5, 4), Found::Nothing, "5 changes and 4 events had been written to it until"),
            (mark(5, 4), Found::Uncounted, "older copy"),
            (mark(5, 4), found(&[3, 7], 5, 4), ""),
            (mark(5, 4), found(&[3, 7], 9, 9), ""),
            (mark(5, 4), found(&[7], 3, 4), "2 changes are missing"),
            (mark(5, 4), found(&[7], 3, 2), "2 changes are missing; 2 events are missing, from 3 to 4"),
            (mark(5, 4), found(&[7], 5, 3), "1 events are missing, from 4 to 4"),
            (mark(0, 0), found(&[], 0, 0), ""),
            (mark(0, 0), found(&[3], 9, 9), "another copy"),
            (mark(5, 4), found(&[], 5, 4), "another copy"),
            (mark(5, 4), found(&[3], 9, 9), "another copy"),
            (mark(5, 4), found(&[3], 1, 1), "4 changes are missing; 3 events are missing, from 2 to 4"),
        ] {
            let text = compare(mark, found.clone()).err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(text.is_empty(), expected.is_empty(), "{mark:?} {found:?}: {text}");
            assert!(text.contains(expected), "{mark:?} {found:?}: {text}");
        }
        let backup = Recorded { runs: vec![7], changes: 5, event: 4, at: AT, backup: Some(AT) };
        let refused = compare(None, Found::Counted(backup.clone())).unwrap_err();
        assert_eq!(refused, Discrepancy::Backup { backup: AT, changes: 5, event: 4 });
        assert_eq!(compare(mark(5, 4), Found::Counted(backup)), Ok(()), "nothing was written since");
    }
}
