//! Parses cron expressions (six fields with `?`, `L`, `W` and `#`) and finds the minutes that they name.

use std::time::{Duration, SystemTime};

use super::whole;
use crate::Mistake;
use crate::civil::{DAY, Date, MONTHS, WEEKDAYS, last_day, weekday};

/// The first and the last year that an expression can name.
const YEARS: (u32, u32) = (1970, 2199);

/// One field of an expression: what it is called and which numbers it has.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names for the numbers from `min` on.
    names: &'static [&'static str],
}

const MINUTES: Field = Field { name: "minutes", min: 0, max: 59, names: &[] };
const HOURS: Field = Field { name: "hours", min: 0, max: 23, names: &[] };
const DAY_OF_MONTH: Field = Field { name: "day of month", min: 1, max: 31, names: &[] };
const MONTH: Field = Field { name: "month", min: 1, max: 12, names: &MONTHS };
const DAY_OF_WEEK: Field = Field { name: "day of week", min: 1, max: 7, names: &WEEKDAYS };
const YEAR: Field = Field { name: "year", min: YEARS.0, max: YEARS.1, names: &[] };

/// The minutes of a calendar, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cron {
    pub(super) minutes: Vec<u32>,
    pub(super) hours: Vec<u32>,
    days: Days,
    months: Vec<u32>,
    years: Vec<u32>,
}

/// Which days: of the month, or of the week. The other field is `?`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Days {
    OfMonth(Vec<DayOfMonth>),
    OfWeek(Vec<DayOfWeek>),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum DayOfWeek {
    OneOf(Vec<u32>),
    /// `6L`: the last Friday.
    Last(u32),
    /// `2#1`: the first Monday.
    Nth(u32, u32),
}

impl Cron {
    /// Reads the text between the parentheses.
    pub(super) fn parse(inside: &str) -> Result<Self, Mistake> {
        let fields: Vec<&str> = inside.split_ascii_whitespace().collect();
        let [minutes, hours, day_of_month, month, day_of_week, year] = fields[..] else {
            return Err(Mistake::new(format!(
                "a cron expression has 6 fields (minutes, hours, day of month, month, day of week, year), not {}",
                fields.len()
            )));
        };
        let minutes = MINUTES.numbers(minutes)?;
        let hours = HOURS.numbers(hours)?;
        let of_month = days(&DAY_OF_MONTH, day_of_month, day_of_month_piece)?;
        let months = MONTH.numbers(month)?;
        let of_week = days(&DAY_OF_WEEK, day_of_week, day_of_week_piece)?;
        let years = YEAR.numbers(year)?;
        let days = match (of_month, of_week) {
            (Some(days), None) => Days::OfMonth(days),
            (None, Some(days)) => Days::OfWeek(days),
            (None, None) => {
                return Err(Mistake::new("day of month and day of week are both `?`: give one of them"));
            }
            (Some(_), Some(_)) => {
                let message = "day of month and day of week cannot both be given: put `?` for one of them";
                return Err(Mistake::new(message));
            }
        };
        Ok(Self { minutes, hours, days, months, years })
    }

    /// Returns the first minute of the calendar after `last`.
    pub(super) fn next(&self, last: SystemTime) -> Option<SystemTime> {
        let first_minute = match last.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => since.as_secs() / 60 + 1,
            Err(_) => 0,
        };
        let (mut days, mut from) = (first_minute * 60 / DAY, first_minute % (DAY / 60));
        loop {
            let date = Date::from_days(days).filter(|date| date.year <= YEARS.1)?;
            if self.has_day(date, days)
                && let Some(minute) = self.first_minute(from)
            {
                return Some(SystemTime::UNIX_EPOCH + Duration::from_secs(days * DAY + minute * 60));
            }
            (days, from) = (days + 1, 0);
        }
    }

    /// Returns the first minute of a day, from minute `from` on.
    fn first_minute(&self, from: u64) -> Option<u64> {
        let of_hour = |&hour| self.minutes.iter().map(move |&minute| u64::from(hour * 60 + minute));
        self.hours.iter().flat_map(of_hour).filter(|minute| *minute >= from).min()
    }

    /// Returns whether the calendar contains a date, which is this many days after 1 January 1970.
    pub(super) fn has_day(&self, date: Date, days: u64) -> bool {
        if !self.years.contains(&date.year) || !self.months.contains(&date.month) {
            return false;
        }
        match &self.days {
            Days::OfMonth(wanted) => wanted.iter().any(|day| day.is(date, days)),
            Days::OfWeek(wanted) => wanted.iter().any(|day| day.is(date, weekday(days))),
        }
    }
}

impl DayOfMonth {
    fn is(&self, date: Date, days: u64) -> bool {
        let last = last_day(date.year, date.month);
        // The same day of the week as `day` of this month.
        let weekday_of = |day: u32| weekday(days + u64::from(day) + 35 - u64::from(date.day));
        let nearest_weekday = |day: u32| match weekday_of(day) {
            7 if day > 1 => day - 1,
            7 => day + 2,
            1 if day < last => day + 1,
            1 => day - 2,
            _ => day,
        };
        match self {
            Self::OneOf(days) => days.contains(&date.day),
            Self::Last => date.day == last,
            Self::LastWeekday => date.day == nearest_weekday(last),
            Self::Nearest(wanted) => *wanted <= last && date.day == nearest_weekday(*wanted),
        }
    }
}

