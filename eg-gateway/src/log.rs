//! Formats the fields of log lines for people. What comes from outside cannot write control sequences to a terminal;
//! `cli` sets up the lines.

use eg_grammar::printable;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::debug_fn;

/// Returns a formatter for the fields of log lines in text. It escapes control characters. In JSON, JSON's own escapes
/// do that.
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

#[cfg(test)]
mod tests {
    use std::io;
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
}
