//! Decides how old stored events are. The time in which no gateway ran does not count, because the clock may have been
//! set meanwhile.

use std::time::Duration;

use crate::timestamp::Timestamp;

/// A time in which no gateway ran, as far as the store shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop {
    /// When the newest event of the earlier process was accepted.
    pub(crate) from: Timestamp,
    /// When the next process started.
    pub(crate) until: Timestamp,
}

/// Returns the time before which events were accepted that are older than `age`. The latest stop comes first.
pub(crate) fn older_than(now: Timestamp, age: Duration, stops: &[Stop]) -> Timestamp {
    stops.iter().fold(now.saturating_sub(age), |older, Stop { from, until }| {
        // All that came before the stop has been there for this time since.
        if older < *until { older.saturating_sub(until.since(*from)) } else { older }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_in_which_no_gateway_ran_does_not_count() {
        let at = Timestamp::from_millis;
        let stop = |from, until| Stop { from: at(from), until: at(until) };
        let (one, two) = (vec![stop(1000, 9000)], vec![stop(9500, 20_000), stop(1000, 9000)]);
        let backwards = vec![stop(9000, 1000)];
        for (stops, now, expected) in [
            (&vec![], 9000, 7000),
            // What was accepted at 0 has been there for one second before the stop, and for one after it.
            (&one, 9000, -1000),
            (&one, 10_000, 0),
            (&one, 10_999, 999),
            (&one, 11_000, 9000),
            (&one, 12_000, 10_000),
            // There was half a second between the stops.
            (&two, 20_500, 0),
            (&two, 21_500, 9000),
            (&two, 22_000, 20_000),
            (&backwards, 2000, 0),
        ] {
            assert_eq!(
                older_than(at(now), Duration::from_secs(2), stops),
                at(expected),
                "{stops:?} at {now}"
            );
        }
    }
}
