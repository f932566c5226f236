//! Formats what pages show: texts from outside, times, lengths of time, numbers. Every text from outside passes `text` or
//! `clipped`, which make control characters and those that reorder text visible; maud escapes HTML.

use std::time::Duration;

use eg_grammar::{printable, printable_json, printable_lines};
use eg_sdk::history::DeliveryState;
use maud::{Markup, html};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The maximum number of characters of a name, an id or a message.
const NAME: usize = 200;

/// Returns a text from outside on one line, cut after 200 characters.
pub(crate) fn text(text: &str) -> String {
    match text.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}… ({} bytes)", printable(&text[..end]), grouped(text.len() as u64)),
        None => printable(text).into_owned(),
    }
}

/// Returns a text from outside with its lines, cut after `most` characters.
pub(crate) fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => {
            format!("{}…\n({} bytes in all)", printable_lines(&text[..end]), grouped(text.len() as u64))
        }
        None => printable_lines(text).into_owned(),
    }
}

/// Returns the end of an id, which people compare; the whole id if it is short.
pub(crate) fn short(id: &str) -> String {
    let start = id.char_indices().rev().nth(7).map_or(0, |(at, _)| at);
    if id.chars().count() <= 12 { text(id) } else { format!("…{}", text(&id[start..])) }
}

/// Returns a time in UTC, for people and programs.
pub(crate) fn moment(at: OffsetDateTime) -> Markup {
    html! { time datetime=(iso(at)) title=(format!("{} {} UTC", at.date(), clock(at))) { (at.date()) " " (clock(at)) } }
}

/// Returns a time in UTC for a list: the time of day, and in front of it the day unless it is today.
pub(crate) fn listed(at: OffsetDateTime, now: OffsetDateTime) -> Markup {
    html! { @if at.date() != now.date() { span .day { (at.date()) } " " } (time_of_day(at)) }
}

/// Returns the time of day in UTC; the date is in its tooltip.
pub(crate) fn time_of_day(at: OffsetDateTime) -> Markup {
    html! { time datetime=(iso(at)) title=(format!("{} {} UTC", at.date(), clock(at))) { (clock(at)) } }
}

