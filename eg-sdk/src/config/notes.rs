//! What an application says about its functions and event types in their metadata, so that a gateway can show it. `cargo eg`
//! writes the notes, and pages read them; the gateway only keeps them.

use super::{EventType, Function, Metadata};

const SERVICE: &str = "service";
const SOURCE: &str = "source";
const DOC: &str = "doc";
const EMITS: &str = "emits";
const SCHEDULES: &str = "schedules";
const QUEUES: &str = "queues";
const STREAMS: &str = "streams";
const SCHEMA: &str = "schema";

/// The notes about a function. What is unknown is absent or empty.
///
/// ```
/// use eg_sdk::config::{Function, FunctionNotes, Provider};
///
/// let mut notes = FunctionNotes::default();
/// notes.emits = vec!["user.created".to_owned()];
/// let mut function = Function::new("users-create_user", Provider::Http { url: "http://localhost:3000/".into() });
/// notes.write(&mut function.metadata);
/// assert_eq!(function.metadata["emits"], r#"["user.created"]"#);
/// assert_eq!(FunctionNotes::of(&function), notes);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct FunctionNotes {
    /// The service that it belongs to.
    pub service: Option<String>,
    /// `file:line` of its definition.
    pub source: Option<String>,
    /// The first paragraph of its documentation.
    pub doc: Option<String>,
    /// The event types that it may emit.
    pub emits: Vec<String>,
    /// The schedules on which it is called.
    pub schedules: Vec<String>,
    /// The queues whose messages it gets.
    pub queues: Vec<String>,
    /// The streams whose records it gets.
    pub streams: Vec<String>,
}

impl FunctionNotes {
    /// Reads the notes about a function. Labels in another form count as absent.
    #[must_use]
    pub fn of(function: &Function) -> Self {
        let text = |label| function.metadata.get(label).filter(|text| !text.is_empty()).cloned();
        let list = |label| {
            let text = function.metadata.get(label).map(String::as_str).unwrap_or_default();
            serde_json::from_str::<Vec<String>>(text).unwrap_or_default()
        };
        Self {
            service: text(SERVICE),
            source: text(SOURCE),
            doc: text(DOC),
            emits: list(EMITS),
            schedules: list(SCHEDULES),
            queues: list(QUEUES),
            streams: list(STREAMS),
        }
    }

    /// Adds the notes to the metadata of a function. What is absent or empty gets no label.
    pub fn write(&self, metadata: &mut Metadata) {
        for (label, text) in [(SERVICE, &self.service), (SOURCE, &self.source), (DOC, &self.doc)] {
            if let Some(text) = text {
                metadata.insert(label.to_owned(), text.clone());
            }
        }
        let lists = [
            (EMITS, &self.emits),
            (SCHEDULES, &self.schedules),
            (QUEUES, &self.queues),
            (STREAMS, &self.streams),
        ];
        for (label, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            metadata.insert(label.to_owned(), serde_json::Value::from(list.clone()).to_string());
        }
    }
}

impl EventType {
    /// Returns the JSON Schema of the payload, as text, if an application has noted it.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        self.metadata.get(SCHEMA).map(String::as_str)
    }

    /// Notes the JSON Schema of the payload.
    pub fn set_schema(&mut self, schema: &serde_json::Value) {
        self.metadata.insert(SCHEMA.to_owned(), schema.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Provider;
    use super::*;

    #[test]
    fn labels_in_another_form_count_as_absent() {
        let mut function = Function::new("f", Provider::Http { url: "http://localhost/".to_owned() });
        for text in ["", "user.created", "{}", "[1]", "["] {
            function.metadata.insert(EMITS.to_owned(), text.to_owned());
            function.metadata.insert(SOURCE.to_owned(), String::new());
            assert_eq!(FunctionNotes::of(&function), FunctionNotes::default(), "{text}");
        }
    }

    #[test]
    fn every_note_is_read_as_it_was_written() {
        let list = |text: &str| vec![text.to_owned(), "a \"b\"\n".to_owned()];
        let notes = FunctionNotes {
            service: Some("users".to_owned()),
            source: Some("src/main.rs:12".to_owned()),
            doc: Some("Registers a user.".to_owned()),
            emits: list("user.created"),
            schedules: list("rate(5 minutes)"),
            queues: list("mails"),
            streams: list("users"),
        };
        let mut function = Function::new("f", Provider::Http { url: "http://localhost/".to_owned() });
        notes.write(&mut function.metadata);
        assert_eq!(FunctionNotes::of(&function), notes);
        let mut ty = EventType::new("user.created");
        assert_eq!(ty.schema(), None);
        ty.set_schema(&serde_json::json!({"type": "object"}));
        assert_eq!(ty.schema(), Some(r#"{"type":"object"}"#));
    }
}
