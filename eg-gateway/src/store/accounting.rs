//! Defines the counters of the accounts: how many deliveries of each space were accepted, and how many of them retention has
//! deleted in which state. The backends count, and add the rows that exist.

use std::borrow::Cow;
use std::str::FromStr;

use eg_sdk::UnknownName;
use eg_sdk::history::{DeliveryState, Tally};

/// A counter of a space. The accounts are the sums of the counters and of
/// the rows that still exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Counter {
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

impl Counter {
    /// Returns the name of the counter in the database.
    pub(in crate::store) fn name(self) -> Cow<'static, str> {
        match self {
            Self::Accepted => Cow::Borrowed("accepted"),
            Self::Duplicates => Cow::Borrowed("duplicates"),
            Self::Conflicts => Cow::Borrowed("conflicts"),
            Self::Retired(state) => Cow::Owned(format!("{RETIRED}{state}")),
            Self::RetiredDiscarded => Cow::Borrowed(DISCARDED),
        }
    }

    /// Returns the field of `tally` that the counter adds to.
    pub(in crate::store) fn of(self, tally: &mut Tally) -> &mut u64 {
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
