//! Reads the records of a link section: JSON, one record a line, with padding between them. `assemble` puts them together.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Function;

/// How much of a broken record a message quotes, in characters.
const QUOTED: usize = 80;

/// One line of the section.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one per function, and gone once the manifest is assembled")]
pub(super) enum Record {
    Function(FunctionRecord),
    Service(ServiceRecord),
}

/// What one annotated function says: the function, whose id follows from its service, and what it knows besides.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct FunctionRecord {
    pub(super) package: String,
    pub(super) version: String,
    #[serde(default)]
    pub(super) events: Vec<EventRecord>,
    #[serde(flatten)]
    pub(super) function: Function,
}

/// What a function knows of an event.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct EventRecord {
    #[serde(rename = "type")]
    pub(super) ty: String,
    pub(super) direction: Direction,
    pub(super) schema: Value,
}

/// Whether an event comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    Emitted,
    Received,
}

/// What `eg_runtime::service!` says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ServiceRecord {
    pub(super) service: String,
    pub(super) version: String,
}

/// The records of a section. Linkers pad between them with NUL bytes. An error comes with the start of
/// the record that it is about.
pub(super) fn records(section: &[u8]) -> Result<Vec<Record>, (String, serde_json::Error)> {
    section
        .split(|&byte| byte == b'\n' || byte == 0)
        .filter(|line| !line.trim_ascii().is_empty())
        .map(|line| record(line).map_err(|error| (quoted(line), error)))
        .collect()
}

fn record(line: &[u8]) -> Result<Record, serde_json::Error> {
    let mut members: Map<String, Value> = serde_json::from_slice(line)?;
    if members.contains_key("service") {
        return serde_json::from_value(members.into()).map(Record::Service);
    }
    // A record cannot know the name of its service: `assemble` makes the id.
    members.insert("id".to_owned(), Value::String(String::new()));
    serde_json::from_value(members.into()).map(Record::Function)
}

fn quoted(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let start: String = text.chars().take(QUOTED).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str =
        r#"{"package":"users","version":"1.0.0","name":"create","source":"a.rs:1","triggers":[]}"#;
    const SERVICE: &str = r#"{"service":"shop","version":"2.0.0"}"#;

    #[track_caller]
    fn check(section: &str, expected: usize) {
        assert_eq!(records(section.as_bytes()).unwrap().len(), expected);
    }

    #[test]
    fn padding_between_records_is_ignored() {
        check("", 0);
        check("\0\0\n\n \0", 0);
        check(&format!("{USERS}\n"), 1);
        check(USERS, 1);
        check(&format!("\0\0{USERS}\n\0\0\0{SERVICE}\n\n\0{USERS}\0"), 3);
    }

    #[test]
    fn a_broken_record_is_quoted() {
        let check = |section: &str, quoted: &str| {
            assert_eq!(records(section.as_bytes()).unwrap_err().0, quoted);
        };
        check("{\"package\":", "{\"package\":");
        check(&format!("{SERVICE}\nnonsense\n"), "nonsense");
        check(r#"{"package":"a"}"#, r#"{"package":"a"}"#);
        check(&"x".repeat(100), &format!("{}…", "x".repeat(80)));
    }
}
