//! Checks one value against a JSON Schema. Like the comparison of schemas, it assumes that what it does not know fits.

use eg_sdk::OffsetDateTime;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;

use super::Path;
use super::forms::{
    accepts_all, alternatives, constant, describe, kind, kind_of, listed, required, resolved,
};
use crate::check::Fact;

/// Returns what is wrong with `value`. The result is empty if the schema allows it.
pub(crate) fn misfits(value: &Value, schema: &Value) -> Vec<Fact> {
    let mut found = Vec::new();
    any_form(schema, schema, value, &Path::root(), &mut found);
    found
}

/// Checks a value that may have any of the forms that `schema` allows. Reports what keeps it from the nearest one.
fn any_form(root: &Value, schema: &Value, value: &Value, path: &Path, found: &mut Vec<Fact>) {
    let schema = resolved(root, schema);
    if accepts_all(&schema) {
        return;
    }
    let forms = alternatives(root, &schema);
    let mut nearest: Option<Vec<Fact>> = None;
    for form in &forms {
        let mut misfits = Vec::new();
        one_form(root, form, value, path, &mut misfits);
        if misfits.is_empty() {
            return;
        }
        let is_meant = forms.len() == 1 || is_meant(root, form, value);
        if is_meant && nearest.as_ref().is_none_or(|known| misfits.len() < known.len()) {
            nearest = Some(misfits);
        }
    }
    found.extend(nearest.unwrap_or_else(|| {
        let forms: Vec<String> = forms.iter().map(describe).collect();
        vec![fact(path, format!("is {}, and must be {}", shown(value), forms.join(" or ")))]
    }));
}

