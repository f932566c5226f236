//! Splits a JSON Schema into the forms that it allows: resolves references, separates alternatives, and determines
//! the type and values of each. Comparing forms is left to the parent module.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// How deeply nested alternatives are followed.
const DEPTH: usize = 8;

/// Resolves the references at the top of a schema and merges the parts of `allOf`.
pub(super) fn resolved<'a>(root: &'a Value, schema: &'a Value) -> Cow<'a, Value> {
    let mut schema = Cow::Borrowed(schema);
    // The limit ends circular references.
    for _ in 0..64 {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { break };
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        let Some(target) = target else { return Cow::Owned(Value::Bool(true)) };
        schema = Cow::Borrowed(target);
    }
    let Some(parts) = schema.get("allOf").and_then(Value::as_array) else { return schema };
    let mut whole = schema.as_object().cloned().unwrap_or_default();
    whole.remove("allOf");
    for part in parts {
        if let Value::Object(members) = resolved(root, part).into_owned() {
            merge(&mut whole, members);
        }
    }
    Cow::Owned(Value::Object(whole))
}

/// Merges two schemas that must both hold: object members are united; other keywords of `more` apply only where
/// `whole` lacks them.
fn merge(whole: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        match (whole.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(value)) if name == "properties" => known.extend(value),
            (Some(Value::Array(known)), Value::Array(value)) if name == "required" => known.extend(value),
            (Some(_), _) => {}
            (None, value) => drop(whole.insert(name, value)),
        }
    }
}

/// Returns the forms that a value may have; none has alternatives of its own.
pub(super) fn alternatives(root: &Value, schema: &Value) -> Vec<Value> {
    within(root, schema, 0)
}

fn within(root: &Value, schema: &Value, depth: usize) -> Vec<Value> {
    // The limit ends recursive alternatives.
    if depth > DEPTH {
        return vec![Value::Bool(true)];
    }
    let choices = ["anyOf", "oneOf"].iter().find_map(|name| schema.get(*name)?.as_array());
    if let Some(choices) = choices {
        let mut common = schema.as_object().cloned().unwrap_or_default();
        common.retain(|name, _| !matches!(name.as_str(), "anyOf" | "oneOf"));
        let has_more = common.contains_key("properties") || common.contains_key("required");
        let form = |choice: &Value| match resolved(root, choice).into_owned() {
            // Fields next to a flattened enum.
            Value::Object(mut members) if has_more => {
                merge(&mut members, common.clone());
                Value::Object(members)
            }
            choice => choice,
        };
        return choices.iter().flat_map(|choice| within(root, &form(choice), depth + 1)).collect();
    }
    match schema.get("type").and_then(Value::as_array) {
        Some(types) => types
            .iter()
            .map(|ty| {
                let mut one = schema.as_object().cloned().unwrap_or_default();
                one.insert("type".to_owned(), ty.clone());
                if let (Some(Value::Array(values)), Some(ty)) = (one.get_mut("enum"), ty.as_str()) {
                    values.retain(|value| kind_of(value) == ty);
                }
                Value::Object(one)
            })
            .filter(|one| one.get("enum").and_then(Value::as_array).is_none_or(|values| !values.is_empty()))
            .collect(),
        None => vec![schema.clone()],
    }
}

/// Whether two forms are meant to be the same, so that their differences are worth reporting.
pub(super) fn alike(producer: &Value, written: &Value, consumer: &Value, read: &Value) -> bool {
    if kind(written) != kind(read) {
        return false;
    }
    // Enum variants are distinguished by a constant or by their only field.
    match (tag(producer, written), tag(consumer, read)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

fn tag(root: &Value, schema: &Value) -> Option<(String, Value)> {
    let members = schema.get("properties")?.as_object()?;
    let constant =
        members.iter().find_map(|(name, member)| Some((name.clone(), constant(&resolved(root, member))?)));
    constant.or_else(|| match required(schema).as_slice() {
        [only] if members.len() == 1 => Some((only.clone(), Value::Null)),
        _ => None,
    })
}

pub(super) fn accepts_all(schema: &Value) -> bool {
    match schema {
        Value::Bool(all) => *all,
        Value::Object(members) => members.keys().all(|name| {
            matches!(
                name.as_str(),
                "$schema" | "title" | "description" | "default" | "$defs" | "examples" | "writeOnly"
            )
        }),
        _ => true,
    }
}

/// Returns the values of an `enum` or `const`.
pub(super) fn listed(schema: &Value) -> Option<Vec<Value>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(value), _) => Some(vec![value.clone()]),
        (None, Some(Value::Array(values))) => Some(values.clone()),
        _ => None,
    }
}

/// Returns the only value that a schema allows.
pub(super) fn constant(schema: &Value) -> Option<Value> {
    listed(schema).filter(|values| values.len() == 1)?.pop()
}

pub(super) fn takes(schema: &Value, value: &Value) -> bool {
    match listed(schema) {
        Some(values) => values.contains(value),
        None => {
            kind(schema).is_none_or(|kind| kind == kind_of(value) || (kind == "number" && value.is_number()))
        }
    }
}

pub(super) fn required(schema: &Value) -> Vec<String> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

/// Returns the type of a form. Without `type`, its other keywords imply it.
pub(super) fn kind(schema: &Value) -> Option<&str> {
    if let Some(ty) = schema.get("type").and_then(Value::as_str) {
        return Some(ty);
    }
    if ["properties", "required", "additionalProperties"].iter().any(|name| schema.get(*name).is_some()) {
        return Some("object");
    }
    if ["items", "prefixItems"].iter().any(|name| schema.get(*name).is_some()) {
        return Some("array");
    }
    let value = schema.get("const").or_else(|| schema.get("enum")?.get(0))?;
    Some(kind_of(value))
}

pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Describes a form in words: `string`, `"a" or "b"`, `object with type "circle"`.
pub(super) fn describe(schema: &Value) -> String {
    if let Some(values) = listed(schema) {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        return values.join(" or ");
    }
    if let Some((name, value)) = tag(schema, schema) {
        return if value.is_null() {
            format!("object with {name}")
        } else {
            format!("object with {name} {value}")
        };
    }
    kind(schema).unwrap_or("anything").to_owned()
}

/// Removes `null` from the alternatives of an optional field, since "optional" is already reported.
pub(super) fn without_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    let is_null =
        |one: &Value| one.as_str() == Some("null") || one.get("type").and_then(Value::as_str) == Some("null");
    for name in ["type", "anyOf", "oneOf"] {
        if let Some(Value::Array(choices)) = schema.get_mut(name)
            && choices.len() > 1
        {
            choices.retain(|one| !is_null(one));
        }
    }
    schema
}
