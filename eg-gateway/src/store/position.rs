//! Counts the committed groups of writes in the database, and compares that with the mark outside of it. `mark` keeps
//! the file.

use rusqlite::{Connection, params};

use crate::timestamp::Timestamp;

/// How far a store has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The random id of the run of the gateway that wrote it.
    pub(super) run: i64,
    /// Groups of writes that all runs have committed.
    pub(super) groups: i64,
    /// The number of the newest event, and when it was accepted. Events are numbered without gaps.
    pub(super) event: i64,
    pub(super) at: Timestamp,
}

/// What the database says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    /// The newest runs of the gateway.
    pub(super) runs: Vec<i64>,
    pub(super) groups: i64,
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
    /// A database of a format that counted no groups, or without tables.
    Uncounted,
    /// A database that counts.
    Counted(Recorded),
}

/// Why a database is not the one that the gateway left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Discrepancy {
    #[error(
        "the database is missing or empty; {} transactions with {} events had been written to it until {}",
        .0.groups, .0.event, .0.at
    )]
    Missing(Position),
    #[error(
        "the database is an older copy, without tables or of an older format; {} transactions with {} events had been \
         written until {}",
        .0.groups, .0.event, .0.at
    )]
    OlderFormat(Position),
    #[error(
        "{} transactions are missing: the database ends with transaction {} and event {} of {}, and the last that \
         were written are transaction {} and event {} of {}{}",
        written.groups - found.groups, found.groups, found.event, found.at, written.groups, written.event, written.at,
        missing_events(found, written)
    )]
    Behind { found: Box<Recorded>, written: Position },
    #[error(
        "the database is another copy: it ends with transaction {} and event {} of {}, and has no record of the run \
         of the gateway that wrote transaction {} and event {} of {}",
        found.groups, found.event, found.at, written.groups, written.event, written.at
    )]
    OtherCopy { found: Box<Recorded>, written: Position },
    #[error(
        "the database is a backup of {backup}, with the transactions up to {groups} and the events up to {event}; \
         whatever was accepted later is not in it. `event-gateway restore` makes a store of it"
    )]
    Backup { backup: Timestamp, groups: i64, event: i64 },
    #[error(
        "the file event-gateway.mark is missing, so the gateway cannot tell whether the database (transactions up to \
         {groups}, events up to {event}) is complete"
    )]
    Unmarked { groups: i64, event: i64 },
}

fn missing_events(found: &Recorded, written: &Position) -> String {
    match written.event - found.event {
        ..=0 => String::new(),
        events => format!("; {events} events are missing, from {} to {}", found.event + 1, written.event),
    }
}

