//! Formats text for people: colours, columns, times, ids. Printing is left to the caller.
//!
//! Text from outside (names, types, messages, output of functions) may contain control characters. It goes through
//! [`printable`], [`one_line`] or [`readable`] before it is shown.

use anstyle::{AnsiColor, Style};
pub(crate) use eg_grammar::printable;
use eg_grammar::printable_lines;
use time::{OffsetDateTime, UtcOffset};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const RED: Style = AnsiColor::Red.on_default();
pub(crate) const BLUE: Style = AnsiColor::Blue.on_default();

/// Returns text in a style.
pub(crate) fn styled(style: Style, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{style}{text}{style:#}") }
}

/// Formats rows in aligned columns, one line each. Cells may be styled.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |cell: &str| anstream::adapter::strip_str(cell).to_string().chars().count();
    let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(widest).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, &widest) in row.iter().zip(&widths) {
            // An empty column takes no space.
            if widest > 0 {
                line += cell;
                line += &" ".repeat(widest - width(cell) + 2);
            }
        }
        text += line.trim_end();
        text += "\n";
    }
    text
}

/// Formats a number with its noun: `2 events`, `1 event`.
pub(crate) fn count(number: usize, what: &str) -> String {
    let plural = match (number, what.strip_suffix('y')) {
        (1, _) => what.to_owned(),
        (_, Some(stem)) => format!("{stem}ies"),
        _ => format!("{what}s"),
    };
    format!("{number} {plural}")
}

/// Converts milliseconds since 1970. A number out of range is 1970.
pub(crate) fn time_of(millis: i64) -> OffsetDateTime {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000);
    time.unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Formats a time in UTC: `2026-01-31 12:00:00.123`.
pub(crate) fn clock(time: OffsetDateTime) -> String {
    let (year, month, day) = time.to_offset(UtcOffset::UTC).to_calendar_date();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02} {}", time_of_day(time))
}

/// Formats the time of day in UTC: `12:00:00.123`.
pub(crate) fn time_of_day(time: OffsetDateTime) -> String {
    let (hour, minute, second, milli) = time.to_offset(UtcOffset::UTC).to_hms_milli();
    format!("{hour:02}:{minute:02}:{second:02}.{milli:03}")
}

/// Returns the end of an id. The beginnings of ids that were created in the same minute are alike.
pub(crate) fn short(id: &str) -> &str {
    const SHOWN: usize = 8;
    let begin = id.char_indices().rev().nth(SHOWN - 1).map_or(0, |(begin, _)| begin);
    &id[begin..]
}

/// Joins the lines of a text into one, without control characters.
pub(crate) fn one_line(text: &str) -> String {
    printable(&text.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned()
}

/// Returns output of a program as text: its colours are removed, other control characters become escapes. Tabs and
/// line ends stay.
pub(crate) fn readable(output: &[u8]) -> String {
    harmless(&String::from_utf8_lossy(output), |_| "")
}

/// Returns text that this program has coloured as it is shown on a terminal: control characters that do not set colours
/// become escapes, except tabs and line ends.
pub(crate) fn coloured(text: &str) -> String {
    harmless(text, |colour| colour)
}

/// Replaces the escape sequences that set colours (`ESC [ 1;31 m`) by what `colour` returns, and escapes other control
/// characters.
fn harmless(text: &str, colour: impl Fn(&str) -> &str) -> String {
    const BEGIN: &str = "\u{1b}[";
    let (mut safe, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(BEGIN) {
        let (before, sequence) = rest.split_at(at);
        safe += &printable_lines(before);
        let numbers = &sequence[BEGIN.len()..];
        let after = numbers.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ';' | ':'));
        rest = match after.strip_prefix('m') {
            Some(rest) => {
                safe += colour(&sequence[..sequence.len() - rest.len()]);
                rest
            }
            None => {
                safe += &printable_lines(BEGIN);
                numbers
            }
        };
    }
    safe += &printable_lines(rest);
    safe
}

#[cfg(test)]
mod tests {
    use time::format_description::well_known::Rfc3339;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let styled_cell = styled(BOLD, "b");
        let text = columns(&[row(["a", "", "é"]), row(["ccc", "", &styled_cell])]);
        assert_eq!(anstream::adapter::strip_str(&text).to_string(), "a    é\nccc  b\n");
    }

    #[test]
    fn times_have_milliseconds() {
        for (time, expected) in [
            ("2026-01-31T12:00:00Z", "2026-01-31 12:00:00.000"),
            ("2026-01-31T12:00:00.5Z", "2026-01-31 12:00:00.500"),
            ("2026-01-31T01:02:03.123456+01:00", "2026-01-31 00:02:03.123"),
        ] {
            assert_eq!(clock(OffsetDateTime::parse(time, &Rfc3339).unwrap()), expected);
        }
    }

    #[test]
    fn output_of_programs_is_readable_and_harmless() {
        for (output, expected) in [
            (&b"a\tb\n"[..], "a\tb\n"),
            (b"\x1b[1;31mERROR\x1b[0m no mail", "ERROR no mail"),
            (b"\x1b[38:5:9mred\x1b[m", "red"),
            (b"\x1b[2J\x1b[31", "\\u{1b}[2J\\u{1b}[31"),
            (b"50 %\r99 %", "50 %\\r99 %"),
            (b"\xff\xc3\xa4", "\u{fffd}\u{e4}"),
            ("\u{9b}2J".as_bytes(), "\\u{9b}2J"),
        ] {
            assert_eq!(readable(output), expected);
        }
        let shown = coloured("\u{1b}[31mred\u{1b}[0m\tand\u{1b}[2J\r\u{9b}2J\n");
        assert_eq!(shown, "\u{1b}[31mred\u{1b}[0m\tand\\u{1b}[2J\\r\\u{9b}2J\n");
    }

    #[test]
    fn counts_have_their_plural() {
        assert_eq!(count(1, "event"), "1 event");
        assert_eq!(count(0, "event"), "0 events");
        assert_eq!(count(2, "delivery"), "2 deliveries");
    }
}
