//! Formats text for people: colours, columns, times, ids. Printing is left to the caller.

use anstyle::{AnsiColor, Style};
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

/// Formats a time in UTC: `2026-01-31 12:00:00.123`.
pub(crate) fn clock(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second, milli) = time.to_hms_milli();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{milli:03}")
}

/// Returns the end of an id. The beginnings of ids that were created in the same minute are alike.
pub(crate) fn short(id: &str) -> &str {
    const SHOWN: usize = 8;
    let begin = id.char_indices().rev().nth(SHOWN - 1).map_or(0, |(begin, _)| begin);
    &id[begin..]
}

/// Joins the lines of a text into one.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
    fn counts_have_their_plural() {
        assert_eq!(count(1, "event"), "1 event");
        assert_eq!(count(0, "event"), "0 events");
        assert_eq!(count(2, "delivery"), "2 deliveries");
    }
}
