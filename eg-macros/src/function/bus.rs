//! `#[subscribe(eventbridge(…))]`: the rules for patterns of EventBridge. The gateway's filters have the same rules, so that
//! a pattern means the same locally and on AWS.

use eg_grammar::limits::{EVENT_BRIDGE_SOURCE, EVENT_BRIDGE_TYPE, PATTERN_DEPTH};
use eg_grammar::{Cidr, Wildcard, check_sources, did_you_mean, is_exact, list};
use syn::LitStr;

use super::Retry;
use crate::args::{EventBridge, Json, Value};
use crate::errors::Errors;

/// The operators of conditions that EventBridge and the gateway have in common.
const OPERATORS: [&str; 8] =
    ["prefix", "suffix", "wildcard", "equals-ignore-case", "anything-but", "numeric", "cidr", "exists"];

/// Those that `anything-but` takes.
const EXCLUDED: [&str; 4] = ["prefix", "suffix", "wildcard", "equals-ignore-case"];

/// The comparisons of `numeric`.
const COMPARISONS: [&str; 5] = ["<", "<=", "=", ">=", ">"];

/// A pattern for events of EventBridge.
pub(crate) struct Bus {
    pub(crate) sources: Vec<String>,
    pub(crate) detail_types: Vec<String>,
    /// The pattern for the detail, as JSON.
    pub(crate) detail: Option<String>,
    pub(crate) retry: Option<Retry>,
}

pub(super) fn read(pattern: &EventBridge, retry: Option<Retry>, errors: &mut Errors) -> Bus {
    let EventBridge { key, sources, detail_types, detail, .. } = pattern;
    for (name, values) in [("source", sources), ("detail_type", detail_types)] {
        if values.is_empty() {
            errors.at(key, format!("`eventbridge` needs a `{name}`, as in {}", EventBridge::EXAMPLE));
        }
    }
    for text in sources {
        check_text("source", EVENT_BRIDGE_SOURCE, text, errors);
    }
    let names: Vec<String> = sources.iter().map(LitStr::value).collect();
    if let Err(mistake) = check_sources(names.iter().map(String::as_str)) {
        errors.at(key, mistake.to_string());
    }
    for text in detail_types {
        check_text("detail type", EVENT_BRIDGE_TYPE, text, errors);
    }
    if let Some(detail) = detail {
        match &detail.value {
            Value::Object(_) => check_object(detail, 0, errors),
            _ => errors.at(
                &detail.tokens,
                "`detail` is an object, as in `{\"bucket\": {\"name\": [\"pictures\"]}}`",
            ),
        }
    }
    let texts = |literals: &[LitStr]| literals.iter().map(LitStr::value).collect();
    Bus {
        sources: texts(sources),
        detail_types: texts(detail_types),
        detail: detail.as_ref().map(Json::text),
        retry,
    }
}

fn check_text(what: &str, limit: usize, text: &LitStr, errors: &mut Errors) {
    let length = text.value().chars().count();
    if length == 0 {
        errors.at(text, format!("the {what} is empty"));
    } else if length > limit {
        errors.at(text, format!("a {what} has at most {limit} characters, and this one has {length}"));
    }
}

/// Checks a pattern within `depth` alternatives.
fn check_object(object: &Json, depth: usize, errors: &mut Errors) {
    let Value::Object(members) = &object.value else { return };
    for (index, (name, _)) in members.iter().enumerate() {
        if members[..index].iter().any(|(earlier, _)| earlier.value() == name.value()) {
            errors.at(name, format!("`{}` is given twice, and only one of them would count", name.value()));
        }
    }
    if members.is_empty() {
        errors.at(&object.tokens, "this pattern is empty: write what a member must be, or leave it out");
    }
    for (name, value) in members {
        match &value.value {
            Value::Array(patterns) if name.value() == "$or" => check_or(value, patterns, depth, errors),
            _ if name.value() == "$or" => {
                errors.at(&value.tokens, "`$or` is a list of at least two patterns");
            }
            Value::Object(_) => check_object(value, depth, errors),
            Value::Array(conditions) if conditions.is_empty() => {
                errors.at(&value.tokens, "this list is empty, so no event could match");
            }
            Value::Array(conditions) => {
                conditions.iter().for_each(|condition| check_condition(condition, errors));
            }
            _ => errors.at(&value.tokens, format!("values are in a list: `[{}]`", value.text())),
        }
    }
}

