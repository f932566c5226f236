//! Pairs of schemas and their expected differences.

use serde_json::{Value, json};

use super::*;

#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "cases are easier to read without `&`")]
fn check(producer: Value, consumer: Value, expected: &[&str]) {
    let found: Vec<String> = compare(&producer, &consumer)
        .into_iter()
        .map(|fact| format!("{} {}", fact.path, fact.problem))
        .collect();
    assert_eq!(found, expected, "{producer} → {consumer}");
}

#[allow(clippy::needless_pass_by_value, reason = "cases are easier to read without `&`")]
fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

#[test]
fn what_is_the_same_fits() {
    for schema in [
        json!({"type": "string"}),
        json!({"type": ["string", "null"]}),
        json!({"type": "integer", "minimum": 0, "maximum": 255}),
        json!({"enum": ["a", "b"]}),
        json!({"type": "array", "items": {"type": "string"}, "maxItems": 3}),
        json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2, "maxItems": 2}),
        json!({"type": "object", "additionalProperties": {"type": "integer"}}),
        object(json!({"a": {"type": "string"}, "b": {"type": ["integer", "null"]}}), &["a"]),
        json!({"oneOf": [{"const": "none"}, object(json!({"some": {"type": "integer"}}), &["some"])]}),
        json!(true),
        json!({}),
    ] {
        check(schema.clone(), schema, &[]);
    }
}

#[test]
fn members_are_missing_optional_or_refused() {
    let text = json!({"type": "string"});
    let both = object(json!({"id": text, "email": text}), &["id", "email"]);
    let one = object(json!({"id": text}), &["id"]);
    check(both.clone(), one.clone(), &[]);
    check(one.clone(), both.clone(), &["data.email is never written, and is required"]);
    check(
        object(json!({"id": text, "email": {"type": ["string", "null"]}}), &["id"]),
        both.clone(),
        &["data.email may be left out, and is required"],
    );
    check(one, object(json!({"id": text, "email": text}), &["id"]), &[]);
    let strict = json!({"type": "object", "properties": {"id": text}, "required": ["id"], "additionalProperties": false});
    check(both, strict, &["data.email is written, and refused"]);
}

#[test]
fn types_conflict_at_their_path() {
    let nested = |inner: Value| {
        let address = object(json!({"city": inner}), &["city"]);
        object(
            json!({"user": object(json!({"addresses": {"type": "array", "items": address}}), &["addresses"])}),
            &["user"],
        )
    };
    check(
        nested(json!({"type": "integer"})),
        nested(json!({"type": "string"})),
        &["data.user.addresses[].city is integer, and is read as string"],
    );
    check(json!({"type": "integer"}), json!({"type": "number"}), &[]);
    check(json!({"type": "number"}), json!({"type": "integer"}), &["data is number, and is read as integer"]);
    check(
        json!({"type": ["string", "null"]}),
        json!({"type": "string"}),
        &["data is null, and is read as string"],
    );
    check(json!({"type": "string"}), json!({"type": ["string", "null"]}), &[]);
    check(
        json!({"type": "boolean"}),
        json!({"type": ["string", "null"]}),
        &["data may be boolean, and is read as null or string"],
    );
    check(json!({}), json!({"type": "string"}), &["data is anything, and is read as string"]);
    check(
        json!({"type": "object", "additionalProperties": {"type": "string"}}),
        json!({"type": "object", "additionalProperties": {"type": "integer"}}),
        &["data[*] is string, and is read as integer"],
    );
}