fn iso(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

fn clock(at: OffsetDateTime) -> String {
    format!("{:02}:{:02}:{:02}.{:03}", at.hour(), at.minute(), at.second(), at.millisecond())
}

/// Returns a length of time with two or three digits.
pub(crate) fn span(length: Duration) -> String {
    let (millis, seconds) = (length.as_millis(), length.as_secs());
    match seconds {
        0 => format!("{millis} ms"),
        1..10 => format!("{:.1} s", length.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Returns the time from `from` to `to`; zero if it is negative.
pub(crate) fn between(from: OffsetDateTime, to: OffsetDateTime) -> Duration {
    (to - from).try_into().unwrap_or_default()
}

/// Returns how long ago a time was.
pub(crate) fn ago(at: OffsetDateTime, now: OffsetDateTime) -> String {
    if now - at < time::Duration::SECOND {
        "just now".to_owned()
    } else {
        format!("{} ago", span(between(at, now)))
    }
}

/// Returns how often something happened per minute. A gateway that has just started is taken to run for one minute.
pub(crate) fn rate(times: u64, within: Duration) -> String {
    #[allow(clippy::cast_precision_loss, reason = "people read two or three digits")]
    let rate = times as f64 * 60.0 / within.as_secs_f64().max(60.0);
    match rate {
        0.0 => "0".to_owned(),
        ..0.05 => "<0.1".to_owned(),
        0.05..99.95 => format!("{rate:.1}"),
        _ => format!("{rate:.0}"),
    }
}

/// Returns a size with two or three digits.
pub(crate) fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if size < 1_000 {
        return format!("{size} bytes");
    }
    #[allow(clippy::cast_precision_loss, reason = "people read two or three digits")]
    let (mut number, mut unit) = (size as f64 / 1_000.0, 0);
    while number >= 999.5 && unit + 1 < UNITS.len() {
        (number, unit) = (number / 1_000.0, unit + 1);
    }
    if number < 9.95 {
        format!("{number:.1} {}", UNITS[unit])
    } else {
        format!("{number:.0} {}", UNITS[unit])
    }
}

/// Returns a part of a whole in percent.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "people read two or three digits")]
    let percent = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    match percent {
        0.0 => "0 %".to_owned(),
        ..0.1 => "<0.1 %".to_owned(),
        0.1..9.95 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

/// Returns a number with commas between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a number and its noun, in the plural unless it is one.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{} {noun}{end}", grouped(number as u64))
}

/// Returns what people call a state.
pub(crate) const fn word(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Pending => "pending",
        DeliveryState::InFlight => "in flight",
        DeliveryState::Delivered => "delivered",
        DeliveryState::Dead => "dead",
        DeliveryState::Expired => "expired",
        DeliveryState::Filtered => "filtered",
    }
}

/// Returns the class of a state in the style sheet.
pub(crate) const fn class(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::InFlight => "running",
        DeliveryState::Expired => "dead",
        other => other.as_str(),
    }
}

/// Returns JSON text in which nothing reorders or hides text. It keeps its meaning: a carriage return can be between members
/// only, where an escape would be a mistake.
pub(crate) fn json(text: &str) -> String {
    printable_json(&text.replace('\r', "")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_outside_cannot_reorder_or_hide_anything() {
        assert_eq!(text("a\u{202e}b\0c\nd"), r"a\u{202e}b\u{0}c\nd");
        assert_eq!(clipped("a\u{202e}\nb", 10), "a\\u{202e}\nb");
        assert_eq!(text(&"ä".repeat(1_000_000)).chars().count(), 200 + "… (2,000,000 bytes)".len() - 2);
        assert_eq!(short("0199a5c3-7d24-7b1e-9c55-02c1f3ee5fc1"), "…f3ee5fc1");
        assert_eq!(json("{\r\n\"a\":\"\u{202e}\"}"), "{\n\"a\":\"\\u202e\"}");
        assert_eq!(short("order-1"), "order-1");
        assert_eq!(short("ääääääääääääääää"), "…ääääääää");
    }

    #[test]
    fn lists_name_the_day_of_earlier_events() {
        let at = OffsetDateTime::UNIX_EPOCH;
        let text = |now| listed(at, now).into_string();
        let today = text(at + time::Duration::hours(23));
        assert!(!today.contains("class=\"day\"") && today.contains("00:00:00.000"), "{today}");
        let earlier = text(at + time::Duration::hours(24));
        assert!(earlier.starts_with("<span class=\"day\">1970-01-01</span> <time"), "{earlier}");
    }

    #[test]
    fn rates_sizes_and_shares() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        for (times, within, expected) in [
            (0, 15, "0"),
            (7, 0, "7.0"),
            (7, 1, "7.0"),
            (1, 60, "<0.1"),
            (30, 15, "2.0"),
            (1_500, 15, "100"),
            (150_000, 15, "10000"),
        ] {
            assert_eq!(rate(times, minutes(within)), expected);
        }
        for (size, expected) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (77_000_000, "77 MB"),
            (999_600, "1.0 MB"),
            (10_737_418_240, "11 GB"),
            (u64::MAX, "18447 PB"),
        ] {
            assert_eq!(bytes(size), expected);
        }
        for (part, whole, expected) in [
            (0, 0, "0 %"),
            (0, 7, "0 %"),
            (1, 9_999, "<0.1 %"),
            (1, 3, "33 %"),
            (1, 40, "2.5 %"),
            (7, 7, "100 %"),
        ] {
            assert_eq!(percent(part, whole), expected);
        }
    }

    #[test]
    fn numbers_and_lengths_of_time() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), expected);
        }
        for (millis, expected) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_250, "1.2 s"),
            (59_900, "59 s"),
            (300_000, "5 min"),
            (10_800_000, "3 h"),
            (259_200_000, "3 days"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), expected);
        }
        assert_eq!(
            (count(1, "event"), count(2_000, "event")),
            ("1 event".to_owned(), "2,000 events".to_owned())
        );
    }
}
