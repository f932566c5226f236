//! Counts by minute.

use std::collections::VecDeque;

use crate::timestamp::Timestamp;

/// The length of a minute, in milliseconds.
pub(super) const MINUTE: i64 = 60_000;

/// The figures of one minute.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) accepted: u32,
    pub(super) calls: u32,
    pub(super) failures: u32,
}

/// The last `N` minutes. A minute that brought nothing has no entry.
#[derive(Debug, Default)]
pub(super) struct Minutes<const N: usize>(pub(super) VecDeque<(i64, Counts)>);

impl<const N: usize> Minutes<N> {
    /// Returns the figures of the minute `now`.
    pub(super) fn current(&mut self, now: i64) -> &mut Counts {
        if self.0.back().is_none_or(|(minute, _)| *minute < now) {
            self.0.push_back((now, Counts::default()));
        }
        while self.0.front().is_some_and(|(minute, _)| *minute < first::<N>(now)) {
            self.0.pop_front();
        }
        let last = self.0.len() - 1;
        &mut self.0[last].1
    }

    pub(super) fn at(&self, minute: i64) -> Counts {
        let found = self.0.iter().find(|(known, _)| *known == minute);
        found.map(|(_, counts)| *counts).unwrap_or_default()
    }
}

/// Returns the first of `N` minutes of which the last one is `now`.
pub(super) fn first<const N: usize>(now: i64) -> i64 {
    now - i64::try_from(N).unwrap_or(i64::MAX) + 1
}

/// Returns the number of the minute of a time.
pub(super) fn minute(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(MINUTE)
}
