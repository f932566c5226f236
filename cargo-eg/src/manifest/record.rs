//! The records of a link section: JSON, one a line, with padding between them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Trigger;

/// How much of a broken record a message quotes, in characters.
const QUOTED: usize = 80;

/// One line of the section.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one per function, and gone once the manifest is assembled")]
pub(super) enum Record {
    Function(FunctionRecord),
    Service(ServiceRecord),
}

/// What one annotated function says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct FunctionRecord {
    pub(super) package: String,
    pub(super) version: String,
    pub(super) name: String,
    pub(super) doc: Option<String>,
    pub(super) source: String,
    pub(super) triggers: Vec<Trigger>,
    #[serde(default)]
    pub(super) emits: Vec<String>,
    #[serde(default)]
    pub(super) sources: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) events: Vec<EventRecord>,
    pub(super) timeout: Option<u32>,
    pub(super) memory: Option<u32>,
    #[serde(flatten)]
    pub(super) further: serde_json::Map<String, serde_json::Value>,
}

/// What a function knows of an event.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct EventRecord {
    #[serde(rename = "type")]
    pub(super) ty: String,
    pub(super) direction: Direction,
    pub(super) schema: serde_json::Value,
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
    #[derive(Deserialize)]
    struct Kind {
        service: Option<serde::de::IgnoredAny>,
    }
    let kind: Kind = serde_json::from_slice(line)?;
    Ok(match kind.service {
        Some(_) => Record::Service(serde_json::from_slice(line)?),
        None => Record::Function(serde_json::from_slice(line)?),
    })
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
