//! The accounting of a gateway: the number of deliveries in each state, and whether the sums balance. The gateway
//! counts; these are the types of its answer.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// The number of deliveries in each state. There is one delivery for each accepted event and matching subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
pub struct Tally {
    /// All deliveries, counted when their events were accepted or replayed.
    pub accepted: u64,
    /// Deliveries that succeeded.
    pub delivered: u64,
    /// Deliveries that are waiting or in flight.
    pub pending: u64,
    /// Dead letters, including discarded ones.
    pub dead: u64,
    /// Deliveries that reached their age limit.
    pub expired: u64,
    /// Deliveries whose event did not match the subscription's filter.
    pub filtered: u64,
    /// Dead letters that were discarded.
    pub discarded: u64,
    /// Events that were ignored because they had been accepted before.
    pub duplicates: u64,
    /// Those of the duplicates whose payload differs from that of the event that was accepted.
    #[serde(default)]
    pub conflicts: u64,
}

impl Tally {
    /// Returns whether every delivery is accounted for: `accepted = delivered + pending + dead + expired + filtered`.
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
        self.conflicts += other.conflicts;
    }
}

/// The accounting of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
pub struct Accounting {
    /// The sums over all spaces, flattened into this object.
    #[serde(flatten)]
    pub total: Tally,
    /// Whether every delivery is accounted for.
    pub balanced: bool,
    /// The sums of each space.
    pub spaces: BTreeMap<String, Tally>,
}

impl Accounting {
    /// Creates the accounting from the sums of each space.
    #[must_use]
    pub fn new(spaces: BTreeMap<String, Tally>) -> Self {
        let mut total = Tally::default();
        spaces.values().for_each(|tally| total += *tally);
        Self { balanced: total.is_balanced(), total, spaces }
    }
}
