//! Prints the runtime's own lines to stderr, in the format and from the level on that Lambda's settings name. Leaves
//! what the lines say to the callers. Source: AWS's description of Lambda's advanced logging controls.

use std::env;
use std::io::{self, Write as _};
use std::sync::OnceLock;

use eg_grammar::{printable, printable_json};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `JSON` or `Text`.
const FORMAT: &str = "AWS_LAMBDA_LOG_FORMAT";

/// The lowest level to print: `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` or `FATAL`.
pub(crate) const LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Level {
    Info,
    Warn,
    Error,
    Fatal,
}

/// A line to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) level: Level,
    pub(crate) message: &'a str,
    /// The function, queue or route that the line is about.
    pub(crate) subject: Option<&'a str>,
    /// The `errorType` of a failure.
    pub(crate) error_type: Option<&'static str>,
    pub(crate) request_id: Option<&'a str>,
}

/// Prints a line that is about the process as a whole.
pub(crate) fn print(level: Level, message: &str) {
    Line { level, message, subject: None, error_type: None, request_id: None }.print();
}

/// Returns whether lines have to be JSON.
pub(crate) fn is_json() -> bool {
    settings().json
}

fn settings() -> Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    *SETTINGS.get_or_init(|| {
        let get = |name| env::var(name).unwrap_or_default();
        Settings::of(&get(FORMAT), &get(LEVEL))
    })
}

impl Line<'_> {
    pub(crate) fn print(self) {
        if let Some(mut text) = settings().render(self, OffsetDateTime::now_utc()) {
            text.push('\n');
            // Unlike `eprintln!`, this does not panic if nobody reads the log any more.
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Settings {
    json: bool,
    /// The lowest level to print.
    from: Level,
}

/// A line in Lambda's JSON format. Its names are those that AWS's own runtimes use.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    timestamp: String,
    level: Level,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Settings {
    /// Reads the values of both variables. An empty or unknown value is the default: plain text, all lines.
    fn of(format: &str, level: &str) -> Self {
        let from = match level.to_ascii_uppercase().as_str() {
            "WARN" => Level::Warn,
            "ERROR" => Level::Error,
            "FATAL" => Level::Fatal,
            _ => Level::Info,
        };
        Self { json: format.eq_ignore_ascii_case("json"), from }
    }

    /// Returns the text of `line`, without a line break; `None` if its level is not printed.
    fn render(self, line: Line<'_>, now: OffsetDateTime) -> Option<String> {
        if line.level < self.from {
            return None;
        }
        let request_id = line.request_id.filter(|id| !id.is_empty());
        let Line { level, message, subject: function, error_type, .. } = line;
        if self.json {
            let timestamp = in_millis(now);
            let line = Json { timestamp, level, message, function, error_type, request_id };
            return serde_json::to_string(&line).ok().map(|line| printable_json(&line).into_owned());
        }
        let mut text = String::with_capacity(message.len() + 32);
        text.extend(error_type.map(str::to_lowercase));
        if let Some(function) = function {
            text.push_str(if text.is_empty() { "`" } else { " `" });
            text.push_str(function);
            text.push('`');
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(message);
        Some(printable(&text).into_owned())
    }
}

/// Formats a time as Lambda does, in whole milliseconds.
pub(crate) fn in_millis(time: OffsetDateTime) -> String {
    let millis = time.replace_nanosecond(time.nanosecond() / 1_000_000 * 1_000_000).unwrap_or(time);
    millis.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(level: Level) -> Line<'static> {
        let message = "no \u{1b}[31mmail\nserver\u{9b}2J";
        let (subject, error_type) = (Some("greet"), Some("Retry"));
        Line { level, message, subject, error_type, request_id: Some("r1") }
    }

    #[test]
    fn lines_in_both_formats() {
        let now = OffsetDateTime::from_unix_timestamp_nanos(1_767_323_045_678_901_234).unwrap();
        let render = |format: &str, line| Settings::of(format, "").render(line, now).unwrap();
        let plain = Line { subject: None, error_type: None, request_id: Some(""), ..failure(Level::Info) };
        for (format, line, expected) in [
            ("", failure(Level::Error), r"retry `greet`: no \u{1b}[31mmail\nserver\u{9b}2J"),
            ("Text", plain, r"no \u{1b}[31mmail\nserver\u{9b}2J"),
            (
                "Text",
                Line { error_type: None, ..failure(Level::Error) },
                r"`greet`: no \u{1b}[31mmail\nserver\u{9b}2J",
            ),
            (
                "Text",
                Line { subject: None, ..failure(Level::Error) },
                r"retry: no \u{1b}[31mmail\nserver\u{9b}2J",
            ),
            (
                "JSON",
                failure(Level::Error),
                r#"{"timestamp":"2026-01-02T03:04:05.678Z","level":"ERROR","message":"no \u001b[31mmail\nserver\u009b2J","function":"greet","errorType":"Retry","requestId":"r1"}"#,
            ),
            (
                "json",
                plain,
                r#"{"timestamp":"2026-01-02T03:04:05.678Z","level":"INFO","message":"no \u001b[31mmail\nserver\u009b2J"}"#,
            ),
        ] {
            assert_eq!(render(format, line), expected, "{format}");
        }
    }

    #[test]
    fn levels_that_are_printed() {
        let levels = [Level::Info, Level::Warn, Level::Error, Level::Fatal];
        for (setting, expected) in [
            ("", 4),
            ("TRACE", 4),
            ("DEBUG", 4),
            ("INFO", 4),
            ("unknown", 4),
            ("WARN", 3),
            ("warn", 3),
            ("ERROR", 2),
            ("FATAL", 1),
        ] {
            let settings = Settings::of("", setting);
            let now = OffsetDateTime::UNIX_EPOCH;
            let printed = levels.iter().filter(|level| settings.render(failure(**level), now).is_some());
            assert_eq!(printed.count(), expected, "{setting}");
        }
    }
}
