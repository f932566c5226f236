//! Tests schemas: everything that serde writes is valid, and serde cannot read what a schema refuses.

mod enums;
mod flattened;
mod generated;
mod said;
mod types;

use std::fmt::Debug;

use eg_sdk::{Event, Schema};
use jsonschema::Validator;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn schema<T: Schema>() -> Value {
    serde_json::from_str(&T::SHAPE.to_string()).unwrap()
}

fn validator<T: Schema>() -> Validator {
    let schema = schema::<T>();
    assert!(jsonschema::meta::is_valid(&schema), "no valid schema: {schema}");
    jsonschema::draft202012::new(&schema).unwrap()
}

/// The schema of `T` is `expected`; it holds for what serde writes of `values` and for `readable`, which serde reads too.
/// What is `wrong` neither validates nor can be read.
#[track_caller]
fn check<T>(expected: &Value, values: &[T], readable: &[Value], wrong: &[Value])
where
    T: Schema + Serialize + DeserializeOwned + Debug,
{
    assert_eq!(schema::<T>(), *expected);
    let validator = validator::<T>();
    for value in values {
        let json = serde_json::to_value(value).unwrap();
        assert!(validator.is_valid(&json), "{json} is written, but does not validate");
    }
    for json in readable {
        assert!(validator.is_valid(json), "{json} does not validate");
        serde_json::from_value::<T>(json.clone()).unwrap();
    }
    for json in wrong {
        assert!(!validator.is_valid(json), "{json} validates");
        assert!(serde_json::from_value::<T>(json.clone()).is_err(), "{json} can be read");
    }
}

/// An address.
///
/// Where people live.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Address {
    street_name: String,
    #[serde(rename = "zip")]
    postal_code: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event("person.moved")]
#[serde(rename_all = "camelCase")]
struct PersonMoved {
    /// Who.
    person_id: u32,
    r#type: char,
    /// Where to.
    new_address: Address,
    old_address: Option<Box<Address>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(alias = "remark")]
    note: String,
    #[serde(skip)]
    #[expect(dead_code, reason = "what serde skips has no place in the schema")]
    seen: bool,
}

fn address() -> Address {
    Address { street_name: "Rue".to_owned(), postal_code: "1".to_owned() }
}

#[test]
fn structs() {
    let expected = json!({
        "type": "object",
        "properties": {
            "personId": {"description": "Who.", "type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32},
            "type": {"type": "string", "minLength": 1, "maxLength": 1},
            "newAddress": {
                "description": "Where to.", "type": "object", "additionalProperties": false,
                "properties": {"streetName": {"type": "string"}, "zip": {"type": "string"}},
                "required": ["streetName", "zip"],
            },
            "oldAddress": {
                "description": "An address.", "type": ["object", "null"], "additionalProperties": false,
                "properties": {"streetName": {"type": "string"}, "zip": {"type": "string"}},
                "required": ["streetName", "zip"],
            },
            "tags": {"type": "array", "items": {"type": "string"}},
            "note": {"type": "string"},
            "remark": {"type": "string"},
        },
        "required": ["personId", "type", "newAddress"],
    });
    let whole = PersonMoved {
        person_id: 7,
        r#type: 'ä',
        new_address: address(),
        old_address: Some(Box::new(address())),
        tags: vec!["a".to_owned()],
        note: "n".to_owned(),
        seen: true,
    };
    let sparse = PersonMoved { old_address: None, tags: Vec::new(), ..whole.clone() };
    let home = json!({"streetName": "Rue", "zip": "1"});
    let with = |change: &dyn Fn(&mut Value)| {
        let mut value = json!({"personId": 1, "type": "x", "newAddress": home, "remark": ""});
        change(&mut value);
        value
    };
    check(
        &expected,
        &[whole, sparse],
        &[with(&|_| {}), with(&|v| v["more"] = json!(1)), with(&|v| v["oldAddress"] = Value::Null)],
        &[
            with(&|v| v["personId"] = json!(-1)),
            with(&|v| v["personId"] = json!(1.5)),
            with(&|v| v["type"] = json!("xy")),
            with(&|v| v["newAddress"]["more"] = json!(1)),
            with(&|v| drop(v["newAddress"].as_object_mut().unwrap().remove("zip"))),
            with(&|v| v["tags"] = json!([1])),
            with(&|v| drop(v.as_object_mut().unwrap().remove("type"))),
            json!([]),
        ],
    );
    assert_eq!(PersonMoved::SCHEMA.map(ToString::to_string), Some(PersonMoved::SHAPE.to_string()));
}

#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
struct Unit;

#[derive(Debug, Serialize, Deserialize, Schema)]
struct Id(u64);

#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(transparent)]
struct Maybe {
    inner: Option<Id>,
}

#[derive(Debug, Serialize, Deserialize, Schema)]
struct Wrapped(Option<Id>);

#[derive(Debug, Serialize, Deserialize, Schema)]
struct Pair(i8, Maybe);

#[test]
fn structs_without_names() {
    check(&json!({"type": "null"}), &[Unit], &[], &[json!({}), json!([])]);
    let id = json!({"type": "integer", "minimum": 0});
    check(&id, &[Id(0), Id(u64::MAX)], &[], &[json!("1"), json!(-1), json!([1])]);
    let maybe = json!({"type": ["integer", "null"], "minimum": 0});
    check(&maybe, &[Maybe { inner: None }, Maybe { inner: Some(Id(1)) }], &[], &[json!("1")]);
    let pair = json!({
        "type": "array", "minItems": 2, "items": false,
        "prefixItems": [{"type": "integer", "minimum": -128, "maximum": 127}, maybe],
    });
    check(&pair, &[Pair(-1, Maybe { inner: None })], &[], &[json!([1]), json!([1, 1, 1]), json!([128, 1])]);

    /// serde reads a missing member as `None` through a transparent type, but not through a plain one.
    #[derive(Debug, Serialize, Deserialize, Schema)]
    struct Both {
        maybe: Maybe,
        wrapped: Wrapped,
    }
    let expected = json!({
        "description": "serde reads a missing member as `None` through a transparent type, but not through a plain one.",
        "type": "object", "properties": {"maybe": maybe, "wrapped": maybe}, "required": ["wrapped"],
    });
    let both = Both { maybe: Maybe { inner: None }, wrapped: Wrapped(None) };
    check(&expected, &[both], &[json!({"wrapped": null})], &[json!({"maybe": null})]);
}