/// Checks a value against a form without alternatives.
fn one_form(root: &Value, form: &Value, value: &Value, path: &Path, found: &mut Vec<Fact>) {
    let fits = match listed(form) {
        Some(values) => values.contains(value),
        None => is_kind(value, form),
    };
    if !fits {
        found.push(fact(path, format!("is {}, and must be {}", shown(value), describe(form))));
        return;
    }
    let bound = |name: &str| form.get(name).and_then(Value::as_f64);
    match value {
        Value::Object(members) => {
            for name in required(form).iter().filter(|name| !members.contains_key(*name)) {
                found.push(fact(&path.member(name), "is missing".to_owned()));
            }
            for (name, member) in members {
                let path = path.member(name);
                match (form.get("properties").and_then(|all| all.get(name)), form.get("additionalProperties"))
                {
                    (Some(schema), _) => any_form(root, schema, member, &path, found),
                    (None, Some(Value::Bool(false))) => found.push(fact(&path, "is unknown".to_owned())),
                    (None, Some(schema)) => any_form(root, schema, member, &path, found),
                    (None, None) => {}
                }
            }
        }
        Value::Array(elements) => {
            let count = |name: &str| form.get(name).and_then(Value::as_u64);
            let length = elements.len() as u64;
            if let Some(least) = count("minItems").filter(|least| length < *least) {
                found.push(fact(path, format!("has {length} elements, and must have at least {least}")));
            }
            if let Some(most) = count("maxItems").filter(|most| length > *most) {
                found.push(fact(path, format!("has {length} elements, and must have at most {most}")));
            }
            for (at, element) in elements.iter().enumerate() {
                let tuple = form.get("prefixItems").and_then(|tuple| tuple.get(at));
                if let Some(schema) = tuple.or_else(|| form.get("items")) {
                    any_form(root, schema, element, &path.element(&at.to_string()), found);
                }
            }
        }
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            if bound("minimum").is_some_and(|least| number < least) {
                found.push(fact(
                    path,
                    format!("is {}, and must be at least {}", shown(value), form["minimum"]),
                ));
            }
            if bound("maximum").is_some_and(|most| number > most) {
                found.push(fact(
                    path,
                    format!("is {}, and must be at most {}", shown(value), form["maximum"]),
                ));
            }
        }
        Value::String(text) => {
            let format = form.get("format").and_then(Value::as_str).unwrap_or_default();
            if !has_format(text, format) {
                found.push(fact(path, format!("is {}, and must be a {format}", shown(value))));
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// Whether a value that does not fit a form was meant to: it has the type, and what distinguishes the form from others.
fn is_meant(root: &Value, form: &Value, value: &Value) -> bool {
    let members = form.get("properties").and_then(Value::as_object).into_iter().flatten();
    let mut constants = members.filter_map(|(name, member)| Some((name, constant(&resolved(root, member))?)));
    is_kind(value, form)
        && listed(form).is_none()
        && constants.all(|(name, constant)| value.get(name) == Some(&constant))
}

/// Whether the value has the type of a form, if the form has one.
fn is_kind(value: &Value, form: &Value) -> bool {
    kind(form).is_none_or(|kind| kind == kind_of(value) || (kind == "number" && value.is_number()))
}

/// Whether a text has the format. Unknown formats fit.
fn has_format(text: &str, format: &str) -> bool {
    match format {
        "date-time" => OffsetDateTime::parse(text, &Rfc3339).is_ok(),
        "uuid" => {
            let is_digit = |(at, byte): (usize, u8)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            };
            text.len() == 36 && text.bytes().enumerate().all(is_digit)
        }
        _ => true,
    }
}

/// Returns a short description of a value.
fn shown(value: &Value) -> String {
    const SHOWN: usize = 40;
    let text = value.to_string();
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        _ if text.chars().count() > SHOWN => format!("a long {}", kind_of(value)),
        _ => format!("`{text}`"),
    }
}

fn fact(path: &Path, problem: String) -> Fact {
    Fact { path: path.0.clone(), problem }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, value: &Value, expected: &[&str]) {
        let found: Vec<String> =
            misfits(value, schema).iter().map(|fact| format!("{} {}", fact.path, fact.problem)).collect();
        assert_eq!(found, expected, "{value} for {schema}");
    }

    #[test]
    fn the_field_that_does_not_fit_is_named() {
        let user = json!({
            "type": "object", "required": ["id", "email"],
            "properties": {
                "id": {"type": "string"}, "email": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 255},
                "at": {"type": "string", "format": "date-time"}, "plan": {"enum": ["free", "paid"]},
                "tags": {"type": "array", "items": {"type": "string"}}, "name": {"type": ["string", "null"]},
            },
        });
        let id = "10";
        check(&user, &json!({"id": id, "email": "a@b", "more": true, "name": null}), &[]);
        check(&user, &json!({"id": id}), &["data.email is missing"]);
        check(&user, &json!({"id": 10, "email": "a@b"}), &["data.id is `10`, and must be string"]);
        check(
            &user,
            &json!({"id": id, "email": "a@b", "age": 300, "at": "today", "plan": "gold", "tags": ["a", 1], "name": 5}),
            &[
                "data.age is `300`, and must be at most 255",
                "data.at is `\"today\"`, and must be a date-time",
                "data.name is `5`, and must be string or null",
                "data.plan is `\"gold\"`, and must be \"free\" or \"paid\"",
                "data.tags[1] is `1`, and must be string",
            ],
        );
        check(&user, &json!([1]), &["data is an array, and must be object"]);
    }

    #[test]
    fn other_forms_of_schemas() {
        let closed = json!({"type": "object", "properties": {}, "additionalProperties": false});
        check(&closed, &json!({"x": 1}), &["data.x is unknown"]);
        let map = json!({"type": "object", "additionalProperties": {"type": "number"}});
        check(&map, &json!({"a": 1, "b": 1.5, "c": "x"}), &["data.c is `\"x\"`, and must be number"]);
        let tuple = json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "minItems": 2, "maxItems": 2});
        check(&tuple, &json!(["a", true]), &[]);
        check(&tuple, &json!(["a"]), &["data has 1 elements, and must have at least 2"]);
        check(
            &tuple,
            &json!(["a", 1, 2]),
            &["data has 3 elements, and must have at most 2", "data[1] is `1`, and must be boolean"],
        );
        let uuid = json!({"type": "string", "format": "uuid"});
        check(&uuid, &json!("01890a5d-ac96-774b-bcce-b302099a8057"), &[]);
        check(&uuid, &json!("10"), &["data is `\"10\"`, and must be a uuid"]);
        let shapes = json!({"oneOf": [
            {"type": "object", "properties": {"kind": {"const": "circle"}, "radius": {"type": "number"}}, "required": ["kind", "radius"]},
            {"type": "object", "properties": {"kind": {"const": "dot"}}, "required": ["kind"]},
        ]});
        check(&shapes, &json!({"kind": "dot"}), &[]);
        check(
            &shapes,
            &json!({"kind": "circle", "radius": "x"}),
            &["data.radius is `\"x\"`, and must be number"],
        );
        check(
            &json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "integer"}}}),
            &json!("x"),
            &["data is `\"x\"`, and must be integer"],
        );
        check(&json!({"$ref": "#"}), &json!("x"), &[]);
        check(&json!(true), &json!("x"), &[]);
        check(&json!({"type": "string"}), &json!("x".repeat(100)), &[]);
        check(
            &json!({"type": "integer"}),
            &json!("x".repeat(100)),
            &["data is a long string, and must be integer"],
        );
    }
}
