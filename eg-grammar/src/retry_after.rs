//! Parses the `Retry-After` header, with which a server asks for a pause. Callers decide how long they actually wait.

use std::time::{Duration, SystemTime};

use crate::civil::{DAY, Date, MONTHS, WEEKDAYS};

/// Returns the pause that a `Retry-After` header asks for (RFC 9110 §10.2.3): a number of seconds, or the time from
/// `now` to a date, which is zero for a date in the past. `None` for any other text.
///
/// A number that is too large for a [`Duration`] becomes [`Duration::MAX`].
#[must_use]
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(value.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    Some(http_date(value, now)?.duration_since(now).unwrap_or_default())
}

/// Parses a date of HTTP in any of its three forms (RFC 9110 §5.6.7).
fn http_date(text: &str, now: SystemTime) -> Option<SystemTime> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (weekday, day, month, year, time) = match words[..] {
        // Sun, 06 Nov 1994 08:49:37 GMT
        [weekday, day, month, year, time, "GMT"] => {
            (weekday.strip_suffix(',')?, day, month, year_of_four_digits(year)?, time)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        [weekday, date, time, "GMT"] => {
            let mut parts = date.split('-');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            let year = year_of_two_digits(number(year).filter(|_| year.len() == 2)?, now)?;
            parts.next().is_none().then_some((weekday.strip_suffix(',')?, day, month, year, time))?
        }
        // Sun Nov  6 08:49:37 1994
        [weekday, month, day, time, year] => (weekday, day, month, year_of_four_digits(year)?, time),
        _ => return None,
    };
    position(&WEEKDAYS, weekday.get(..3)?)?;
    let date = Date { year, month: position(&MONTHS, month)? + 1, day: number(day)? };
    let mut time = time.split(':').map(number);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    // 60 is a leap second.
    if hour > 23 || minute > 59 || second > 60 || time.next().is_some() {
        return None;
    }
    let seconds = date.days()? * DAY + u64::from(hour * 3600 + minute * 60 + second);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

fn position(names: &[&str], text: &str) -> Option<u32> {
    names.iter().position(|name| name.eq_ignore_ascii_case(text)).and_then(|at| u32::try_from(at).ok())
}

fn year_of_four_digits(text: &str) -> Option<u32> {
    number(text).filter(|_| text.len() == 4)
}

/// Returns the year for two digits: one that would be more than 50 years from now is the one a century before.
fn year_of_two_digits(year: u32, now: SystemTime) -> Option<u32> {
    let today = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() / DAY;
    let this_year = Date::from_days(today)?.year;
    let year = this_year - this_year % 100 + year;
    Some(if year > this_year + 50 { year - 100 } else { year })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_or_a_date() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (value, expected) in [
            ("0", seconds(0)),
            (" 120 ", seconds(120)),
            ("99999999999999999999999", Some(Duration::MAX)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", seconds(10)),
            ("Sun, 06 Nov 1994 08:49:60 GMT", seconds(23)),
            ("Mon, 07 Nov 1994 00:00:00 GMT", seconds(54_623)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", seconds(0)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", seconds(10)),
            ("Saturday, 06-Nov-93 08:49:47 GMT", seconds(0)),
            ("Sun Nov  6 08:49:47 1994", seconds(10)),
            ("", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:49:47 +0000", None),
            ("Sun, 06 Nov 1994 24:00:00 GMT", None),
            ("Sun, 06 Nov 1994 08:49:47:00 GMT", None),
            ("Sun, 31 Feb 1994 08:49:47 GMT", None),
            ("Sun, 06 Nov 94 08:49:47 GMT", None),
            ("Sunday, 06-Nov-1994 08:49:47 GMT", None),
            ("Day, 06 Nov 1994 08:49:47 GMT", None),
        ] {
            assert_eq!(retry_after(value, now), expected, "{value:?}");
        }
    }

    #[test]
    fn two_digits_of_a_year_are_near_now() {
        let in_2026 = SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000);
        for (year, expected) in [(26, 2026), (76, 2076), (77, 1977), (99, 1999)] {
            assert_eq!(year_of_two_digits(year, in_2026), Some(expected), "{year}");
        }
    }
}
