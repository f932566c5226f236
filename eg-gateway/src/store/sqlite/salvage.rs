//! Saves what is sound in a damaged store into a new one, and lists what is lost. Leaves the damaged store as it is.
//! `check` finds damage, `log` mends the write-ahead log, and `definitions` the tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, Statement, params_from_iter};

use super::columns::lossy;
use super::faults::file_error;
use super::mark::{self, Mark};
use super::open::{DATABASE, LOG, find, lock, private_file};
use super::position::{Found, Position, begin};
use super::seal::{bytes_fit, fits, sealed};
use super::{StoreError, check, definitions, log, schema};
use crate::timestamp::Timestamp;

/// What a repair saved and what it could not save.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairReport {
    /// Events in the new store.
    pub events: usize,
    /// Deliveries in the new store.
    pub deliveries: usize,
    /// Resources of the configuration in the new store.
    pub resources: usize,
    /// What is lost, one line each.
    pub lost: Vec<String>,
}

/// How many numbers after a damaged row are tried one by one before the search goes on in steps of so many. A page holds
/// fewer rows.
const NEIGHBOURS: i64 = 1024;

/// Saves what is sound in the store in `dir` into a new store in `new`, which must not exist. No gateway may use `dir`,
/// and nothing changes there.
///
/// # Errors
/// Returns an error if a directory cannot be used. What could not be saved is in the report.
pub fn repair(dir: &Path, new: &Path) -> Result<RepairReport, StoreError> {
    if !dir.join(DATABASE).exists() && !dir.join(mark::NAME).exists() {
        return Err(StoreError::File { path: dir.to_owned(), reason: "there is no store".to_owned() });
    }
    let _lock = lock(dir)?;
    let mark = Mark::read(&dir.join(mark::NAME)).ok().flatten();
    let copies = new.join("damaged");
    create_dir(new)?;
    create_dir(&copies)?;
    let path = new.join(DATABASE);
    private_file(&path).map_err(|error| file_error(&path, &error))?;
    let mut connection = Connection::open(&path)?;
    schema::prepare(&mut connection, &path)?;
    // Rows are written in the order in which they are found, and their parents may be found later.
    connection.pragma_update(None, "foreign_keys", "OFF")?;
    connection.execute_batch("DELETE FROM counters")?;
    let upper = mark.map_or(0, |mark| mark.event);
    let mut salvage = Salvage { to: &connection, upper, lost: BTreeMap::new(), complete: BTreeSet::new() };
    let (mut unreadable, mut is_read) = (Vec::new(), false);
    for copy in working_copies(dir, &copies)? {
        // A copy that cannot be opened has nothing to save; the other one may.
        let opened = definitions::open(&copy, &connection).map_err(StoreError::from);
        match opened.and_then(|from| salvage.copy(&from)) {
            Ok(()) => is_read = true,
            Err(error) => unreadable.push(error.to_string()),
        }
    }
    let Salvage { lost, complete, .. } = salvage;
    let lost = lost.into_iter().filter_map(|(number, what)| {
        let saved = "SELECT EXISTS (SELECT 1 FROM events WHERE seq = ?1)";
        let saved: bool = connection.query_row(saved, [number], |row| row.get(0)).unwrap_or_default();
        (!saved).then_some(what)
    });
    let mut lost: Vec<String> = lost.collect();
    if !is_read {
        unreadable.dedup();
        lost.extend(
            unreadable.into_iter().map(|error| format!("nothing of the database can be read: {error}")),
        );
    }
    for (table, what) in [
        ("config", "a part of the configuration is lost: create the functions and subscriptions again"),
        ("jobs", "jobs are lost: begin replays, retries and discards again that had not ended"),
        ("counters", "counters are lost, so nobody knows how many deliveries are"),
    ] {
        if !complete.contains(table) {
            lost.push(what.to_owned());
        }
    }
    lost.extend(finish(&mut connection, mark)?);
    let count = |table: &str| -> Result<usize, StoreError> {
        let count: i64 =
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or_default())
    };
    let (events, deliveries, resources) = (count("events")?, count("deliveries")?, count("config")?);
    fs::remove_dir_all(&copies).map_err(|error| file_error(&copies, &error))?;
    begin_run(&mut connection, new)?;
    Ok(RepairReport { events, deliveries, resources, lost })
}

