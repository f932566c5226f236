//! Compares with `serde_json`, and shows what it cannot read.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

#[test]
fn values_that_serde_json_cannot_hold() {
    for (text, expected) in [
        (r#""cut \ud83d""#, json!("cut \u{fffd}\u{fffd}\u{fffd}")),
        (r#"{"\udc00":1,"b":2}"#, json!({ "\u{fffd}\u{fffd}\u{fffd}": 1, "b": 2 })),
        ("[1e400,-1e400, 1]", json!(["1e400", "-1e400", 1])),
        ("12345678901234567890123", json!("12345678901234567890123")),
        ("[-0, 0, -0.0, -1]", json!([-0.0, 0, -0.0, -1])),
        (r#"{"a":1,"a":[]}"#, json!({ "a": [] })),
        (" { } ", json!({})),
        ("[ [ ] , { \"a\" : { } } ]", json!([[], { "a": {} }])),
        (r#"["a\\","\"","\u00fc\ud83d\ude00"]"#, json!(["a\\", "\"", "ü😀"])),
    ] {
        let raw = raw(text);
        assert_eq!(Json::read(&raw).unwrap().to_value(), expected, "{text}");
    }
    let raw = raw(r#"{"a":1,"a":2}"#);
    assert_eq!(Json::read(&raw).unwrap().member("a"), Some(&Json::Number("2".into())));
}

#[test]
fn nesting_is_bounded() {
    for (levels, expected) in [(MAX_DEPTH, true), (MAX_DEPTH + 1, false), (100_000, false)] {
        let raw = raw(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
        assert_eq!(Json::read(&raw).is_some(), expected, "{levels}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // `serde_json` reads other fractions with an error of one bit.
        any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn everything_else_is_as_serde_json_reads_it(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let raw = raw(&text.unwrap());
        prop_assert_eq!(Json::read(&raw).unwrap().to_value(), value.clone());
        prop_assert_eq!(Json::from(&value).to_value(), value);
    }
}
