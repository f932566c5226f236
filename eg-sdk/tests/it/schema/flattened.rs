//! Members of members.

use std::collections::{BTreeMap, HashMap};

use eg_sdk::Schema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{check, schema};

#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(tag = "v", rename = "moved")]
struct Moved {
    #[serde(flatten)]
    address: Address2,
    #[serde(flatten)]
    state: Option<State>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

#[derive(Debug, Serialize, Deserialize, Schema)]
struct Address2 {
    street: String,
    number: Option<u8>,
}

#[derive(Debug, Serialize, Deserialize, Schema)]
struct State {
    code: u8,
}

#[derive(Debug, Serialize, Deserialize, Schema)]
struct WithChoice {
    id: u8,
    #[serde(flatten)]
    choice: Choice,
}

#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(tag = "how")]
enum Choice {
    Air { height: u32 },
    Sea,
}

#[derive(Debug, Serialize, Deserialize, Schema)]
struct Counted {
    name: String,
    #[serde(flatten)]
    counts: HashMap<String, u8>,
}

#[test]
fn flattened_members() {
    let byte = json!({"type": "integer", "minimum": 0, "maximum": 255});
    check(
        &json!({
            "type": "object", "required": ["v", "street"], "additionalProperties": {},
            "properties": {"v": {"const": "moved"}, "street": {"type": "string"},
                "number": {"type": ["integer", "null"], "minimum": 0, "maximum": 255}, "code": byte},
        }),
        &[
            Moved {
                address: Address2 { street: "s".to_owned(), number: None },
                state: None,
                more: BTreeMap::new(),
            },
            Moved {
                address: Address2 { street: "s".to_owned(), number: Some(1) },
                state: Some(State { code: 1 }),
                more: [("x".to_owned(), json!([1]))].into(),
            },
        ],
        &[json!({"v": "moved", "street": "s"})],
        &[json!({"v": "moved"}), json!({"v": "moved", "street": 1})],
    );
    check(
        &json!({
            "type": "object", "required": ["id"], "properties": {"id": byte},
            "allOf": [{"anyOf": [
                {"type": "object", "required": ["how", "height"], "properties": {
                    "how": {"const": "Air"}, "height": {"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32}}},
                {"type": "object", "required": ["how"], "properties": {"how": {"const": "Sea"}}},
            ]}],
        }),
        &[WithChoice { id: 1, choice: Choice::Air { height: 9 } }, WithChoice { id: 1, choice: Choice::Sea }],
        &[],
        &[json!({"id": 1}), json!({"id": 1, "how": "Air"}), json!({"id": 1, "how": "Land"})],
    );
    check(
        &json!({
            "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}, "additionalProperties": byte,
        }),
        &[Counted { name: "n".to_owned(), counts: [("a".to_owned(), 1)].into() }],
        &[],
        &[json!({"name": "n", "a": 256})],
    );
}

#[test]
#[should_panic(expected = "has to be a struct, a map, or an enum of these")]
fn what_is_no_object_cannot_be_flattened() {
    #[derive(Serialize, Schema)]
    struct Flat {
        #[serde(flatten)]
        id: u8,
    }
    schema::<Flat>();
}

/// An optional enum used to be left out with its marks.
#[test]
fn flattened_enums_keep_their_marks() {
    #[derive(Serialize, Deserialize, Schema)]
    #[serde(tag = "how")]
    enum Payment {
        Cash,
        Card {
            #[schema(sensitive)]
            number: String,
        },
    }
    #[derive(Serialize, Schema)]
    struct Inner {
        #[serde(flatten)]
        payment: Payment,
    }
    #[derive(Serialize, Schema)]
    struct Outer<T> {
        #[serde(flatten)]
        inner: T,
    }
    for found in [
        schema::<Outer<Payment>>(),
        schema::<Outer<Inner>>(),
        schema::<Outer<Option<Payment>>>(),
        schema::<Outer<Option<Inner>>>(),
    ] {
        assert!(found.to_string().contains(r#""number":{"type":"string","writeOnly":true}"#), "{found}");
    }
}

/// A key that must not be shown hides its map.
#[test]
fn maps_with_sensitive_parts() {
    #[derive(Serialize, Schema, PartialEq, Eq, PartialOrd, Ord)]
    #[schema(sensitive)]
    struct Secret(String);
    for (found, expected) in [
        (
            schema::<BTreeMap<Secret, u8>>(),
            json!({"writeOnly": true, "type": "object", "additionalProperties": schema::<u8>()}),
        ),
        (
            schema::<BTreeMap<String, Secret>>(),
            json!({"type": "object", "additionalProperties": {"writeOnly": true, "type": "string"}}),
        ),
    ] {
        assert_eq!(found, expected);
    }
}

#[derive(Serialize, Schema)]
#[schema(sensitive)]
struct Hidden(String);

#[test]
#[should_panic(expected = "beside another map or an enum: give it a name")]
fn sensitive_values_need_to_be_told_from_others() {
    #[derive(Serialize, Schema)]
    struct Flat {
        #[serde(flatten)]
        choice: Choice,
        #[serde(flatten)]
        values: BTreeMap<String, Hidden>,
    }
    schema::<Flat>();
}