/// Makes a store in `dir`, which must not exist, from the file of a backup. Returns what is in it, in one line.
///
/// # Errors
/// Returns [`StoreError::Damaged`] if the backup is not sound, and another error if a file cannot be used.
pub fn restore(backup: &Path, dir: &Path) -> Result<String, StoreError> {
    let report = check::check(backup)?;
    if !report.problems.is_empty() {
        return Err(StoreError::damaged(backup, report.problems.join("; ")));
    }
    create_dir(dir)?;
    let path = dir.join(DATABASE);
    private_file(&path).map_err(|error| file_error(&path, &error))?;
    fs::copy(backup, &path).map_err(|error| file_error(backup, &error))?;
    let mut connection = Connection::open(&path)?;
    schema::prepare(&mut connection, &path)?;
    begin_run(&mut connection, dir)?;
    Ok(report.summary)
}

/// Creates a directory for its owner only. It must not exist, or be empty.
fn create_dir(dir: &Path) -> Result<(), StoreError> {
    let failed = |error| file_error(dir, &error);
    if dir.exists() {
        if fs::read_dir(dir).map_err(failed)?.next().is_some() {
            let reason = "is not empty: choose another directory, or move this one away".to_owned();
            return Err(StoreError::File { path: dir.to_owned(), reason });
        }
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)
}

/// Records in the new store in `dir` that it begins here, so that the next start accepts it.
fn begin_run(connection: &mut Connection, dir: &Path) -> Result<(), StoreError> {
    let (path, now) = (dir.join(mark::NAME), crate::clock::timestamp());
    let position = begin(connection, fastrand::i64(1..), now)?;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Mark::create(&path, position).map_err(|error| file_error(&path, &error))
}

/// Copies the database in `dir` into `to` in two versions: with its mended log, and as it is without a log, which is
/// complete if the damage is in a part of the log that had been copied into the database already.
fn working_copies(dir: &Path, to: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let database = dir.join(DATABASE);
    if !database.exists() {
        return Ok(Vec::new());
    }
    let mended = fs::read(dir.join(LOG)).ok().and_then(|log| log::mend(&log));
    let mut copies = Vec::new();
    for (name, log) in [("mended", mended), ("alone", None)] {
        let dir = to.join(name);
        create_dir(&dir)?;
        let copy = dir.join(DATABASE);
        fs::copy(&database, &copy).map_err(|error| file_error(&database, &error))?;
        if let Some(log) = log {
            let path = dir.join(LOG);
            fs::write(&path, log).map_err(|error| file_error(&path, &error))?;
        }
        copies.push(copy);
    }
    Ok(copies)
}

/// Copies sound rows into a new database.
struct Salvage<'a> {
    to: &'a Connection,
    /// The number of the newest event, as far as it is known.
    upper: i64,
    /// Damaged events by number.
    lost: BTreeMap<i64, String>,
    /// The small tables that were read to their end.
    complete: BTreeSet<&'static str>,
}