impl DayOfWeek {
    fn is(&self, date: Date, weekday: u32) -> bool {
        match self {
            Self::OneOf(days) => days.contains(&weekday),
            Self::Last(wanted) => weekday == *wanted && date.day + 7 > last_day(date.year, date.month),
            Self::Nth(wanted, nth) => weekday == *wanted && date.day.div_ceil(7) == *nth,
        }
    }
}

/// Returns the days that a field names; `None` for `?`.
fn days<T>(
    field: &Field,
    text: &str,
    piece: impl Fn(&str) -> Result<T, Mistake>,
) -> Result<Option<Vec<T>>, Mistake> {
    if text == "?" {
        return Ok(None);
    }
    field.list(text, piece).map(Some)
}

fn day_of_month_piece(piece: &str) -> Result<DayOfMonth, Mistake> {
    match (piece, piece.strip_suffix('W')) {
        ("L", _) => Ok(DayOfMonth::Last),
        ("LW", _) => Ok(DayOfMonth::LastWeekday),
        (_, Some(day)) => DAY_OF_MONTH.number(day, piece).map(DayOfMonth::Nearest),
        (_, None) => DAY_OF_MONTH.piece(piece).map(DayOfMonth::OneOf),
    }
}

fn day_of_week_piece(piece: &str) -> Result<DayOfWeek, Mistake> {
    if piece == "L" {
        return Ok(DayOfWeek::OneOf(vec![DAY_OF_WEEK.max]));
    }
    if let Some((day, nth)) = piece.split_once('#') {
        let day = DAY_OF_WEEK.number(day, piece)?;
        let nth = whole(nth).filter(|nth| (1..=5).contains(nth));
        let nth = nth.ok_or_else(|| Mistake::new(format!("`{piece}`: expected 1 to 5 after `#`")))?;
        return Ok(DayOfWeek::Nth(day, nth));
    }
    match piece.strip_suffix('L') {
        Some(day) => DAY_OF_WEEK.number(day, piece).map(DayOfWeek::Last),
        None => DAY_OF_WEEK.piece(piece).map(DayOfWeek::OneOf),
    }
}

impl Field {
    /// Parses a list of numbers, names, ranges and steps.
    fn numbers(&self, text: &str) -> Result<Vec<u32>, Mistake> {
        if text == "?" {
            return Err(Mistake::new("only a day can be `?`; use `*`").within(self.name));
        }
        Ok(self.list(text, |piece| self.piece(piece))?.concat())
    }

    /// Returns the pieces of a list; a list without commas has one. `*` and `#` are for one piece alone.
    fn list<T>(&self, text: &str, piece: impl Fn(&str) -> Result<T, Mistake>) -> Result<Vec<T>, Mistake> {
        let pieces = || text.split(',');
        let alone = pieces().find(|piece| *piece != text && (*piece == "*" || piece.contains('#')));
        let read = match alone {
            Some(alone) => Err(Mistake::new(format!("`{alone}` cannot be part of a list"))),
            None => pieces().map(piece).collect(),
        };
        read.map_err(|mistake| mistake.within(self.name))
    }

    /// Parses `*`, `7`, `MON-FRI`, `0/15` or `10-40/5`. A range may wrap around the end.
    fn piece(&self, piece: &str) -> Result<Vec<u32>, Mistake> {
        let (range, step) = match piece.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step, piece)?)),
            None => (piece, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.min, self.max),
            Some((from, to)) => (self.number(from, piece)?, self.number(to, piece)?),
            None => {
                let from = self.number(range, piece)?;
                (from, if step.is_some() { self.max } else { from })
            }
        };
        let numbers: Vec<u32> =
            if from <= to { (from..=to).collect() } else { (from..=self.max).chain(self.min..=to).collect() };
        Ok(numbers.into_iter().step_by(step.unwrap_or(1)).collect())
    }

    fn step(&self, text: &str, piece: &str) -> Result<usize, Mistake> {
        let steps = self.max - self.min + 1;
        let step = whole(text).filter(|step| (1..=steps).contains(step));
        step.and_then(|step| usize::try_from(step).ok())
            .ok_or_else(|| Mistake::new(format!("`{piece}`: a step is a number from 1 to {steps}")))
    }

    fn number(&self, text: &str, piece: &str) -> Result<u32, Mistake> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = match named {
            Some(position) => u32::try_from(position).ok().map(|position| self.min + position),
            None => whole(text).filter(|number| (self.min..=self.max).contains(number)),
        };
        number.ok_or_else(|| {
            let names = match self.names {
                [first, .., last] => format!(" or {first} to {last}"),
                _ => String::new(),
            };
            Mistake::new(format!("`{piece}`: expected {} to {}{names}", self.min, self.max))
        })
    }
}
