//! Conditions, the elements of the arrays in a filter: a value, or an operator such as `{"prefix": "user."}`. `pattern`
//! combines them.

use serde_json::{Number, Value};

use super::json::{Json, compare};

/// A condition on a value of an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    Equal(Value),
    Prefix(String),
    Suffix(String),
    /// There is a value that meets none of these.
    AnythingBut(Vec<Condition>),
    /// The value meets all of these.
    Numeric(Vec<(Comparison, Number)>),
    Exists(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

const OPERATORS: &str = "prefix, suffix, anything-but, numeric and exists";

impl Condition {
    /// Reads an element of a filter. The error describes what is wrong with it.
    pub(crate) fn read(rule: &Value) -> Result<Self, String> {
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
            ("prefix" | "suffix", other) => Err(format!("{name} is {other}: it must be a string")),
            ("exists", Value::Bool(expected)) => Ok(Self::Exists(*expected)),
            ("exists", other) => Err(format!("exists is {other}: it must be true or false")),
            ("numeric", Value::Array(terms)) => numeric(terms),
            ("numeric", other) => Err(format!("numeric is {other}: it must be an array such as [\">\", 5]")),
            ("anything-but", operand) => anything_but(operand),
            _ => Err(format!("operator `{name}` is unknown: use {OPERATORS}")),
        }
    }

    /// Returns whether one of the values at a path of an event meets the condition.
    pub(crate) fn holds(&self, values: &[&Json<'_>]) -> bool {
        match self {
            Self::Exists(expected) => *expected != values.is_empty(),
            condition => values.iter().any(|value| condition.holds_for(value)),
        }
    }

    fn holds_for(&self, value: &Json<'_>) -> bool {
        match self {
            Self::Equal(expected) => equal(expected, value),
            Self::Prefix(prefix) => matches!(value, Json::Text(text) if text.starts_with(prefix)),
            Self::Suffix(suffix) => matches!(value, Json::Text(text) if text.ends_with(suffix)),
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

fn anything_but(operand: &Value) -> Result<Condition, String> {
    let operands = match operand {
        Value::Array(operands) if operands.is_empty() => {
            return Err("anything-but is empty: name a value".to_owned());
        }
        Value::Array(operands) => operands.as_slice(),
        operand => std::slice::from_ref(operand),
    };
    let read = |operand| match Condition::read(operand)? {
        condition @ (Condition::Equal(_) | Condition::Prefix(_) | Condition::Suffix(_)) => Ok(condition),
        _ => Err(format!("anything-but takes values, prefix and suffix, and not {operand}")),
    };
    operands.iter().map(read).collect::<Result<_, _>>().map(Condition::AnythingBut)
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