impl Salvage<'_> {
    /// Copies what is sound and not yet saved. A part that cannot be read is left out.
    fn copy(&mut self, from: &Connection) -> Result<(), StoreError> {
        if let Found::Uncounted | Found::Nothing = find(from)? {
            return Err(StoreError::Failed("it has an older format, which has no checksums".to_owned()));
        }
        let transaction = self.to.unchecked_transaction()?;
        self.events(from)?;
        self.deliveries(from)?;
        self.attempts(from)?;
        for (table, sealed) in [("config", true), ("counters", false), ("runs", false), ("jobs", false)] {
            // The second version may be older, and is only for what the first one lacks.
            if !self.complete.contains(table) && self.small(from, table, sealed).unwrap_or(false) {
                self.complete.insert(table);
            }
        }
        Ok(transaction.commit()?)
    }

    fn events(&mut self, from: &Connection) -> rusqlite::Result<()> {
        let mut insert = self.to.prepare(
            "INSERT OR IGNORE INTO events (space, id, type, source, subject, method, path, accepted_at, event, seal, seq)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        let upper = self.upper.max(newest(from, "events"));
        let lost = &mut self.lost;
        each(from, concat!("SELECT ", sealed!(), ", e.seq FROM events e WHERE"), "e.seq", upper, |row| {
            let number = row.get("seq")?;
            if fits(row, 0)? {
                insert.execute(params_from_iter(values(row)?))?;
                return Ok(number);
            }
            let column =
                |column: &str| row.get_ref(column).map(|value| lossy(value).escape_debug().to_string());
            let accepted =
                row.get("accepted_at").map_or_else(|_| "?".to_owned(), |at: Timestamp| at.to_string());
            let what = format!(
                "event {number} (`{}`, type `{}`, accepted {accepted}) is damaged",
                column("id")?,
                column("type")?
            );
            lost.insert(number, what);
            Ok(number)
        })
    }

    /// Copies the deliveries of the events that were saved.
    fn deliveries(&self, from: &Connection) -> rusqlite::Result<()> {
        let columns = columns(from, "deliveries")?;
        let mut insert = insert(self.to, "deliveries", &columns)?;
        let mut there = self.to.prepare("SELECT EXISTS (SELECT 1 FROM events WHERE seq = ?1)")?;
        let select = format!("SELECT payload, payload_seal, {} FROM deliveries WHERE", columns.join(", "));
        each(from, &select, "seq", newest(from, "deliveries"), |row| {
            let number = row.get("seq")?;
            let edited = row.get_ref(0)? != rusqlite::types::ValueRef::Null;
            let saved = there.query_row([row.get::<_, Value>("event")?], |row| row.get(0)).unwrap_or(false);
            if saved && (!edited || bytes_fit(row, 0)?) {
                // A row that the tables refuse is damaged, too.
                let _ = insert.execute(params_from_iter(values(row)?.into_iter().skip(2)));
            }
            Ok(number)
        })
    }

    /// Copies the attempts of the deliveries that were saved.
    fn attempts(&self, from: &Connection) -> rusqlite::Result<()> {
        let columns = columns(from, "attempts")?;
        let mut insert = insert(self.to, "attempts", &columns)?;
        let mut select =
            from.prepare(&format!("SELECT {} FROM attempts WHERE delivery = ?1", columns.join(", ")))?;
        let mut deliveries = self.to.prepare("SELECT seq FROM deliveries")?;
        let mut deliveries = deliveries.query([])?;
        while let Some(delivery) = deliveries.next()? {
            let mut rows = select.query([delivery.get::<_, i64>(0)?])?;
            while let Ok(Some(row)) = rows.next() {
                let _ = insert.execute(params_from_iter(values(row)?));
            }
        }
        Ok(())
    }

    /// Copies a table of few rows, up to the first one that cannot be read. `sealed`: only rows that fit their seal.
    /// Returns whether all fit.
    fn small(&self, from: &Connection, table: &str, sealed: bool) -> rusqlite::Result<bool> {
        let columns = columns(from, table)?;
        let mut insert = insert(self.to, table, &columns)?;
        let first = if sealed { "body, seal" } else { "NULL, NULL" };
        let mut select = from.prepare(&format!("SELECT {first}, {} FROM {table}", columns.join(", ")))?;
        let mut rows = select.query([])?;
        let mut sound = true;
        while let Some(row) = rows.next()? {
            if !sealed || bytes_fit(row, 0)? {
                sound &= insert.execute(params_from_iter(values(row)?.into_iter().skip(2))).is_ok();
            } else {
                sound = false;
            }
        }
        Ok(sound)
    }
}

/// Calls `take` for each row, in the order of the number `key`, which `take` returns. Where rows cannot be read, tries
/// the next numbers one by one, and then ranges that begin ever farther away.
fn each(
    from: &Connection,
    select: &str,
    key: &str,
    upper: i64,
    mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<i64>,
) -> rusqlite::Result<()> {
    let mut range = from.prepare(&format!("{select} {key} > ?1 ORDER BY {key}"))?;
    let mut one = from.prepare(&format!("{select} {key} = ?1"))?;
    let mut last = 0;
    loop {
        let before = last;
        // Ends at the last row, or where one cannot be read.
        let whole = scan(&mut range, &mut last, &mut take)?;
        if whole && last >= upper {
            return Ok(());
        }
        for number in last + 1..=last.saturating_add(NEIGHBOURS).min(upper) {
            if let Ok(Some(number)) = one.query_row([number], |row| take(row)).optional() {
                last = number;
            }
        }
        let mut step = NEIGHBOURS;
        while last == before && last.saturating_add(step) < upper {
            let mut after = last.saturating_add(step);
            scan(&mut range, &mut after, &mut take)?;
            if after > last.saturating_add(step) {
                last = after;
            }
            step += step / 8;
        }
        if last == before {
            return Ok(());
        }
    }
}

