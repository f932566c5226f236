//! The accounts of a gateway: how many deliveries are in which state, and that none is missing.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Counts of deliveries, one for each accepted event and matching subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Counted when events were accepted or replayed.
    pub accepted: u64,
    /// Accepted by their functions.
    pub delivered: u64,
    /// Waiting or under way.
    pub pending: u64,
    /// Dead letters, the discarded ones included.
    pub dead: u64,
    /// Given up because of their age.
    pub expired: u64,
    /// Not matched by the subscription's filter.
    pub filtered: u64,
    /// Dead letters that were discarded.
    pub discarded: u64,
    /// Events that were not accepted because they had been accepted before.
    pub duplicates: u64,
}

impl Tally {
    /// Whether each accepted delivery is in one of the states: `accepted = delivered + pending + dead + expired +
    /// filtered`.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.accepted == self.delivered + self.pending + self.dead + self.expired + self.filtered
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.pending += other.pending;
        self.dead += other.dead;
        self.expired += other.expired;
        self.filtered += other.filtered;
        self.discarded += other.discarded;
        self.duplicates += other.duplicates;
    }
}

/// The accounts of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounting {
    /// All spaces together. Its members stand beside the others.
    #[serde(flatten)]
    pub total: Tally,
    /// Whether no delivery is missing.
    pub balanced: bool,
    /// Each space.
    pub spaces: BTreeMap<String, Tally>,
}

impl Accounting {
    /// Adds up the accounts of all spaces.
    #[must_use]
    pub fn new(spaces: BTreeMap<String, Tally>) -> Self {
        let mut total = Tally::default();
        spaces.values().for_each(|tally| total += *tally);
        Self { balanced: total.is_balanced(), total, spaces }
    }
}
