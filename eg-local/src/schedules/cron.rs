//! Cron expressions as EventBridge has them: six fields, `?`, `L`, `W` and `#`, in UTC. Pure: a set of minutes.

use time::{Date, Duration, Month, OffsetDateTime, Time, UtcOffset};

/// The last year that an expression can name.
const LAST_YEAR: u32 = 2199;

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The minutes of a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: Days,
    months: Vec<u32>,
    years: Vec<u32>,
}

/// Which days: of the month, or of the week. The other field is `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    OfMonth(Vec<DayOfMonth>),
    OfWeek(Vec<DayOfWeek>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum DayOfMonth {
    OneOf(Vec<u32>),
    /// `L`
    Last,
    /// `LW`
    LastWeekday,
    /// `15W`: the weekday nearest to a day, in the same month.
    Nearest(u32),
}

/// Sunday is 1.
#[derive(Debug, Clone, PartialEq, Eq)]
enum DayOfWeek {
    OneOf(Vec<u32>),
    /// `6L`: the last Friday.
    Last(u32),
    /// `2#1`: the first Monday.
    Nth(u32, u32),
}

impl Cron {
    /// Reads what stands between the parentheses.
    pub(super) fn parse(inside: &str) -> Result<Self, String> {
        let fields: Vec<&str> = inside.split_ascii_whitespace().collect();
        let [minutes, hours, day_of_month, months, day_of_week, years] = fields[..] else {
            return Err(format!("it has {} fields, not 6", fields.len()));
        };
        let days = match (day_of_month, day_of_week) {
            ("?", "?") => return Err("one of the day fields must say which days".to_owned()),
            (days, "?") => Days::OfMonth(list(days, day_of_month_piece)?),
            ("?", days) => Days::OfWeek(list(days, day_of_week_piece)?),
            _ => return Err("one of the day fields must be `?`".to_owned()),
        };
        Ok(Self {
            minutes: numbers(minutes, 0, 59, &[])?,
            hours: numbers(hours, 0, 23, &[])?,
            days,
            months: numbers(months, 1, 12, &MONTHS)?,
            years: numbers(years, 1970, LAST_YEAR, &[])?,
        })
    }

    /// The first minute after `last`.
    pub(super) fn next(&self, last: OffsetDateTime) -> Option<OffsetDateTime> {
        let last = last.to_offset(UtcOffset::UTC);
        let start = last.checked_add(Duration::minutes(1))?;
        let mut date = start.date();
        let mut from = (u32::from(start.hour()), u32::from(start.minute()));
        while u32::try_from(date.year()).is_ok_and(|year| year <= LAST_YEAR) {
            if self.has_day(date)
                && let Some((hour, minute)) = self.time(from)
            {
                let time = Time::from_hms(u8::try_from(hour).ok()?, u8::try_from(minute).ok()?, 0).ok()?;
                return Some(date.with_time(time).assume_utc());
            }
            date = date.next_day()?;
            from = (0, 0);
        }
        None
    }

    /// The first time of a day from `from` on.
    fn time(&self, from: (u32, u32)) -> Option<(u32, u32)> {
        let times =
            self.hours.iter().flat_map(|&hour| self.minutes.iter().map(move |&minute| (hour, minute)));
        times.filter(|time| *time >= from).min()
    }

    fn has_day(&self, date: Date) -> bool {
        let year = u32::try_from(date.year()).unwrap_or_default();
        if !self.years.contains(&year) || !self.months.contains(&u32::from(u8::from(date.month()))) {
            return false;
        }
        match &self.days {
            Days::OfMonth(days) => days.iter().any(|day| day.is(date)),
            Days::OfWeek(days) => days.iter().any(|day| day.is(date)),
        }
    }
}

impl DayOfMonth {
    fn is(&self, date: Date) -> bool {
        let (day, last) = (u32::from(date.day()), last_day(date));
        match self {
            Self::OneOf(days) => days.contains(&day),
            Self::Last => day == last,
            Self::LastWeekday => day == nearest_weekday(date, last),
            Self::Nearest(wanted) => *wanted <= last && day == nearest_weekday(date, *wanted),
        }
    }
}

impl DayOfWeek {
    fn is(&self, date: Date) -> bool {
        let (day, weekday) = (u32::from(date.day()), weekday(date));
        match self {
            Self::OneOf(days) => days.contains(&weekday),
            Self::Last(wanted) => weekday == *wanted && day + 7 > last_day(date),
            Self::Nth(wanted, nth) => weekday == *wanted && day.div_ceil(7) == *nth,
        }
    }
}

fn weekday(date: Date) -> u32 {
    u32::from(date.weekday().number_from_sunday())
}

fn last_day(date: Date) -> u32 {
    u32::from(Month::length(date.month(), date.year()))
}

/// The weekday nearest to a day of the month of `date`, without leaving that month.
fn nearest_weekday(date: Date, day: u32) -> u32 {
    let last = last_day(date);
    let there = u8::try_from(day).ok().and_then(|day| date.replace_day(day).ok());
    match there.map(weekday) {
        Some(7) if day > 1 => day - 1,
        Some(7) => day + 2,
        Some(1) if day < last => day + 1,
        Some(1) => day - 2,
        _ => day,
    }
}

fn list<T>(text: &str, piece: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(piece).collect()
}

fn day_of_month_piece(piece: &str) -> Result<DayOfMonth, String> {
    match piece {
        "L" => Ok(DayOfMonth::Last),
        "LW" | "WL" => Ok(DayOfMonth::LastWeekday),
        _ => match piece.strip_suffix('W') {
            Some(day) => number(day, 1, 31, &[]).map(DayOfMonth::Nearest),
            None => range(piece, 1, 31, &[]).map(DayOfMonth::OneOf),
        },
    }
}

fn day_of_week_piece(piece: &str) -> Result<DayOfWeek, String> {
    if piece == "L" {
        return Ok(DayOfWeek::OneOf(vec![7]));
    }
    if let Some((day, nth)) = piece.split_once('#') {
        return Ok(DayOfWeek::Nth(number(day, 1, 7, &DAYS)?, number(nth, 1, 5, &[])?));
    }
    match piece.strip_suffix('L') {
        Some(day) => number(day, 1, 7, &DAYS).map(DayOfWeek::Last),
        None => range(piece, 1, 7, &DAYS).map(DayOfWeek::OneOf),
    }
}

/// A list of numbers, ranges and steps.
fn numbers(text: &str, min: u32, max: u32, names: &[&str]) -> Result<Vec<u32>, String> {
    Ok(list(text, |piece| range(piece, min, max, names))?.concat())
}

/// `7`, `MON-FRI`, `*`, `0/15`, `10-40/5`. A range may lead over the end.
fn range(piece: &str, min: u32, max: u32, names: &[&str]) -> Result<Vec<u32>, String> {
    let (text, step) = match piece.split_once('/') {
        Some((text, step)) => (text, number(step, 1, max - min + 1, &[]).map(Some)?),
        None => (piece, None),
    };
    let (from, to) = match text.split_once('-') {
        _ if text == "*" => (min, max),
        Some((from, to)) => (number(from, min, max, names)?, number(to, min, max, names)?),
        None => {
            let from = number(text, min, max, names)?;
            (from, if step.is_some() { max } else { from })
        }
    };
    let all: Vec<u32> =
        if from <= to { (from..=to).collect() } else { (from..=max).chain(min..=to).collect() };
    Ok(all.into_iter().step_by(step.unwrap_or(1).try_into().unwrap_or(1)).collect())
}

fn number(text: &str, min: u32, max: u32, names: &[&str]) -> Result<u32, String> {
    let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
    let number = match named {
        Some(position) => u32::try_from(position).ok().map(|position| min + position),
        None => text.parse().ok(),
    };
    number
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("`{text}` is no number from {min} to {max}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::format_description::well_known::Rfc3339;

    use super::*;

    /// The next three times after `last`.
    #[track_caller]
    fn check(expression: &str, last: &str, expected: [&str; 3]) {
        let cron = Cron::parse(expression).unwrap();
        let mut at = OffsetDateTime::parse(&format!("{last}Z"), &Rfc3339).unwrap();
        for expected in expected {
            at = cron.next(at).unwrap();
            assert_eq!(at.format(&Rfc3339).unwrap(), format!("{expected}:00Z"), "{expression}");
        }
    }

    #[test]
    fn times_of_a_day() {
        check(
            "0 12 * * ? *",
            "2026-11-21T11:59:59",
            ["2026-11-21T12:00", "2026-11-22T12:00", "2026-11-23T12:00"],
        );
        check(
            "0 12 * * ? *",
            "2026-11-21T12:00:00",
            ["2026-11-22T12:00", "2026-11-23T12:00", "2026-11-24T12:00"],
        );
        check(
            "0/20 8-9 * * ? *",
            "2026-11-21T08:30:00",
            ["2026-11-21T08:40", "2026-11-21T09:00", "2026-11-21T09:20"],
        );
        check(
            "59 23 31 12 ? *",
            "2026-11-21T00:00:00",
            ["2026-12-31T23:59", "2027-12-31T23:59", "2028-12-31T23:59"],
        );
        check(
            "0 22-1 * * ? *",
            "2026-11-21T22:30:00",
            ["2026-11-21T23:00", "2026-11-22T00:00", "2026-11-22T01:00"],
        );
        check(
            "5,10 0 1 jan,Jul ? 2027-2030",
            "2026-11-21T00:00:00",
            ["2027-01-01T00:05", "2027-01-01T00:10", "2027-07-01T00:05"],
        );
    }

    #[test]
    fn days_of_a_month() {
        check(
            "0 0 L * ? *",
            "2027-01-31T00:00:00",
            ["2027-02-28T00:00", "2027-03-31T00:00", "2027-04-30T00:00"],
        );
        check(
            "0 0 L 2 ? *",
            "2027-03-01T00:00:00",
            ["2028-02-29T00:00", "2029-02-28T00:00", "2030-02-28T00:00"],
        );
        // January 2028 ends on a Monday, April 2028 on a Sunday.
        check(
            "0 0 LW * ? *",
            "2028-01-30T00:00:00",
            ["2028-01-31T00:00", "2028-02-29T00:00", "2028-03-31T00:00"],
        );
        check(
            "0 0 LW 4 ? *",
            "2028-01-01T00:00:00",
            ["2028-04-28T00:00", "2029-04-30T00:00", "2030-04-30T00:00"],
        );
        // 15 November 2026 is a Sunday, 15 August 2026 a Saturday, 1 August 2026 a Saturday, 31 January 2027 a Sunday.
        check(
            "0 0 15W * ? *",
            "2026-11-01T00:00:00",
            ["2026-11-16T00:00", "2026-12-15T00:00", "2027-01-15T00:00"],
        );
        check(
            "0 0 15W 8 ? *",
            "2026-08-01T00:00:00",
            ["2026-08-14T00:00", "2027-08-16T00:00", "2028-08-15T00:00"],
        );
        check(
            "0 0 1W 8 ? *",
            "2026-07-01T00:00:00",
            ["2026-08-03T00:00", "2027-08-02T00:00", "2028-08-01T00:00"],
        );
        check(
            "0 0 31W 1 ? *",
            "2027-01-01T00:00:00",
            ["2027-01-29T00:00", "2028-01-31T00:00", "2029-01-31T00:00"],
        );
        check(
            "0 0 31W * ? *",
            "2027-02-01T00:00:00",
            ["2027-03-31T00:00", "2027-05-31T00:00", "2027-07-30T00:00"],
        );
    }

    #[test]
    fn days_of_a_week() {
        check(
            "0 18 ? * MON-FRI *",
            "2026-11-20T18:00:00",
            ["2026-11-23T18:00", "2026-11-24T18:00", "2026-11-25T18:00"],
        );
        check(
            "0 0 ? * 1 *",
            "2026-11-20T00:00:00",
            ["2026-11-22T00:00", "2026-11-29T00:00", "2026-12-06T00:00"],
        );
        check(
            "0 0 ? * L *",
            "2026-11-20T00:00:00",
            ["2026-11-21T00:00", "2026-11-28T00:00", "2026-12-05T00:00"],
        );
        check(
            "0 0 ? * 6L *",
            "2026-11-20T00:00:00",
            ["2026-11-27T00:00", "2026-12-25T00:00", "2027-01-29T00:00"],
        );
        check(
            "0 0 ? * 2#1 *",
            "2026-11-20T00:00:00",
            ["2026-12-07T00:00", "2027-01-04T00:00", "2027-02-01T00:00"],
        );
        check(
            "0 0 ? * SUN#5 *",
            "2026-11-20T00:00:00",
            ["2026-11-29T00:00", "2027-01-31T00:00", "2027-05-30T00:00"],
        );
        check(
            "0 0 ? * FRI-MON *",
            "2026-11-24T00:00:00",
            ["2026-11-27T00:00", "2026-11-28T00:00", "2026-11-29T00:00"],
        );
    }

    #[test]
    fn what_never_comes() {
        let never = |expression: &str| {
            let last = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
            assert_eq!(Cron::parse(expression).unwrap().next(last), None, "{expression}");
        };
        never("0 0 31 2 ? *");
        never("0 0 1 1 ? 2020");
        never("0 0 31W 2 ? *");
    }

    #[test]
    fn mistakes_name_the_piece() {
        let check = |expression: &str, expected: &str| {
            assert_eq!(Cron::parse(expression).unwrap_err(), expected);
        };
        check("0 12 * * ?", "it has 5 fields, not 6");
        check("60 12 * * ? *", "`60` is no number from 0 to 59");
        check("0 12 ? * 2#6 *", "`6` is no number from 1 to 5");
        check("0 12 * * * *", "one of the day fields must be `?`");
        check("0 12 ? * ? *", "one of the day fields must say which days");
    }

    proptest! {
        /// `next` skips nothing: all days in between are days that the expression does not have.
        #[test]
        fn nothing_is_skipped(
            expression in "[0-5]?[0-9](/[1-9])? (1?[0-9]|\\*) ((1[0-9]|L|LW|1?[1-9]W|\\*) (\\*|[1-9]|1[0-2]) \\?|\\? (\\*|[1-9]|1[0-2]) ([1-7]|[1-7]L|[1-7]#[1-4]|MON-FRI)) \\*",
            start in 1_600_000_000_i64..4_000_000_000,
        ) {
            let cron = Cron::parse(&expression).unwrap();
            let last = OffsetDateTime::from_unix_timestamp(start).unwrap();
            let next = cron.next(last).unwrap();
            prop_assert!(next > last && next.second() == 0);
            prop_assert!(cron.has_day(next.date()));
            prop_assert!(cron.minutes.contains(&next.minute().into()) && cron.hours.contains(&next.hour().into()));
            // One second earlier the answer is the same: `next` is the first.
            prop_assert_eq!(cron.next(next - Duration::SECOND), Some(next));
            let mut minute = last;
            let mut left = 3 * 24 * 60;
            while left > 0 {
                left -= 1;
                minute += Duration::MINUTE;
                let whole = minute.replace_second(0).unwrap();
                if whole >= next { break }
                let hits = cron.has_day(whole.date())
                    && cron.minutes.contains(&whole.minute().into())
                    && cron.hours.contains(&whole.hour().into());
                prop_assert!(!hits, "{whole} was skipped");
            }
        }
    }
}