fn check_or(list: &Json, patterns: &[Json], depth: usize, errors: &mut Errors) {
    if depth == PATTERN_DEPTH {
        return errors.at(&list.tokens, format!("`$or` is nested more than {PATTERN_DEPTH} levels deep"));
    }
    if patterns.len() < 2 {
        errors.at(&list.tokens, "`$or` is a list of at least two patterns");
    }
    for pattern in patterns {
        match &pattern.value {
            Value::Object(_) => check_object(pattern, depth + 1, errors),
            _ => {
                errors.at(&pattern.tokens, "an alternative of `$or` is a pattern: `{\"name\": [\"value\"]}`");
            }
        }
    }
}

/// Checks an element of a list: a value, or an operator.
fn check_condition(condition: &Json, errors: &mut Errors) {
    let members = match &condition.value {
        Value::Object(members) => members,
        Value::Array(_) => return errors.at(&condition.tokens, "a list cannot contain a list"),
        _ => return check_number(condition, errors),
    };
    let [(name, operand)] = members.as_slice() else {
        let message = format!("a condition has exactly one operator: {}", list(&OPERATORS));
        return errors.at(&condition.tokens, message);
    };
    match (name.value().as_str(), &operand.value) {
        ("exists", Value::Flag(_)) => {}
        ("prefix" | "suffix", Value::Object(inner)) => match inner.as_slice() {
            [(inner, Json { value: Value::Text(_), .. })] if inner.value() == "equals-ignore-case" => {}
            _ => {
                let message =
                    format!("`{}` takes a string, or `{{\"equals-ignore-case\": \"…\"}}`", name.value());
                errors.at(&operand.tokens, message);
            }
        },
        ("prefix" | "suffix" | "wildcard" | "equals-ignore-case" | "cidr", _) => {
            check_operand(&name.value(), operand, errors);
        }
        ("exists", _) => errors.at(&operand.tokens, "`exists` takes `true` or `false`"),
        ("numeric", Value::Array(terms)) if is_numeric(terms) => {
            terms.iter().for_each(|term| check_number(term, errors));
        }
        ("numeric", _) => {
            errors
                .at(&operand.tokens, "`numeric` takes one or two comparisons, as in `[\">\", 0, \"<=\", 5]`");
        }
        ("anything-but", Value::Array(operands)) if !operands.is_empty() => {
            operands.iter().for_each(|operand| check_excluded(operand, errors));
        }
        ("anything-but", _) => check_excluded(operand, errors),
        (other, _) => {
            let hint = did_you_mean(other, &OPERATORS);
            errors.at(
                name,
                format!("there is no operator `{other}`{hint}; the operators are {}", list(&OPERATORS)),
            );
        }
    }
}

/// Checks that a number, if it is one, keeps its digits where events are compared with it.
fn check_number(value: &Json, errors: &mut Errors) {
    if let Value::Number(number) = &value.value
        && !is_exact(number)
    {
        errors.at(
            &value.tokens,
            "this number is too large to be compared: up to 2^53, or a whole number of 64 bits, are allowed",
        );
    }
}

fn is_numeric(terms: &[Json]) -> bool {
    let is_term = |term: &[Json]| match term {
        [sign, bound] => {
            matches!(&sign.value, Value::Text(sign) if COMPARISONS.contains(&sign.as_str()))
                && matches!(bound.value, Value::Number(_))
        }
        _ => false,
    };
    matches!(terms.len(), 2 | 4) && terms.chunks(2).all(is_term)
}

/// Checks the text of an operator.
fn check_operand(operator: &str, operand: &Json, errors: &mut Errors) {
    let Value::Text(text) = &operand.value else {
        return errors.at(&operand.tokens, format!("`{operator}` takes a string"));
    };
    let checked = match operator {
        "wildcard" => text.parse::<Wildcard>().map(drop),
        "cidr" => text.parse::<Cidr>().map(drop),
        _ => Ok(()),
    };
    if let Err(mistake) = checked {
        errors.at(&operand.tokens, mistake);
    }
}

/// Checks what `anything-but` excludes.
fn check_excluded(operand: &Json, errors: &mut Errors) {
    check_number(operand, errors);
    match &operand.value {
        Value::Object(members) => match members.as_slice() {
            [(name, texts)] if EXCLUDED.contains(&name.value().as_str()) => match &texts.value {
                Value::Array(texts) if !texts.is_empty() => {
                    texts.iter().for_each(|text| check_operand(&name.value(), text, errors));
                }
                _ => check_operand(&name.value(), texts, errors),
            },
            _ => errors.at(&operand.tokens, format!("`anything-but` takes values, {}", list(&EXCLUDED))),
        },
        Value::Array(_) => {
            errors.at(&operand.tokens, format!("`anything-but` takes values, {}", list(&EXCLUDED)));
        }
        _ => {}
    }
}
