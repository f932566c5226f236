//! Tests types whose JSON is stated by an attribute, because it cannot be derived from the type.

use eg_sdk::{Event, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::check;

/// A type of another crate, which serde can write but which cannot derive `Schema`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Foreign(u8);

mod text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it like that")]
    pub(super) fn serialize<S: Serializer>(value: &u8, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&value.to_string())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Serialize, Deserialize, Schema)]
struct Said {
    #[schema(any)]
    foreign: Foreign,
    #[schema(as = u8)]
    #[serde(default)]
    known: Option<Foreign>,
    #[schema(any)]
    missing: Option<Foreign>,
    #[serde(with = "text")]
    #[schema(as = String)]
    text: u8,
    #[schema(format = "date-time")]
    at: String,
    #[schema(any)]
    again: Option<Box<Said>>,
}

#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(from = "u8", into = "u8")]
struct Converted(Foreign);

impl From<u8> for Converted {
    fn from(value: u8) -> Self {
        Self(Foreign(value))
    }
}

impl Clone for Converted {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl From<Converted> for u8 {
    fn from(value: Converted) -> Self {
        value.0.0
    }
}

#[test]
fn what_was_said_by_hand() {
    let byte = json!({"type": "integer", "minimum": 0, "maximum": 255});
    check(
        &json!({
            "type": "object", "required": ["foreign", "text", "at"],
            "properties": {"foreign": {}, "known": byte, "missing": {}, "text": {"type": "string"},
                "at": {"type": "string", "format": "date-time"}, "again": {}},
        }),
        &[Said {
            foreign: Foreign(1),
            known: Some(Foreign(2)),
            missing: None,
            text: 3,
            at: "2026-01-01T00:00:00Z".to_owned(),
            again: None,
        }],
        &[json!({"foreign": 1, "text": "1", "at": ""})],
        &[json!({"foreign": 1, "text": 1, "at": ""})],
    );
    check(&byte, &[Converted(Foreign(1))], &[], &[json!("1"), json!(256)]);

    #[derive(Serialize, Event)]
    #[event("foreign", schema = false)]
    struct WithoutSchema(Foreign);
    assert!(WithoutSchema::SCHEMA.is_none());
}