/// Takes the rows after `last`, which becomes the number of the last one. Returns whether all could be read.
fn scan(
    range: &mut Statement<'_>,
    last: &mut i64,
    take: &mut impl FnMut(&Row<'_>) -> rusqlite::Result<i64>,
) -> rusqlite::Result<bool> {
    let mut rows = range.query([*last])?;
    loop {
        match rows.next() {
            Ok(Some(row)) => {
                // In a damaged page, numbers need not grow.
                *last = take(row)?.max(*last);
            }
            Ok(None) => return Ok(true),
            Err(_) => return Ok(false),
        }
    }
}

/// Returns the largest number of a row of `table`, as far as it can be read.
fn newest(connection: &Connection, table: &str) -> i64 {
    connection
        .query_row(&format!("SELECT coalesce(max(seq), 0) FROM {table}"), [], |row| row.get(0))
        .unwrap_or(0)
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut names = connection.prepare("SELECT name FROM pragma_table_info(?1) ORDER BY cid")?;
    names.query_map([table], |row| row.get(0))?.collect()
}

fn insert<'a>(to: &'a Connection, table: &str, columns: &[String]) -> rusqlite::Result<Statement<'a>> {
    let places = vec!["?"; columns.len()].join(", ");
    to.prepare(&format!("INSERT OR IGNORE INTO {table} ({}) VALUES ({places})", columns.join(", ")))
}

fn values(row: &Row<'_>) -> rusqlite::Result<Vec<Value>> {
    (0..row.as_ref().column_count()).map(|column| row.get(column)).collect()
}

/// Makes the saved rows consistent. Returns what is lost beside damaged events.
fn finish(connection: &mut Connection, mark: Option<Position>) -> Result<Vec<String>, StoreError> {
    let transaction = connection.transaction()?;
    // The counter has what was accepted, the tables what is there.
    let mut lost: Vec<String> = transaction
        .prepare(
            "SELECT c.space, c.value - (SELECT count(*) FROM deliveries d WHERE d.space = c.space)
                 - (SELECT coalesce(sum(r.value), 0) FROM counters r WHERE r.space = c.space
                    AND r.name LIKE 'retired %' AND r.name <> 'retired discarded') AS missing
             FROM counters c WHERE c.name = 'accepted' AND missing > 0",
        )?
        .query_map([], |row| {
            let (space, missing): (String, i64) = (row.get(0)?, row.get(1)?);
            Ok(format!("{missing} deliveries of space `{space}` are lost, among them those of lost events"))
        })?
        .collect::<Result<_, _>>()?;
    transaction.execute_batch(
        "DELETE FROM attempts WHERE delivery NOT IN (SELECT seq FROM deliveries);
         UPDATE counters SET value = (SELECT count(*) FROM deliveries d WHERE d.space = counters.space)
             + (SELECT coalesce(sum(r.value), 0) FROM counters r WHERE r.space = counters.space
                AND r.name LIKE 'retired %' AND r.name <> 'retired discarded')
             WHERE name = 'accepted';
         INSERT OR IGNORE INTO counters VALUES ('', 'changes', 0);
         INSERT OR IGNORE INTO counters
             SELECT space, 'accepted', count(*) FROM deliveries GROUP BY space;",
    )?;
    let newest = newest(&transaction, "events");
    if let Some(Position { changes, event, at, .. }) = mark {
        transaction.execute(
            "UPDATE counters SET value = max(value, ?1) WHERE space = '' AND name = 'changes'",
            [changes],
        )?;
        if newest < event {
            lost.push(format!(
                "events {} to {event} are missing; the newest of them was accepted {at}",
                newest + 1
            ));
        }
    }
    let mut gaps_of = transaction.prepare(
        "SELECT before + 1, seq - 1 FROM (SELECT seq, lag(seq, 1, 0) OVER (ORDER BY seq) AS before FROM events)
         WHERE seq > before + 1",
    )?;
    let gap = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let gaps: Vec<(i64, i64)> = gaps_of.query_map([], gap)?.collect::<Result<_, _>>()?;
    lost.extend(gaps.into_iter().map(|(first, last)| {
        format!("events {first} to {last} are not there: retention had deleted them, or they are lost")
    }));
    drop(gaps_of);
    transaction.commit()?;
    Ok(lost)
}
