//! Formats the lines that functions print: each with the function's id in front, aligned and in a colour of its own.
//! Printing is left to `terminal` and the commands.

use anstyle::{AnsiColor, Style};

use super::text::readable;

/// The colours of the functions, in this order. Errors are red, so no function is.
const COLOURS: [AnsiColor; 10] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
    AnsiColor::BrightYellow,
    AnsiColor::BrightGreen,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightBlue,
];

/// The functions whose lines are shown together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Functions {
    /// Sorted.
    ids: Vec<String>,
    widest: usize,
}

impl Functions {
    pub(crate) fn new(mut ids: Vec<String>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        let widest = ids.iter().map(String::len).max().unwrap_or(0);
        Self { ids, widest }
    }

    /// Formats a line that a function printed.
    pub(crate) fn line(&self, function: &str, line: &[u8]) -> String {
        let style = match self.ids.binary_search_by(|id| id.as_str().cmp(function)) {
            Ok(at) => COLOURS[at % COLOURS.len()].on_default(),
            // A function that was removed prints its last lines.
            Err(_) => Style::new(),
        };
        let widest = self.widest;
        format!("{style}{function:widest$} |{style:#} {}", readable(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_has_its_colour_and_the_bars_are_aligned() {
        let ids = ["users-create", "mail-send", "users-create"].map(str::to_owned);
        let functions = Functions::new(ids.into());
        for (function, line, expected) in [
            ("mail-send", &b"To: donald"[..], "\u{1b}[36mmail-send    |\u{1b}[0m To: donald"),
            ("users-create", b"", "\u{1b}[33musers-create |\u{1b}[0m "),
            ("users-gone", b"bye", "users-gone   | bye"),
            ("mail-send", b"50 %\r\x1b[2K99 %", "\u{1b}[36mmail-send    |\u{1b}[0m 50 %\\r\\u{1b}[2K99 %"),
        ] {
            assert_eq!(functions.line(function, line), expected);
        }
    }

    #[test]
    fn more_functions_than_colours_share_them() {
        let functions = Functions::new((0..25).map(|n| format!("f-{n:02}")).collect());
        let colour = |id: &str| functions.line(id, b"").split('f').next().map(str::to_owned);
        assert_eq!(colour("f-03"), colour("f-13"));
        assert_ne!(colour("f-03"), colour("f-04"));
    }
}
