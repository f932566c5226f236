//! Computes the accounts: how many accepted deliveries of each space are in which state. Counters remember the rows
//! that retention has deleted; existing rows are counted on request.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use eg_sdk::UnknownName;
use eg_sdk::history::{DeliveryState, Tally};
use rusqlite::{Connection, Row, params};

use super::columns::Name;
use super::{SqliteStore, StoreError};

/// A counter of a space. (The rows without a space belong to `position`.) The accounts are the sums of the counters and of
/// the rows that still exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    /// Deliveries that were created.
    Accepted,
    /// Duplicates: events that had been accepted before.
    Duplicates,
    /// Duplicates with another payload.
    Conflicts,
    /// Deliveries in this state that retention has deleted.
    Retired(DeliveryState),
    /// Deleted dead letters that had been discarded.
    RetiredDiscarded,
}

const RETIRED: &str = "retired ";
const DISCARDED: &str = "retired discarded";

// An insertion that may become an update takes SQLite twice as long.
const COUNT: &str = "UPDATE counters SET value = value + ?3 WHERE space = ?1 AND name = ?2";

const BEGIN: &str = "INSERT INTO counters (space, name, value) VALUES (?1, ?2, ?3)";

impl Counter {
    /// Returns the name of the counter in the database.
    fn name(self) -> Cow<'static, str> {
        match self {
            Self::Accepted => Cow::Borrowed("accepted"),
            Self::Duplicates => Cow::Borrowed("duplicates"),
            Self::Conflicts => Cow::Borrowed("conflicts"),
            Self::Retired(state) => Cow::Owned(format!("{RETIRED}{state}")),
            Self::RetiredDiscarded => Cow::Borrowed(DISCARDED),
        }
    }

    /// Returns the field of `tally` that the counter adds to.
    fn of(self, tally: &mut Tally) -> &mut u64 {
        match self {
            Self::Accepted => &mut tally.accepted,
            Self::Duplicates => &mut tally.duplicates,
            Self::Conflicts => &mut tally.conflicts,
            Self::Retired(state) => in_state(tally, state),
            Self::RetiredDiscarded => &mut tally.discarded,
        }
    }
}

impl FromStr for Counter {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "accepted" => Ok(Self::Accepted),
            "duplicates" => Ok(Self::Duplicates),
            "conflicts" => Ok(Self::Conflicts),
            DISCARDED => Ok(Self::RetiredDiscarded),
            name => name.strip_prefix(RETIRED).unwrap_or_default().parse().map(Self::Retired),
        }
    }
}

fn in_state(tally: &mut Tally, state: DeliveryState) -> &mut u64 {
    match state {
        DeliveryState::Pending | DeliveryState::InFlight => &mut tally.pending,
        DeliveryState::Delivered => &mut tally.delivered,
        DeliveryState::Dead => &mut tally.dead,
        DeliveryState::Expired => &mut tally.expired,
        DeliveryState::Filtered => &mut tally.filtered,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_by_the_names_that_are_written() {
        let states = DeliveryState::ALL.iter().map(|state| Counter::Retired(*state));
        let others = [Counter::Accepted, Counter::Duplicates, Counter::Conflicts, Counter::RetiredDiscarded];
        for counter in states.chain(others) {
            assert_eq!(counter.name().parse(), Ok(counter));
        }
        assert!("retired".parse::<Counter>().is_err());
    }
}
