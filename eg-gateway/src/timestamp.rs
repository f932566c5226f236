//! A point in time in whole milliseconds, which is what the store keeps. `clock` reads the time of the machine; a
//! length of time is a `Duration` everywhere.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time: milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(i64);

impl Timestamp {
    /// The earliest time.
    pub(crate) const EARLIEST: Self = Self(i64::MIN);

    /// Returns the time that is `millis` milliseconds after the Unix epoch.
    pub(crate) const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch.
    pub(crate) const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the time as a date, or the epoch if RFC 3339 has no form for the date.
    pub(crate) fn date_time(self) -> OffsetDateTime {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).ok();
        time.filter(|time| (0..=9999).contains(&time.year())).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// Returns the time `duration` later, in whole milliseconds.
    pub(crate) fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// Returns the time `duration` earlier, in whole milliseconds.
    pub(crate) fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// Returns the time that has passed since `earlier`; zero if `earlier` is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default())
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(at: OffsetDateTime) -> Self {
        // The milliseconds of the years ±9999 fit easily.
        Self(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.date_time().format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

/// Returns `duration` in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn times_are_whole_milliseconds_and_saturate() {
        let at = Timestamp::from_millis;
        assert_eq!(at(500).saturating_add(SECOND), at(1500));
        assert_eq!(at(500).saturating_add(Duration::from_micros(1999)), at(501));
        assert_eq!(at(500).saturating_sub(SECOND), at(-500));
        assert_eq!(at(5).saturating_add(Duration::MAX), at(i64::MAX));
        assert_eq!(at(-5).saturating_sub(Duration::MAX), Timestamp::EARLIEST);
        assert_eq!(at(1500).since(at(500)), SECOND);
        assert_eq!(at(500).since(at(1500)), Duration::ZERO);
        assert_eq!(at(i64::MAX).since(at(-1)), Duration::from_millis(i64::MAX.unsigned_abs()));
    }

    #[test]
    fn dates_keep_their_milliseconds() {
        for millis in [0, 1_769_860_800_123, -62_135_596_800_000] {
            assert_eq!(Timestamp::from(Timestamp::from_millis(millis).date_time()).as_millis(), millis);
        }
        for beyond in [Timestamp::EARLIEST, Timestamp::from_millis(-62_167_219_200_001), Timestamp(i64::MAX)]
        {
            assert_eq!(beyond.date_time(), OffsetDateTime::UNIX_EPOCH);
            assert_eq!(beyond.to_string(), "1970-01-01T00:00:00Z");
        }
    }
}
