//! Computes the accounts: how many accepted deliveries of each space are in which state. Counters remember the rows
//! that retention has deleted; existing rows are counted on request.

use std::collections::BTreeMap;

use eg_sdk::history::{DeliveryState, Tally};
use rusqlite::{Connection, Row, params};

use super::columns::Name;
use super::{SqliteStore, StoreError};
use crate::store::accounting::Counter;

// The rows without a space belong to `position`. An insertion that may become an update takes SQLite twice as long.
const COUNT: &str = "UPDATE counters SET value = value + ?3 WHERE space = ?1 AND name = ?2";

const BEGIN: &str = "INSERT INTO counters (space, name, value) VALUES (?1, ?2, ?3)";

/// Adds to a counter.
pub(super) fn count(connection: &Connection, space: &str, counter: Counter, by: i64) -> rusqlite::Result<()> {
    let name = counter.name();
    if connection.prepare_cached(COUNT)?.execute(params![space, name, by])? == 0 {
        connection.prepare_cached(BEGIN)?.execute(params![space, name, by])?;
    }
    Ok(())
}

impl SqliteStore {
    pub(in crate::store) async fn tallies(&self) -> Result<BTreeMap<String, Tally>, StoreError> {
        self.readers.search(tallies).await
    }
}

/// Reads the accounts in one transaction.
pub(crate) fn tallies(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Tally>> {
    read(&*connection.unchecked_transaction()?)
}

/// Reads the accounts, in the transaction of the caller.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Tally>> {
    let mut tallies = BTreeMap::new();
    add(connection, &mut tallies, "SELECT space, value, name FROM counters WHERE space <> ''", |row| {
        row.get::<_, Name<Counter>>("name").map(|Name(counter)| counter)
    })?;
    let states = "SELECT space, count(*) AS value, state FROM deliveries GROUP BY space, state";
    add(connection, &mut tallies, states, |row| {
        row.get::<_, Name<DeliveryState>>("state").map(|Name(state)| Counter::Retired(state))
    })?;
    let discarded = "SELECT space, count(*) AS value FROM deliveries
        WHERE state = 'dead' AND discarded_at IS NOT NULL GROUP BY space";
    add(connection, &mut tallies, discarded, |_| Ok(Counter::RetiredDiscarded))?;
    Ok(tallies)
}

/// Adds the `value` of each row to the tally of its `space`, in the field of `counter`.
fn add(
    connection: &Connection,
    tallies: &mut BTreeMap<String, Tally>,
    query: &str,
    counter: impl Fn(&Row<'_>) -> rusqlite::Result<Counter>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let value: i64 = row.get("value")?;
        let tally = tallies.entry(row.get("space")?).or_default();
        *counter(row)?.of(tally) += u64::try_from(value).unwrap_or_default();
    }
    Ok(())
}
