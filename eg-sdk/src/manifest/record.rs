//! Parses the records of a link section: JSON, one record per line, with padding in between. `assemble` combines
//! them.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Function, PanicStrategy, Sink};

/// The maximum length of a quoted invalid record in a message, in characters.
const QUOTED: usize = 80;

/// A record: one line of the section.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one per function, and gone once the manifest is assembled")]
pub(super) enum Record {
    Function(FunctionRecord),
    Service(ServiceRecord),
}

/// The record of one annotated function: the function without its id, and the events that it uses.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct FunctionRecord {
    pub(super) package: String,
    pub(super) version: String,
    #[serde(default)]
    pub(super) sinks: Vec<Sink>,
    #[serde(default)]
    pub(super) panic: Option<PanicStrategy>,
    #[serde(default)]
    pub(super) secrets: bool,
    #[serde(default)]
    pub(super) events: Vec<EventRecord>,
    #[serde(flatten)]
    pub(super) function: Function,
}

/// A function's view of an event.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct EventRecord {
    #[serde(rename = "type")]
    pub(super) ty: String,
    pub(super) direction: Direction,
    pub(super) schema: Value,
}

/// Whether an event is received or emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    Emitted,
    Received,
}

/// The record of `eg_runtime::service!`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ServiceRecord {
    pub(super) service: String,
    pub(super) version: String,
}

/// Returns the records of a section. Linkers pad between them with NUL bytes. An error contains the start of the
/// invalid record.
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
    // A record does not contain the name of its service, so `assemble` sets the id.
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
