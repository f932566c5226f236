//! Reads payloads from the command line: JSON text, `@FILE`, or `-` for standard input.

use std::io::Read as _;
use std::path::Path;

use eg_grammar::text_without_bom;
use eg_sdk::Data;
use serde_json::value::RawValue;

use crate::exit::{Exit, Failure};

/// JSON text exactly as the user wrote it.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) text: String,
    json: Box<RawValue>,
}

impl Payload {
    /// Reads the payload that an option names. The text is sent unchanged, without the byte order mark that some editors
    /// write before it.
    pub(super) fn read(given: &str) -> Result<Self, Failure> {
        let (text, origin) = match given.strip_prefix('@') {
            Some(file) => (read_file(Path::new(file))?, file),
            None if given == "-" => (read_stdin()?, "standard input"),
            None => (given.to_owned(), "--data"),
        };
        let text = text_without_bom(&text).to_owned();
        match serde_json::from_str::<Box<RawValue>>(&text) {
            Ok(json) => Ok(Self { text, json }),
            Err(error) => Err(not_json(&text, origin, &error)),
        }
    }

    /// Creates the text from a value.
    pub(super) fn of(value: &serde_json::Value) -> Result<Self, Failure> {
        Self::read(&value.to_string())
    }

    /// Returns the text as the payload of an event.
    pub(super) fn into_data(self) -> Data {
        Data::Json(self.json)
    }
}

fn not_json(text: &str, origin: &str, error: &serde_json::Error) -> Failure {
    let failure = Failure::new(Exit::Usage, format!("{origin} is not JSON: {error}"));
    match text.lines().nth(error.line().saturating_sub(1)) {
        // The most likely mistake is a file name without `@`.
        _ if origin == "--data" && Path::new(text).is_file() => {
            failure.hint(format!("for the content of the file write --data @{text}"))
        }
        Some(line) => failure.hint(pointer(line, error.column())),
        None => failure,
    }
}

/// Returns the line with a marker below the column. Long lines are cut around it.
fn pointer(line: &str, column: usize) -> String {
    const AROUND: usize = 30;
    // serde_json counts bytes; people and terminals count characters.
    let place = line.char_indices().take_while(|(byte, _)| byte + 1 < column).count();
    let from = place.saturating_sub(AROUND);
    let shown: String = line.chars().skip(from).take(2 * AROUND).collect();
    format!("here:\n    {shown}\n    {}^", " ".repeat(place - from))
}

fn read_file(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Usage };
        Failure::new(exit, format!("cannot read {}: {error}", path.display()))
    })
}

fn read_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(Exit::Usage, format!("cannot read standard input: {error}")))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_data() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("data.json");
        std::fs::write(&file, "\u{feff}{\"a\": 1}\n").unwrap();
        assert_eq!(Payload::read(&format!("@{}", file.display())).unwrap().text, "{\"a\": 1}\n");
        assert_eq!(Payload::read("\u{feff}[]").unwrap().text, "[]");
    }

    #[test]
    fn the_mark_stands_below_the_mistake() {
        let check = |line: &str, column: usize, expected: &str| assert_eq!(pointer(line, column), expected);
        check("{\"a\":x}", 6, "here:\n    {\"a\":x}\n         ^");
        check("{\"ä\":x}", 7, "here:\n    {\"ä\":x}\n         ^");
        check("", 0, "here:\n    \n    ^");
        let long = "x".repeat(100);
        check(&long, 51, &format!("here:\n    {}\n    {}^", "x".repeat(60), " ".repeat(30)));
    }
}
