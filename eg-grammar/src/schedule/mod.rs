//! Parses schedules in EventBridge's notation and computes when they are due. It reads no clock and calls no functions.
//! Source: the EventBridge user guide, "Schedule expressions".

mod cron;

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use self::cron::Cron;
use crate::Mistake;
use crate::civil::{DAY, Date};

/// A valid schedule: `rate(5 minutes)` or `cron(0 12 * * ? *)`. Its times are in UTC, as on EventBridge.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use eg_grammar::Schedule;
///
/// let noon: Schedule = "cron(0 12 * * ? *)".parse()?;
/// assert_eq!(noon.next(SystemTime::UNIX_EPOCH), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(12 * 3600)));
/// # Ok::<(), eg_grammar::Mistake>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Schedule {
    expression: String,
    times: Times,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Times {
    /// At this interval, counted from the start of the schedule.
    Rate(Duration),
    /// At the minutes of a calendar.
    Cron(Cron),
}

impl Schedule {
    /// Returns the expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.expression
    }

    /// Returns the first time after `last`; for a rate, `last` is when the schedule began or was last due. `None` if there
    /// is none up to the year 9999, or for `cron`, 2199.
    #[must_use]
    pub fn next(&self, last: SystemTime) -> Option<SystemTime> {
        match &self.times {
            Times::Rate(rate) => {
                let next = last.checked_add(*rate)?;
                let days = next.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() / DAY;
                Date::from_days(days).map(|_| next)
            }
            Times::Cron(cron) => cron.next(last),
        }
    }

    /// Returns the last time up to `now` at which the schedule was due, given that it was due at `due`. A late caller
    /// continues from there, so that missed times are skipped and a rate keeps its rhythm.
    #[must_use]
    pub fn last_due(&self, due: SystemTime, now: SystemTime) -> SystemTime {
        let late = now.duration_since(due).unwrap_or_default();
        match &self.times {
            Times::Rate(rate) => {
                let missed = Duration::from_secs(late.as_secs() / rate.as_secs() * rate.as_secs());
                due.checked_add(missed).unwrap_or(now)
            }
            Times::Cron(_) => due + late,
        }
    }
}

impl FromStr for Schedule {
    type Err = Mistake;

    fn from_str(expression: &str) -> Result<Self, Mistake> {
        let inside = |kind: &str| expression.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
        let times = match (inside("rate"), inside("cron")) {
            (Some(inside), _) => Times::Rate(rate(inside)?),
            (None, Some(inside)) => Times::Cron(Cron::parse(inside)?),
            (None, None) => {
                return Err(Mistake::new(format!(
                    "{expression:?} is not a schedule: write `rate(5 minutes)`, or `cron(0 12 * * ? *)` with minutes, \
                     hours, day of month, month, day of week and year"
                )));
            }
        };
        Ok(Self { expression: expression.to_owned(), times })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expression)
    }
}

/// Parses the interval of a rate, for example `5 minutes`.
fn rate(inside: &str) -> Result<Duration, Mistake> {
    let mut words = inside.split(' ');
    let (Some(number), Some(unit), None) = (words.next(), words.next(), words.next()) else {
        let message = format!("`rate({inside})`: expected a number and a unit, as in `rate(5 minutes)`");
        return Err(Mistake::new(message));
    };
    let Some(count) = whole(number).filter(|count| *count > 0) else {
        return Err(Mistake::new(format!("`{number}` is not a rate: use a whole number from 1 on")));
    };
    let singular = unit.strip_suffix('s').unwrap_or(unit);
    let seconds = match singular {
        "minute" => 60,
        "hour" => 60 * 60,
        "day" => DAY,
        _ => {
            let message = format!("`{unit}` is not a unit of a rate: use `minutes`, `hours` or `days`");
            return Err(Mistake::new(message));
        }
    };
    let right = if count == 1 { singular.to_owned() } else { format!("{singular}s") };
    if unit != right {
        return Err(Mistake::new(format!("write `rate({count} {right})`")));
    }
    Ok(Duration::from_secs(u64::from(count) * seconds))
}

/// Parses a number that consists of digits only: no sign, no decimal point.
fn whole(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
