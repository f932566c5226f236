//! Compares the matcher with a definition of matching, on random events and patterns: as event-ruler defines it, an event is a
//! list of fields, each with its place in the arrays around it, and a pattern matches if it finds a field for each of its
//! clauses, all of them in the same elements of the arrays that they share.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;

/// Which element of each array a field is in.
type Places = BTreeMap<String, usize>;

/// A value at a path.
struct Found<'v> {
    path: String,
    value: &'v Value,
    places: Places,
}

/// Lists the fields of an event. An object, and an array without elements, is a value, too.
fn fields<'v>(value: &'v Value, path: &str, instance: &str, places: &Places, found: &mut Vec<Found<'v>>) {
    match value {
        Value::Array(elements) if !elements.is_empty() => {
            for (index, element) in elements.iter().enumerate() {
                let mut places = places.clone();
                places.insert(instance.to_owned(), index);
                fields(element, path, &format!("{instance}[{index}]"), &places, found);
            }
        }
        value => {
            found.push(Found { path: path.to_owned(), value, places: places.clone() });
            for (name, member) in value.as_object().into_iter().flatten() {
                fields(member, &format!("{path}.{name}"), &format!("{instance}.{name}"), places, found);
            }
        }
    }
}

/// Lists the clauses of a pattern without `$or`.
fn clauses<'v>(pattern: &'v Value, path: &str, found: &mut Vec<(String, &'v Vec<Value>)>) {
    for (name, value) in pattern.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match value {
            Value::Array(conditions) => found.push((path, conditions)),
            inner => clauses(inner, &path, found),
        }
    }
}

fn matches(pattern: &Value, event: &Value) -> bool {
    if let Some(alternatives) = pattern.get("$or").and_then(Value::as_array) {
        return alternatives.iter().any(|alternative| matches(alternative, event));
    }
    let (mut all, mut found) = (Vec::new(), Vec::new());
    clauses(pattern, "", &mut all);
    fields(event, "", "", &Places::new(), &mut found);
    all_met(&all, &found, &Places::new())
}

/// Returns whether there are fields for the clauses that are in these places, where they are in these arrays.
fn all_met(clauses: &[(String, &Vec<Value>)], fields: &[Found<'_>], places: &Places) -> bool {
    let Some(((path, conditions), rest)) = clauses.split_first() else { return true };
    let mut at_path = fields.iter().filter(|field| field.path == *path).peekable();
    if at_path.peek().is_none() {
        return conditions.contains(&json!({ "exists": false })) && all_met(rest, fields, places);
    }
    at_path.any(|field| {
        let is_same =
            |(array, index): (&String, &usize)| places.get(array).is_none_or(|known| known == index);
        let mut all = places.clone();
        all.extend(field.places.clone());
        field.places.iter().all(is_same)
            && conditions.iter().any(|condition| holds(condition, field.value))
            && all_met(rest, fields, &all)
    })
}

fn holds(condition: &Value, value: &Value) -> bool {
    let text = value.as_str();
    let Some((operator, operand)) = condition.as_object().and_then(|one| one.iter().next()) else {
        return condition == value;
    };
    match (operator.as_str(), operand) {
        ("exists", expected) => *expected == true,
        ("prefix", Value::String(prefix)) => text.is_some_and(|text| text.starts_with(prefix)),
        ("suffix", Value::String(suffix)) => text.is_some_and(|text| text.ends_with(suffix)),
        ("equals-ignore-case", Value::String(other)) => {
            text.is_some_and(|text| text.eq_ignore_ascii_case(other))
        }
        ("wildcard", Value::String(wildcard)) => text.is_some_and(|text| is_like(wildcard, text)),
        ("numeric", Value::Array(terms)) => value.as_i64().is_some_and(|number| {
            let bound = terms[1].as_i64().unwrap();
            if terms[0] == ">" { number > bound } else { number <= bound }
        }),
        ("anything-but", Value::Array(excluded)) => !excluded.contains(value),
        ("anything-but", Value::Object(inner)) => {
            let texts = inner.values().next().and_then(Value::as_array).unwrap();
            let name = inner.keys().next().unwrap();
            !texts.iter().any(|text| holds(&json!({ name: text }), value))
        }
        other => panic!("no operator of this test: {other:?}"),
    }
}

fn is_like(wildcard: &str, text: &str) -> bool {
    match wildcard.split_at_checked(1) {
        None => text.is_empty(),
        Some(("*", rest)) => (0..=text.len()).any(|at| is_like(rest, &text[at..])),
        Some((letter, rest)) => text.strip_prefix(letter).is_some_and(|text| is_like(rest, text)),
    }
}

fn letters() -> impl Strategy<Value = String> {
    "[abA]{0,3}"
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        letters().prop_map(Value::from),
        (0..4_i64).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn object(member: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    proptest::collection::btree_map("[xyz]", member, 1..4).prop_map(|members| json!(members))
}

fn event() -> impl Strategy<Value = Value> {
    let value = scalar().prop_recursive(3, 24, 3, |inner| {
        prop_oneof![object(inner.clone()), proptest::collection::vec(inner, 0..3).prop_map(Value::from)]
    });
    object(value)
}

fn condition() -> impl Strategy<Value = Value> {
    let wildcard = "(a|b|\\*a|\\*b){0,2}\\*?";
    prop_oneof![
        scalar(),
        any::<bool>().prop_map(|expected| json!({ "exists": expected })),
        letters().prop_map(|text| json!({ "prefix": text })),
        letters().prop_map(|text| json!({ "suffix": text })),
        letters().prop_map(|text| json!({ "equals-ignore-case": text })),
        wildcard.prop_map(|text| json!({ "wildcard": text })),
        (any::<bool>(), 0..4_i64)
            .prop_map(|(above, bound)| json!({ "numeric": [if above { ">" } else { "<=" }, bound] })),
        proptest::collection::vec(letters(), 1..3).prop_map(|texts| json!({ "anything-but": texts })),
        proptest::collection::vec(letters(), 1..3)
            .prop_map(|texts| json!({ "anything-but": { "prefix": texts } })),
    ]
}

fn pattern() -> impl Strategy<Value = Value> {
    let conditions = proptest::collection::vec(condition(), 1..3).prop_map(Value::from).boxed();
    let tree = || object(conditions.clone().prop_recursive(2, 8, 3, object));
    prop_oneof![
        3 => tree(),
        1 => proptest::collection::vec(tree(), 2..4).prop_map(|patterns| json!({ "$or": patterns })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_matcher_agrees_with_the_definition(event in event(), pattern in pattern()) {
        let checked = Pattern::read(&pattern).unwrap().check(&Json::from(&event));
        prop_assert_eq!(checked.is_ok(), matches(&pattern, &event), "{} {}: {:?}", pattern, event, checked);
    }
}
