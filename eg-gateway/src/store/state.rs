//! The operations that report the state of a store: whether it can be written, what waits in it, and its accounts.

use std::collections::BTreeMap;
use std::time::Duration;

use eg_sdk::history::Tally;

use super::{Store, StoreError};
use crate::timestamp::Timestamp;

/// What the metrics show about a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreState {
    /// Whether the last write succeeded and the files of the store are at their place.
    pub(crate) writable: bool,
    /// How often a damaged event was found since the store was opened.
    pub(crate) damaged: u64,
    /// How many gateways work with the store.
    pub(crate) gateways: usize,
    /// What there is to say about a database.
    pub(crate) database: Option<DatabaseState>,
}

/// What the metrics show about the database of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DatabaseState {
    /// Connections of this gateway for queries that run one.
    pub(crate) busy: usize,
    /// Connections for queries that are open and not used.
    pub(crate) idle: usize,
    /// Queries that wait for a connection.
    pub(crate) waiting: usize,
    /// How long ago this gateway last found out what the others did.
    pub(crate) behind: Duration,
}

/// Numbers about deliveries at one moment.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// Pending or in flight.
    pub(crate) deliveries: i64,
    /// The time from which the age of the oldest pending delivery is counted.
    pub(crate) oldest: Option<Timestamp>,
    /// Dead letters by space, except discarded ones.
    pub(crate) dead: Vec<(String, i64)>,
    /// The size of the store in bytes, without free pages.
    pub(crate) bytes: u64,
}

impl Store {
    /// Checks that the store can be written: it is at its place, and the last write succeeded. If that one failed, another
    /// one is tried.
    ///
    /// # Errors
    /// Returns the reason why events cannot be stored.
    pub(crate) async fn check_writable(&self) -> Result<(), StoreError> {
        backend!(self.check_writable().await)
    }

    /// Returns what the metrics show about the store.
    pub(crate) fn state(&self) -> StoreState {
        backend!(self.state())
    }

    /// Counts the waiting deliveries and the dead letters, and measures the store.
    pub(crate) async fn backlog(&self) -> Result<Backlog, StoreError> {
        backend!(self.backlog().await)
    }

    /// Returns the accounts of each space, all of the same moment: how many accepted deliveries are in which state.
    pub(crate) async fn tallies(&self) -> Result<BTreeMap<String, Tally>, StoreError> {
        backend!(self.tallies().await)
    }
}