/// Compares the database with the mark.
///
/// # Errors
/// Describes what is missing if the database is not the one that the mark was written for, or is behind it.
pub(super) fn compare(mark: Option<Position>, found: Found) -> Result<(), Discrepancy> {
    match (mark, found) {
        (None, Found::Nothing | Found::Uncounted) => Ok(()),
        (None, Found::Counted(Recorded { groups, event, backup: Some(backup), .. })) => {
            Err(Discrepancy::Backup { backup, groups, event })
        }
        (None, Found::Counted(Recorded { groups, event, .. })) => {
            Err(Discrepancy::Unmarked { groups, event })
        }
        // The first start creates the mark before the database.
        (Some(mark), Found::Nothing | Found::Uncounted) if mark.groups == 0 => Ok(()),
        (Some(mark), Found::Nothing) => Err(Discrepancy::Missing(mark)),
        (Some(mark), Found::Uncounted) => Err(Discrepancy::OlderFormat(mark)),
        (Some(written), Found::Counted(found))
            if found.groups < written.groups || found.event < written.event =>
        {
            Err(Discrepancy::Behind { found: Box::new(found), written })
        }
        (Some(written), Found::Counted(found)) => {
            if found.runs.contains(&written.run) || (written.groups == 0 && found.groups == 0) {
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
    Ok(Recorded { runs, groups: counter("groups")?, event, at, backup })
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

/// Counts a group of writes, in its transaction, and returns the position after it.
pub(super) fn advance(transaction: &Connection, run: i64) -> rusqlite::Result<Position> {
    let mut count = transaction.prepare_cached(
        "UPDATE counters SET value = value + 1 WHERE space = '' AND name = 'groups' RETURNING value",
    )?;
    let groups = count.query_row([], |row| row.get(0))?;
    let (event, at) = newest(transaction)?;
    Ok(Position { run, groups, event, at })
}

/// Writes the number of groups again, to find out whether the store can be written.
pub(super) fn touch(transaction: &Connection) -> rusqlite::Result<()> {
    let touched =
        transaction.execute("UPDATE counters SET value = value WHERE space = '' AND name = 'groups'", [])?;
    if touched == 1 { Ok(()) } else { Err(rusqlite::Error::QueryReturnedNoRows) }
}

/// How many runs the database remembers: a mark that is older than so many starts belongs to another copy.
const RUNS: i64 = 1000;

/// Records that a run of the gateway begins, and returns the position at which it does.
pub(super) fn begin(connection: &mut Connection, run: i64, now: Timestamp) -> rusqlite::Result<Position> {
    let transaction = connection.transaction()?;
    transaction.execute(
        "DELETE FROM runs WHERE id NOT IN (SELECT id FROM runs ORDER BY groups DESC, started_at DESC LIMIT ?1)",
        [RUNS],
    )?;
    transaction.execute("DELETE FROM counters WHERE space = '' AND name = 'backup'", [])?;
    transaction.execute(
        "INSERT OR REPLACE INTO runs (id, started_at, groups)
         SELECT ?1, ?2, value FROM counters WHERE space = '' AND name = 'groups'",
        params![run, now],
    )?;
    let position = advance(&transaction, run)?;
    transaction.commit()?;
    Ok(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_000);

    fn found(runs: &[i64], groups: i64, event: i64) -> Found {
        Found::Counted(Recorded { runs: runs.to_vec(), groups, event, at: AT, backup: None })
    }

    #[test]
    fn databases_that_are_not_the_one_that_was_left() {
        let mark =
            |groups, event| Some(Position { run: 7, groups, event, at: Timestamp::from_millis(9_000) });
        for (mark, found, expected) in [
            (None, Found::Nothing, ""),
            (None, Found::Uncounted, ""),
            (None, found(&[7], 5, 4), "event-gateway.mark is missing"),
            (mark(0, 0), Found::Nothing, ""),
            (mark(0, 0), Found::Uncounted, ""),
            (mark(5, 4), Found::Nothing, "5 transactions with 4 events had been written to it until"),
            (mark(5, 4), Found::Uncounted, "older copy"),
            (mark(5, 4), found(&[3, 7], 5, 4), ""),
            (mark(5, 4), found(&[3, 7], 9, 9), ""),
            (mark(5, 4), found(&[7], 3, 4), "2 transactions are missing"),
            (mark(5, 4), found(&[7], 3, 2), "2 events are missing, from 3 to 4"),
            (mark(5, 4), found(&[7], 5, 3), "1 events are missing, from 4 to 4"),
            (mark(0, 0), found(&[], 0, 0), ""),
            (mark(0, 0), found(&[3], 9, 9), "another copy"),
            (mark(5, 4), found(&[], 5, 4), "another copy"),
            (mark(5, 4), found(&[3], 9, 9), "another copy"),
            (mark(5, 4), found(&[3], 1, 1), "4 transactions are missing"),
        ] {
            let text = compare(mark, found.clone()).err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(text.is_empty(), expected.is_empty(), "{mark:?} {found:?}: {text}");
            assert!(text.contains(expected), "{mark:?} {found:?}: {text}");
        }
        let backup = Recorded { runs: vec![7], groups: 5, event: 4, at: AT, backup: Some(AT) };
        let refused = compare(None, Found::Counted(backup.clone())).unwrap_err();
        assert_eq!(refused, Discrepancy::Backup { backup: AT, groups: 5, event: 4 });
        assert_eq!(compare(mark(5, 4), Found::Counted(backup)), Ok(()), "nothing was written since");
    }
}
