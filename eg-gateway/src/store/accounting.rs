//! The books: every accepted event × subscription is in exactly one state, and nothing is missing.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::Serialize;

use super::{Store, StoreError};

/// The books of one space, or of all. `accepted` was counted when events were accepted or replayed, the others are
/// what there is; so `accepted = delivered + pending + dead + expired + filtered` says that nothing got lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Books {
    pub(crate) accepted: i64,
    pub(crate) delivered: i64,
    /// Waiting or under way.
    pub(crate) pending: i64,
    /// Dead letters, the discarded ones among them.
    pub(crate) dead: i64,
    pub(crate) expired: i64,
    pub(crate) filtered: i64,
    /// Those of the dead that were discarded.
    pub(crate) discarded: i64,
    /// Events that were not accepted, because they had been before.
    pub(crate) duplicates: i64,
}

impl Store {
    /// The books of each space, at one moment.
    pub(crate) async fn books(&self) -> Result<BTreeMap<String, Books>, StoreError> {
        self.read(books).await
    }
}

/// Reads the books in one transaction.
pub(crate) fn books(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Books>> {
    let connection = connection.unchecked_transaction()?;
    let mut books = BTreeMap::<String, Books>::new();
    for query in [
        "SELECT space, name, value FROM counters",
        "SELECT space, state, count(*) FROM deliveries GROUP BY 1, 2",
        "SELECT space, 'discarded', count(*) FROM deliveries WHERE state = 'dead' AND discarded_at IS NOT NULL GROUP BY 1",
    ] {
        let mut statement = connection.prepare_cached(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (space, name, value): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            *books.entry(space).or_default().entry(&name) += value;
        }
    }
    Ok(books)
}

impl Books {
    /// The entry for a state, or for a counter of it that outlives retention.
    fn entry(&mut self, name: &str) -> &mut i64 {
        match name.strip_prefix("retired ").unwrap_or(name) {
            "accepted" => &mut self.accepted,
            "delivered" => &mut self.delivered,
            "dead" => &mut self.dead,
            "expired" => &mut self.expired,
            "filtered" => &mut self.filtered,
            "discarded" => &mut self.discarded,
            "duplicates" => &mut self.duplicates,
            _ => &mut self.pending,
        }
    }

    /// Adds the books of another space.
    pub(crate) fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.pending += other.pending;
        self.dead += other.dead;
        self.expired += other.expired;
        self.filtered += other.filtered;
        self.discarded += other.discarded;
        self.duplicates += other.duplicates;
    }

    /// Whether nothing is missing.
    pub(crate) fn balanced(&self) -> bool {
        self.accepted == self.delivered + self.pending + self.dead + self.expired + self.filtered
    }
}
