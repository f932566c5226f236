//! Makes log lines safe to show: text from outside cannot write control sequences to a terminal. `cli` sets up the
//! lines.

use std::io;

use eg_grammar::{printable, printable_json};
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::debug_fn;

/// Returns a formatter for the fields of log lines in text. It escapes control characters. [`JsonLines`] does so for
/// lines in JSON.
#[must_use]
pub fn log_fields() -> impl for<'w> FormatFields<'w> + 'static {
    debug_fn(|writer, field, value| {
        let value = format!("{value:?}");
        let value = printable(&value);
        match field.name() {
            "message" => write!(writer, "{value}"),
            name => write!(writer, "{name}={value}"),
        }
    })
    .delimited(" ")
}

/// Writes log lines in JSON, and escapes the control characters that JSON allows in strings, such as U+009B.
#[derive(Debug)]
pub struct JsonLines<W>(
    /// Where the lines go.
    pub W,
);

impl<W: io::Write> io::Write for JsonLines<W> {
    /// Takes a whole line at a time, as `tracing_subscriber` writes them.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) => self.0.write_all(printable_json(text).as_bytes())?,
            Err(_) => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(log_fields())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .with_writer(move || writer.clone())
            .finish();
        let evil = "a\u{1b}[2J\r\n\u{9b}1m\u{202e}";
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(name = evil, shown = %evil, n = 1, "it says {evil}");
        });
        let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let text = r"a\u{1b}[2J\r\n\u{9b}1m\u{202e}";
        assert_eq!(written, format!(" WARN it says {text} name=\"{text}\" shown={text} n=1\n"));
    }

    #[test]
    fn no_control_character_is_left_in_json() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .without_time()
            .with_target(false)
            .with_writer(move || JsonLines(writer.clone()))
            .finish();
        let evil = "a\u{1b}[2J\r\n\u{9b}1m\u{202e}";
        tracing::subscriber::with_default(subscriber, || tracing::warn!(name = evil, "it says {evil}"));
        let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let text = r"a\u001b[2J\r\n\u009b1m\u202e";
        let expected = format!("{{\"level\":\"WARN\",\"message\":\"it says {text}\",\"name\":\"{text}\"}}\n");
        assert_eq!(written, expected);
    }
}
