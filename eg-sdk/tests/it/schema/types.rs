//! Types of the standard library, and generic ones.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use eg_sdk::{Event, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::enums::{Untagged, Words};
use super::{schema, validator};

#[derive(Debug, Serialize, Deserialize, Event)]
#[event("page")]
struct Page<'a, T> {
    items: Vec<T>,
    #[serde(borrow)]
    next: Option<Cow<'a, str>>,
}

#[test]
fn types_of_the_standard_library() {
    #[expect(clippy::needless_pass_by_value, reason = "each is made for its call")]
    fn shows<T: Schema>(expected: Value) {
        assert_eq!(schema::<T>(), expected, "{}", std::any::type_name::<T>());
        validator::<T>();
    }
    let string = json!({"type": "string"});
    let byte = json!({"type": "integer", "minimum": 0, "maximum": 255});
    shows::<BTreeMap<String, Vec<bool>>>(
        json!({"type": "object", "additionalProperties": {"type": "array", "items": {"type": "boolean"}}}),
    );
    shows::<HashMap<Words, ()>>(json!({
        "type": "object", "propertyNames": {"enum": ["NEW-ORDER", "gone", "lost"]}, "additionalProperties": {"type": "null"},
    }));
    shows::<BTreeMap<i32, f64>>(json!({
        "type": "object", "propertyNames": {"pattern": "^-?[0-9]+$"}, "additionalProperties": {"type": "number"},
    }));
    shows::<BTreeSet<&str>>(json!({"type": "array", "items": string, "uniqueItems": true}));
    shows::<[u8; 3]>(json!({"type": "array", "items": byte, "minItems": 3, "maxItems": 3}));
    shows::<(u8, &str)>(
        json!({"type": "array", "prefixItems": [byte, string], "items": false, "minItems": 2}),
    );
    shows::<Option<Option<Untagged>>>(json!({"anyOf": [
        {"type": "integer"}, {"type": "object", "properties": {"x": string}, "required": ["x"]}, {"type": "null"},
        {"type": "null"},
    ]}));
    shows::<Option<Value>>(json!({}));
    shows::<i64>(json!({"type": "integer"}));
    shows::<Page<'_, u8>>(json!({
        "type": "object", "required": ["items"],
        "properties": {"items": {"type": "array", "items": byte}, "next": {"type": ["string", "null"]}},
    }));
    let duration = serde_json::to_value(std::time::Duration::from_millis(1500)).unwrap();
    assert!(validator::<std::time::Duration>().is_valid(&duration), "{duration}");
}

#[test]
fn types_of_other_crates() {
    fn shows<T: Schema>(expected: &Value) {
        assert_eq!(&schema::<T>(), expected, "{}", std::any::type_name::<T>());
        validator::<T>();
    }
    let (string, number) = (json!({"type": "string"}), json!({"type": "integer"}));
    let numbers = |n: u8| json!({"type": "array", "items": number, "minItems": n, "maxItems": n});
    shows::<time::OffsetDateTime>(&json!({"anyOf": [string, numbers(9)]}));
    shows::<time::PrimitiveDateTime>(&json!({"anyOf": [string, numbers(6)]}));
    shows::<time::Date>(&json!({"anyOf": [string, numbers(2)]}));
    shows::<time::Time>(&json!({"anyOf": [string, numbers(4)]}));
    shows::<bytes::Bytes>(&schema::<Vec<u8>>());
    #[cfg(feature = "chrono")]
    {
        let date_time = json!({"type": "string", "format": "date-time"});
        shows::<chrono::DateTime<chrono::Utc>>(&date_time);
        shows::<chrono::DateTime<chrono::FixedOffset>>(&date_time);
        shows::<chrono::NaiveDate>(&json!({"type": "string", "format": "date"}));
        shows::<chrono::NaiveDateTime>(&string);
        shows::<chrono::NaiveTime>(&string);
    }
    #[cfg(feature = "rust_decimal")]
    shows::<rust_decimal::Decimal>(&json!({"anyOf": [string, {"type": "number"}]}));
    #[cfg(feature = "url")]
    shows::<url::Url>(&json!({"type": "string", "format": "uri"}));
}

#[test]
#[should_panic(expected = "the keys of a map have to be strings")]
fn maps_with_other_keys_have_no_json() {
    schema::<BTreeMap<Vec<u8>, u8>>();
}
