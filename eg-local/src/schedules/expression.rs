//! Schedule expressions of EventBridge: what comes next. Pure: knows no clock. Source: the EventBridge user guide,
//! "schedule expressions".

use time::{Duration, OffsetDateTime};

use super::cron::Cron;

/// When a function runs, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// So often, counted from when the schedule began.
    Rate(Duration),
    /// At the minutes of a calendar.
    Cron(Cron),
}

impl Schedule {
    /// Reads `rate(5 minutes)` or `cron(0 12 * * ? *)`.
    pub fn parse(expression: &str) -> Result<Self, String> {
        let inside = |kind: &str| expression.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(inside) = inside("rate") {
            return rate(inside)
                .map(Self::Rate)
                .ok_or_else(|| format!("`{expression}` is no rate: write, for example, `rate(5 minutes)`"));
        }
        if let Some(inside) = inside("cron") {
            return Cron::parse(inside)
                .map(Self::Cron)
                .map_err(|reason| format!("`{expression}` is no schedule: {reason}"));
        }
        Err(format!("`{expression}` is no schedule: write `rate(5 minutes)` or `cron(0 12 * * ? *)`"))
    }

    /// The first time after `last`. `None`: there is none.
    pub fn next(&self, last: OffsetDateTime) -> Option<OffsetDateTime> {
        match self {
            Self::Rate(rate) => last.checked_add(*rate),
            Self::Cron(cron) => cron.next(last),
        }
    }

    /// The last time up to `now`, if `time` is one.
    pub(super) fn latest(&self, time: OffsetDateTime, now: OffsetDateTime) -> OffsetDateTime {
        match self {
            Self::Rate(rate) => {
                let missed = (now - time).whole_seconds() / rate.whole_seconds().max(1);
                time + Duration::seconds(rate.whole_seconds().saturating_mul(missed.max(0)))
            }
            Self::Cron(_) => time.max(now),
        }
    }
}

fn rate(inside: &str) -> Option<Duration> {
    let (number, unit) = inside.split_once(' ')?;
    let number: u32 = number.parse().ok().filter(|number| *number > 0)?;
    let minutes = match (unit, number) {
        ("minute", 1) | ("minutes", 2..) => 1,
        ("hour", 1) | ("hours", 2..) => 60,
        ("day", 1) | ("days", 2..) => 24 * 60,
        _ => return None,
    };
    Some(Duration::minutes(minutes * i64::from(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(at: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(at).unwrap()
    }

    #[test]
    fn rates() {
        let check = |expression: &str, expected: Option<i64>| {
            let next = Schedule::parse(expression).ok().and_then(|schedule| schedule.next(seconds(7)));
            assert_eq!(next.map(OffsetDateTime::unix_timestamp), expected, "{expression}");
        };
        check("rate(1 minute)", Some(67));
        check("rate(5 minutes)", Some(307));
        check("rate(1 hour)", Some(3607));
        check("rate(2 days)", Some(172_807));
        for wrong in [
            "rate(0 minutes)",
            "rate(1 minutes)",
            "rate(5 minute)",
            "rate(5 seconds)",
            "rate()",
            "hourly",
            "rate(5 minutes",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn what_was_slept_through_is_skipped_and_the_rhythm_stays() {
        let rate = Schedule::parse("rate(5 minutes)").unwrap();
        assert_eq!(rate.latest(seconds(300), seconds(301)), seconds(300));
        assert_eq!(rate.latest(seconds(300), seconds(1_000)), seconds(900));
        assert_eq!(rate.latest(seconds(300), seconds(299)), seconds(300), "a clock that was set back");
        let cron = Schedule::parse("cron(0 * * * ? *)").unwrap();
        assert_eq!(cron.next(cron.latest(seconds(3_600), seconds(9_000))), Some(seconds(10_800)));
    }
}
