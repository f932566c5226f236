//! Converts days of the Gregorian calendar to and from the number of days since 1 January 1970, in UTC. It reads no
//! clock.

/// Seconds of a day.
pub(crate) const DAY: u64 = 24 * 60 * 60;

/// The first letters of the English names of the months.
pub(crate) const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// The first letters of the English names of the days of a week.
pub(crate) const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A day from 1970 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: u32,
    /// From 1.
    pub(crate) month: u32,
    /// From 1.
    pub(crate) day: u32,
}

impl Date {
    /// Returns the date this many days after 1 January 1970. `None` beyond the year 9999.
    pub(crate) fn from_days(days: u64) -> Option<Self> {
        const LAST: u64 = 2_932_896;
        if days > LAST {
            return None;
        }
        // Years begin in March, so that the leap day is the last one; an era has 400 of them. From Howard Hinnant's
        // "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let narrow = |number: u64| u32::try_from(number).ok();
        Some(Self { year: narrow(year)?, month: narrow(month)?, day: narrow(day)? })
    }

    /// Returns the number of days from 1 January 1970 to this one. `None` if the calendar has no such day from 1970 on.
    pub(crate) fn days(self) -> Option<u64> {
        let valid = (1970..=9999).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=last_day(self.year, self.month)).contains(&self.day);
        if !valid {
            return None;
        }
        // As above, `days_from_civil`.
        let (year, month, day) = (u64::from(self.year), u64::from(self.month), u64::from(self.day));
        let (shifted_year, shifted_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
        let of_year = (153 * shifted_month + 2) / 5 + day - 1;
        let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
        Some(era * 146_097 + of_era - 719_468)
    }
}

/// Returns the weekday of the day this many days after 1 January 1970: 1 is Sunday, 7 is Saturday.
pub(crate) fn weekday(days: u64) -> u32 {
    // 1 January 1970 was a Thursday.
    u32::try_from((days + 4) % 7).unwrap_or_default() + 1
}

/// Returns the last day of a month.
pub(crate) fn last_day(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: u32, month: u32, day: u32) -> Date {
        Date { year, month, day }
    }

    #[test]
    fn days_and_dates() {
        for (days, expected, weekday_of) in [
            (0, date(1970, 1, 1), 5),
            (58, date(1970, 2, 28), 7),
            (59, date(1970, 3, 1), 1),
            (9_075, date(1994, 11, 6), 1),
            (11_016, date(2000, 2, 29), 3),
            (20_786, date(2026, 11, 29), 1),
            (47_540, date(2100, 2, 28), 1),
            (47_541, date(2100, 3, 1), 2),
            (2_932_896, date(9999, 12, 31), 6),
        ] {
            assert_eq!(Date::from_days(days), Some(expected));
            assert_eq!(expected.days(), Some(days), "{expected:?}");
            assert_eq!(weekday(days), weekday_of, "{expected:?}");
        }
        assert_eq!(Date::from_days(2_932_897), None);
        for (year, month, day) in
            [(1969, 12, 31), (2026, 2, 29), (2026, 13, 1), (2026, 0, 1), (2026, 4, 31), (2026, 4, 0)]
        {
            assert_eq!(date(year, month, day).days(), None, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut yesterday = date(1970, 1, 1);
        for days in 1..110_000 {
            let today = Date::from_days(days).unwrap();
            let next = match yesterday {
                Date { year, month: 12, day: 31 } => date(year + 1, 1, 1),
                Date { year, month, day } if day == last_day(year, month) => date(year, month + 1, 1),
                Date { year, month, day } => date(year, month, day + 1),
            };
            assert_eq!(today, next);
            assert_eq!(today.days(), Some(days));
            yesterday = today;
        }
    }
}
