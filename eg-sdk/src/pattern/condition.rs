//! Conditions, the elements of the arrays in a filter: a value, or an operator such as `{"prefix": "user."}`. `pattern`
//! combines them.

use eg_grammar::{Cidr, Wildcard};
use serde_json::{Number, Value, json};

use super::json::{Json, compare};

/// A condition on a value of an event.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Equal(Value),
    Prefix(String),
    Suffix(String),
    /// Texts without regard to case. They hold the text in lower case.
    EqualAnyCase(String),
    PrefixAnyCase(String),
    SuffixAnyCase(String),
    Wildcard(Wildcard),
    Cidr(Cidr),
    /// There is a value that meets none of these.
    AnythingBut(Vec<Condition>),
    /// The value meets all of these.
    Numeric(Vec<(Comparison, Number)>),
    Exists(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

const OPERATORS: &str =
    "prefix, suffix, wildcard, equals-ignore-case, anything-but, numeric, cidr and exists";

/// The operators that `anything-but` takes. Their operand can be an array there.
const EXCLUDED: [&str; 4] = ["prefix", "suffix", "wildcard", "equals-ignore-case"];

impl Condition {
    /// Reads an element of a filter. The error describes what is wrong with it.
    pub(super) fn read(rule: &Value) -> Result<Self, String> {
        let members = match rule {
            Value::Object(members) => members,
            Value::Array(_) => return Err(format!("{rule} is an array within an array")),
            value => return Ok(Self::Equal(value.clone())),
        };
        let mut members = members.iter();
        let (Some((name, operand)), None) = (members.next(), members.next()) else {
            return Err(format!("{rule} must have exactly one member: one of {OPERATORS}"));
        };
        match (name.as_str(), operand) {
            ("prefix", Value::String(text)) => Ok(Self::Prefix(text.clone())),
            ("suffix", Value::String(text)) => Ok(Self::Suffix(text.clone())),
            ("prefix" | "suffix", Value::Object(inner)) => match inner.get("equals-ignore-case") {
                Some(Value::String(text)) if inner.len() == 1 && name == "prefix" => {
                    Ok(Self::PrefixAnyCase(lower(text)))
                }
                Some(Value::String(text)) if inner.len() == 1 => Ok(Self::SuffixAnyCase(lower(text))),
                _ => Err(format!(
                    "{name} is {operand}: it must be a string, or {{\"equals-ignore-case\": \"…\"}}"
                )),
            },
            ("equals-ignore-case", Value::String(text)) => Ok(Self::EqualAnyCase(lower(text))),
            ("wildcard", Value::String(text)) => {
                text.parse().map(Self::Wildcard).map_err(|mistake| format!("wildcard {mistake}"))
            }
            ("cidr", Value::String(text)) => {
                text.parse().map(Self::Cidr).map_err(|mistake| format!("cidr {mistake}"))
            }
            ("prefix" | "suffix" | "wildcard" | "equals-ignore-case" | "cidr", other) => {
                Err(format!("{name} is {other}: it must be a string"))
            }
            ("exists", Value::Bool(expected)) => Ok(Self::Exists(*expected)),
            ("exists", other) => Err(format!("exists is {other}: it must be true or false")),
            ("numeric", Value::Array(terms)) => numeric(terms),
            ("numeric", other) => Err(format!("numeric is {other}: it must be an array such as [\">\", 5]")),
            ("anything-but", operand) => anything_but(operand),
            _ => Err(format!("operator `{name}` is unknown: use {OPERATORS}")),
        }
    }

    /// Returns whether a value of an event meets the condition. `pattern` decides about absent values.
    pub(super) fn holds_for(&self, value: &Json<'_>) -> bool {
        match self {
            Self::Equal(expected) => equal(expected, value),
            Self::Prefix(prefix) => matches!(value, Json::Text(text) if text.starts_with(prefix)),
            Self::Suffix(suffix) => matches!(value, Json::Text(text) if text.ends_with(suffix)),
            Self::EqualAnyCase(lowered) => matches!(value, Json::Text(text) if lower(text) == *lowered),
            Self::PrefixAnyCase(lowered) => {
                matches!(value, Json::Text(text) if lower(text).starts_with(lowered))
            }
            Self::SuffixAnyCase(lowered) => {
                matches!(value, Json::Text(text) if lower(text).ends_with(lowered))
            }
            Self::Wildcard(wildcard) => matches!(value, Json::Text(text) if wildcard.matches(text)),
            Self::Cidr(range) => matches!(value, Json::Text(text) if range.contains(text)),
            Self::AnythingBut(conditions) => !conditions.iter().any(|condition| condition.holds_for(value)),
            Self::Numeric(terms) => match value {
                Json::Number(number) => {
                    terms.iter().all(|(comparison, bound)| comparison.holds(number, bound))
                }
                _ => false,
            },
            Self::Exists(expected) => *expected,
        }
    }
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

fn anything_but(operand: &Value) -> Result<Condition, String> {
    let operands = match operand {
        Value::Array(operands) if operands.is_empty() => {
            return Err("anything-but is empty: name a value".to_owned());
        }
        Value::Array(operands) => operands.as_slice(),
        operand => std::slice::from_ref(operand),
    };
    let mut excluded = Vec::new();
    for operand in operands {
        let wrong = || {
            format!(
                "anything-but takes values, prefix, suffix, wildcard and equals-ignore-case, and not {operand}"
            )
        };
        match operand {
            Value::Object(members) => match members.iter().next() {
                Some((name, texts)) if members.len() == 1 && EXCLUDED.contains(&name.as_str()) => {
                    let texts = texts.as_array().map_or(std::slice::from_ref(texts), Vec::as_slice);
                    if texts.is_empty() {
                        return Err(format!("{name} is empty: name a text"));
                    }
                    for text in texts {
                        excluded.push(Condition::read(&json!({ name: text }))?);
                    }
                }
                _ => return Err(wrong()),
            },
            Value::Array(_) => return Err(wrong()),
            value => excluded.push(Condition::Equal(value.clone())),
        }
    }
    Ok(Condition::AnythingBut(excluded))
}

fn numeric(terms: &[Value]) -> Result<Condition, String> {
    let wrong = || {
        format!(
            "numeric is {}: write one or two comparisons, such as [\">\", 0, \"<=\", 5]",
            Value::from(terms)
        )
    };
    if !matches!(terms.len(), 2 | 4) {
        return Err(wrong());
    }
    let term = |term: &[Value]| match term {
        [Value::String(sign), Value::Number(bound)] => Some((Comparison::read(sign)?, bound.clone())),
        _ => None,
    };
    let terms: Option<Vec<_>> = terms.chunks(2).map(term).collect();
    terms.map(Condition::Numeric).ok_or_else(wrong)
}

impl Comparison {
    fn read(sign: &str) -> Option<Self> {
        Some(match sign {
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            "=" => Self::Equal,
            ">=" => Self::GreaterOrEqual,
            ">" => Self::Greater,
            _ => return None,
        })
    }

    fn holds(self, number: &str, bound: &Number) -> bool {
        let order = compare(number, bound);
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Greater => order.is_gt(),
        }
    }
}

fn equal(expected: &Value, value: &Json<'_>) -> bool {
    match (expected, value) {
        (Value::Null, Json::Null) => true,
        (Value::Bool(expected), Json::Bool(flag)) => expected == flag,
        (Value::String(expected), Json::Text(text)) => expected == text,
        // 1 and 1.0 are the same number.
        (Value::Number(expected), Json::Number(number)) => compare(number, expected).is_eq(),
        _ => false,
    }
}