#[test]
fn enums_have_variants_that_the_other_side_does_not_know() {
    check(json!({"enum": ["a", "b"]}), json!({"enum": ["a", "b", "c"]}), &[]);
    check(
        json!({"enum": ["a", "b", "c"]}),
        json!({"enum": ["a"]}),
        &[r#"data may be "b" or "c", and is read as "a""#],
    );
    check(
        json!({"type": "string"}),
        json!({"type": "string", "enum": ["a"]}),
        &[r#"data may be any string, and is read as "a""#],
    );
    check(json!({"const": 1}), json!({"type": "string"}), &["data may be 1, and is read as string"]);

    let tagged = |name: &str, field: &str| {
        object(json!({"type": {"const": name}, field: {"type": "number"}}), &["type", field])
    };
    let (circle, square) = (tagged("circle", "radius"), tagged("square", "side"));
    let shapes = |shapes: &[&Value]| json!({"oneOf": shapes});
    check(shapes(&[&circle]), shapes(&[&square, &circle]), &[]);
    check(
        shapes(&[&circle, &square]),
        shapes(&[&circle, &tagged("triangle", "base")]),
        &[
            r#"data may be object with type "square", and is read as object with type "circle" or object with type "triangle""#,
        ],
    );
    check(
        shapes(&[&circle, &square]),
        shapes(&[&square, &tagged("circle", "diameter")]),
        &["data.diameter is never written, and is required"],
    );
    let outer = |name: &str, ty: &str| object(json!({name: {"type": ty}}), &[name]);
    check(
        json!({"oneOf": [{"const": "None"}, outer("Some", "integer")]}),
        json!({"oneOf": [{"const": "None"}, outer("Some", "string")]}),
        &["data.Some is integer, and is read as string"],
    );
}

#[test]
fn numbers_strings_and_arrays_have_limits() {
    let byte = json!({"type": "integer", "minimum": 0, "maximum": 255});
    check(byte.clone(), json!({"type": "integer"}), &[]);
    check(
        json!({"type": "integer", "minimum": -5, "maximum": 10}),
        byte.clone(),
        &["data may be less than 0, the least that is read"],
    );
    check(
        json!({"type": "integer"}),
        byte,
        &[
            "data may be less than 0, the least that is read",
            "data may be more than 255, the most that is read",
        ],
    );
    check(
        json!({"type": "string"}),
        json!({"type": "string", "format": "uuid"}),
        &["data may be any string, and is read as a uuid"],
    );
    let tuple = |types: &[&str]| {
        let items: Vec<Value> = types.iter().map(|ty| json!({"type": ty})).collect();
        json!({"type": "array", "prefixItems": items, "minItems": types.len(), "maxItems": types.len()})
    };
    check(
        tuple(&["string", "integer"]),
        tuple(&["string", "string"]),
        &["data[1] is integer, and is read as string"],
    );
    check(tuple(&["string"]), tuple(&["string", "string"]), &["data may have 1 elements, and needs 2"]);
    check(
        tuple(&["string", "string"]),
        tuple(&["string"]),
        &["data may have more than 1 elements, which is the most that is read"],
    );
    check(
        json!({"type": "array", "items": {"type": "string"}}),
        tuple(&["string"]),
        &[
            "data may have 0 elements, and needs 1",
            "data may have more than 1 elements, which is the most that is read",
        ],
    );
}

#[test]
fn references_are_followed_also_in_circles() {
    let tree = |leaf: &str| {
        json!({
            "$ref": "#/$defs/Tree",
            "$defs": {"Tree": object(
                json!({"value": {"$ref": "#/$defs/Leaf"}, "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}),
                &["value", "children"],
            ), "Leaf": {"type": leaf}},
        })
    };
    check(tree("string"), tree("string"), &[]);
    check(tree("integer"), tree("string"), &["data.value is integer, and is read as string"]);
    let whole = |ty: &str| {
        object(
            json!({"value": {"type": ty}, "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}),
            &["value"],
        )
    };
    check(whole("string"), whole("string"), &[]);
    check(whole("string"), whole("boolean"), &["data.value is string, and is read as boolean"]);
    check(
        json!({"$ref": "#/$defs/Gone"}),
        json!({"type": "string"}),
        &["data is anything, and is read as string"],
    );
    check(json!({"$ref": "#"}), json!({"$ref": "#"}), &[]);
    // Recursive alternatives allow nothing; the test checks that the comparison ends.
    let endless = json!({"anyOf": [{"$ref": "#"}, {"type": "string"}]});
    compare(&endless, &endless);
}

#[test]
fn flattened_parts_count_together() {
    let text = json!({"type": "string"});
    let all = json!({"allOf": [object(json!({"a": text}), &["a"]), object(json!({"b": text}), &["b"])]});
    check(all.clone(), object(json!({"a": text, "b": text}), &["a", "b"]), &[]);
    check(object(json!({"a": text}), &["a"]), all, &["data.b is never written, and is required"]);
    let beside = |name: &str| {
        json!({
            "type": "object", "properties": {"id": text}, "required": ["id"],
            "oneOf": [object(json!({"kind": {"const": name}}), &["kind"])],
        })
    };
    check(beside("a"), beside("a"), &[]);
    check(beside("a"), beside("b"), &[r#"data.kind may be "a", and is read as "b""#]);
}
