//! Tests which expressions are valid, as on EventBridge, and the times that they name.

use proptest::prelude::*;

use super::*;

fn schedule(expression: &str) -> Schedule {
    expression.parse().unwrap_or_else(|mistake| panic!("{expression}: {mistake}"))
}

fn seconds(at: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(at)
}

/// Parses `2026-11-21T11:59` or, with seconds, `2026-11-21T11:59:59`.
fn time(text: &str) -> SystemTime {
    let numbers: Vec<u32> = text.split(['-', 'T', ':']).map(|number| number.parse().unwrap()).collect();
    let days = Date { year: numbers[0], month: numbers[1], day: numbers[2] }.days().unwrap();
    let of_day = numbers[3] * 3600 + numbers[4] * 60 + numbers.get(5).unwrap_or(&0);
    seconds(days * DAY + u64::from(of_day))
}

/// Checks the next three times after `last`.
#[track_caller]
fn check(cron: &str, last: &str, expected: [&str; 3]) {
    let schedule = schedule(&format!("cron({cron})"));
    let mut at = time(last);
    for expected in expected {
        at = schedule.next(at).unwrap();
        assert_eq!(at, time(expected), "{cron}");
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
    check("0 0 L * ? *", "2027-01-31T00:00:00", ["2027-02-28T00:00", "2027-03-31T00:00", "2027-04-30T00:00"]);
    check("0 0 L 2 ? *", "2027-03-01T00:00:00", ["2028-02-29T00:00", "2029-02-28T00:00", "2030-02-28T00:00"]);
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
    check("0 0 ? * 1 *", "2026-11-20T00:00:00", ["2026-11-22T00:00", "2026-11-29T00:00", "2026-12-06T00:00"]);
    check("0 0 ? * L *", "2026-11-20T00:00:00", ["2026-11-21T00:00", "2026-11-28T00:00", "2026-12-05T00:00"]);
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
    for cron in ["0 0 31 2 ? *", "0 0 1 1 ? 2020", "0 0 31W 2 ? *"] {
        assert_eq!(schedule(&format!("cron({cron})")).next(seconds(1_800_000_000)), None, "{cron}");
    }
    assert_eq!(schedule("cron(* * * * ? *)").next(time("2199-12-31T23:59")), None);
    assert_eq!(schedule("rate(4294967295 days)").next(seconds(0)), None);
}

#[test]
fn before_1970_comes_the_first_minute_of_1970() {
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(100);
    assert_eq!(schedule("cron(* * * * ? *)").next(before), Some(SystemTime::UNIX_EPOCH));
}

#[test]
fn rates() {
    for (expression, expected) in [
        ("rate(1 minute)", 67),
        ("rate(5 minutes)", 307),
        ("rate(1 hour)", 3_607),
        ("rate(24 hours)", 86_407),
        ("rate(1 day)", 86_407),
        ("rate(2 days)", 172_807),
    ] {
        assert_eq!(schedule(expression).next(seconds(7)), Some(seconds(expected)), "{expression}");
    }
}

#[test]
fn missed_times_are_skipped_and_the_rhythm_stays() {
    let rate = schedule("rate(5 minutes)");
    assert_eq!(rate.last_due(seconds(300), seconds(301)), seconds(300));
    assert_eq!(rate.last_due(seconds(300), seconds(1_000)), seconds(900));
    assert_eq!(rate.last_due(seconds(300), seconds(299)), seconds(300), "a clock that was set back");
    let cron = schedule("cron(0 * * * ? *)");
    assert_eq!(cron.next(cron.last_due(seconds(3_600), seconds(9_000))), Some(seconds(10_800)));
    assert_eq!(cron.last_due(seconds(3_600), seconds(3_599)), seconds(3_600), "a clock that was set back");
}

#[test]
fn what_eventbridge_takes() {
    for expression in [
        "rate(1 minute)",
        "rate(5 minutes)",
        "rate(1 hour)",
        "rate(24 hours)",
        "rate(1 day)",
        "rate(7 days)",
        "cron(0 10 * * ? *)",
        "cron(15 12 * * ? *)",
        "cron(0 18 ? * MON-FRI *)",
        "cron(0 8 1 * ? *)",
        "cron(0/15 * * * ? *)",
        "cron(0/5 8-17 ? * MON-FRI *)",
        "cron(*/10 * ? * 2-6 *)",
        "cron(0 9 ? * 2#1 *)",
        "cron(0 9 ? * 6L *)",
        "cron(0 9 L * ? *)",
        "cron(0 9 15W * ? *)",
        "cron(0 9 LW * ? *)",
        "cron(0,30 9 1,15 jan,JUL ? 2027-2030)",
    ] {
        assert_eq!(schedule(expression).as_str(), expression);
    }
}

#[test]
fn mistakes_name_the_piece() {
    let fields =
        "a cron expression has 6 fields (minutes, hours, day of month, month, day of week, year), not";
    let pair = "expected a number and a unit, as in `rate(5 minutes)`";
    let number = "use a whole number from 1 on";
    let units = "use `minutes`, `hours` or `days`";
    for (expression, expected) in [
        ("rate()", format!("`rate()`: {pair}")),
        ("rate(5)", format!("`rate(5)`: {pair}")),
        ("rate(5  minutes)", format!("`rate(5  minutes)`: {pair}")),
        ("rate(0 minutes)", format!("`0` is not a rate: {number}")),
        ("rate(-5 minutes)", format!("`-5` is not a rate: {number}")),
        ("rate(+5 minutes)", format!("`+5` is not a rate: {number}")),
        ("rate(1.5 hours)", format!("`1.5` is not a rate: {number}")),
        ("rate(1 minutes)", "write `rate(1 minute)`".to_owned()),
        ("rate(5 minute)", "write `rate(5 minutes)`".to_owned()),
        ("rate(5 seconds)", format!("`seconds` is not a unit of a rate: {units}")),
        ("rate(2 weeks)", format!("`weeks` is not a unit of a rate: {units}")),
        ("cron(0 12 * * *)", format!("{fields} 5")),
        ("cron(0 0 12 * * ? *)", format!("{fields} 7")),
        ("cron(60 12 * * ? *)", "minutes: `60`: expected 0 to 59".to_owned()),
        ("cron(+5 12 * * ? *)", "minutes: `+5`: expected 0 to 59".to_owned()),
        ("cron(0 24 * * ? *)", "hours: `24`: expected 0 to 23".to_owned()),
        ("cron(0 12 0 * ? *)", "day of month: `0`: expected 1 to 31".to_owned()),
        ("cron(0 12 WL * ? *)", "day of month: `WL`: expected 1 to 31".to_owned()),
        ("cron(0 12 * 13 ? *)", "month: `13`: expected 1 to 12 or JAN to DEC".to_owned()),
        ("cron(0 12 ? * 0 *)", "day of week: `0`: expected 1 to 7 or SUN to SAT".to_owned()),
        ("cron(0 12 ? * 8 *)", "day of week: `8`: expected 1 to 7 or SUN to SAT".to_owned()),
        ("cron(0 12 ? * 2#6 *)", "day of week: `2#6`: expected 1 to 5 after `#`".to_owned()),
        ("cron(0 12 ? * 2#+1 *)", "day of week: `2#+1`: expected 1 to 5 after `#`".to_owned()),
        ("cron(0 12 ? * 2#1,6#3 *)", "day of week: `2#1` cannot be part of a list".to_owned()),
        ("cron(*,5 12 * * ? *)", "minutes: `*` cannot be part of a list".to_owned()),
        ("cron(0 12 * * ? 1969)", "year: `1969`: expected 1970 to 2199".to_owned()),
        ("cron(? 12 * * ? *)", "minutes: only a day can be `?`; use `*`".to_owned()),
        ("cron(*/0 12 * * ? *)", "minutes: `*/0`: a step is a number from 1 to 60".to_owned()),
        ("cron(*/+5 12 * * ? *)", "minutes: `*/+5`: a step is a number from 1 to 60".to_owned()),
        ("cron(0,,5 12 * * ? *)", "minutes: ``: expected 0 to 59".to_owned()),
        ("cron(L 12 * * ? *)", "minutes: `L`: expected 0 to 59".to_owned()),
        ("cron(1-2-3 12 * * ? *)", "minutes: `1-2-3`: expected 0 to 59".to_owned()),
        (
            "cron(0 12 1 * MON *)",
            "day of month and day of week cannot both be given: put `?` for one of them".to_owned(),
        ),
        (
            "cron(0 12 * * * *)",
            "day of month and day of week cannot both be given: put `?` for one of them".to_owned(),
        ),
        ("cron(0 12 ? * ? *)", "day of month and day of week are both `?`: give one of them".to_owned()),
    ] {
        assert_eq!(expression.parse::<Schedule>().unwrap_err().to_string(), expected, "{expression}");
    }
    for expression in
        ["", "hourly", "5 minutes", "at(2027-01-01T00:00:00)", "rate(5 minutes", " rate(5 minutes)"]
    {
        let expected = format!(
            "{expression:?} is not a schedule: write `rate(5 minutes)`, or `cron(0 12 * * ? *)` with minutes, hours, \
             day of month, month, day of week and year"
        );
        assert_eq!(expression.parse::<Schedule>().unwrap_err().to_string(), expected);
    }
}

proptest! {
    /// `next` skips nothing: none of the minutes in between belongs to the expression.
    #[test]
    fn nothing_is_skipped(
        expression in "[0-5]?[0-9](/[1-9])? (1?[0-9]|\\*) ((1[0-9]|L|LW|1?[1-9]W|\\*) (\\*|[1-9]|1[0-2]) \\?|\\? (\\*|[1-9]|1[0-2]) ([1-7]|[1-7]L|[1-7]#[1-4]|MON-FRI)) \\*",
        start in 1_600_000_000_u64..4_000_000_000,
    ) {
        let cron = Cron::parse(&expression).unwrap();
        let hits = |minute: u64| {
            let days = minute / (DAY / 60);
            let of_day = u32::try_from(minute % (DAY / 60)).unwrap();
            cron.has_day(Date::from_days(days).unwrap(), days)
                && cron.hours.contains(&(of_day / 60))
                && cron.minutes.contains(&(of_day % 60))
        };
        let next = cron.next(seconds(start)).unwrap();
        let due = next.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        prop_assert!(due > start && due.is_multiple_of(60));
        prop_assert!(hits(due / 60));
        // One second earlier the answer is the same: `next` is the first.
        prop_assert_eq!(cron.next(seconds(due - 1)), Some(next));
        for minute in (start / 60 + 1..due / 60).take(3 * 24 * 60) {
            prop_assert!(!hits(minute), "minute {minute} was skipped");
        }
    }
}
