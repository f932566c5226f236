//! Detects files that change after every reload, because a build script, or a function at its start, writes them. Only
//! computes; waiting is left to the parent module.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A change that comes this soon may be a consequence of the last one.
const SOON: Duration = Duration::from_secs(2);

/// The number of changes in a row that may be a user's.
const USUAL: u32 = 4;

/// The first delay; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(5);

/// The longest delay.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// The changes in a row that have the same files.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    files: BTreeSet<PathBuf>,
    count: u32,
    /// When the last reload ended.
    done: Option<Instant>,
}

impl Repeats {
    /// Notes that the last reload has ended.
    pub(super) fn done(&mut self, now: Instant) {
        self.done = Some(now);
    }

    /// Returns how long to wait before the next reload, if the change repeats too often.
    pub(super) fn delay(&mut self, changed: &BTreeSet<PathBuf>, now: Instant) -> Option<Duration> {
        let is_soon = self.done.is_some_and(|done| now.saturating_duration_since(done) < SOON);
        if is_soon && changed.is_subset(&self.files) {
            self.count += 1;
        } else {
            (self.files, self.count) = (changed.clone(), 1);
        }
        let more = self.count.checked_sub(USUAL + 1)?;
        Some(FIRST.saturating_mul(2_u32.saturating_pow(more)).min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_dealt_with_ever_less_often() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<BTreeSet<_>>();
        let mut repeats = Repeats::default();
        let mut change = |names: &[&str], seconds: u64| {
            let delay = repeats.delay(&files(names), at(seconds)).map(|delay| delay.as_secs());
            repeats.done(at(seconds));
            delay
        };
        let delays: Vec<_> = (0..12).map(|second| change(&["out.py"], second)).collect();
        let expected = [0, 0, 0, 0, 5, 10, 20, 40, 80, 160, 300, 300];
        assert_eq!(delays, expected.map(|delay| (delay > 0).then_some(delay)));
        assert_eq!(change(&["out.py", "main.py"], 12), None, "another file");
        for second in 13..16 {
            assert_eq!(change(&["main.py"], second), None);
        }
        assert_eq!(change(&["out.py"], 16), Some(5));
        assert_eq!(change(&["out.py"], 18), None, "a pause");
    }
}
