//! Matches events against the `filter` of a subscription, an EventBridge pattern, and finds the clause that an event
//! does not match. `event` decides which parts of an event a pattern sees.

use eg_grammar::is_exact;
use eg_grammar::limits::PATTERN_DEPTH;
use eg_sdk::history::Mismatch;
use serde_json::{Map, Value};

use super::condition::Condition;
use super::json::Json;

/// A valid pattern. An event matches if it meets all clauses.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern(Vec<Clause>);

#[derive(Debug, Clone, PartialEq)]
enum Clause {
    /// One of the values at this path meets one of the conditions.
    Field { path: Vec<String>, conditions: Vec<Condition>, rule: Value },
    /// The event matches one of the patterns.
    Or { patterns: Vec<Pattern>, rule: Value },
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Describes the first invalid clause, and what to write instead.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        let Value::Object(members) = value else { return Err("filter must be an object".to_owned()) };
        if members.is_empty() {
            return Err("filter is empty: name an attribute, or leave the filter out".to_owned());
        }
        let mut clauses = Vec::new();
        read_object(members, &mut Vec::new(), 0, &mut clauses)?;
        Ok(Self(clauses))
    }

    /// Checks that no number in a filter has lost digits when it was read.
    ///
    /// # Errors
    /// Names the first number that is too large.
    pub(crate) fn check_numbers(filter: &Value) -> Result<(), String> {
        match filter {
            Value::Number(number) if !is_exact(&number.to_string()) => Err(format!(
                "filter compares with {number}: write numbers beyond 2^53 as whole numbers from {} to {}, without \
                     fraction and exponent",
                i64::MIN,
                u64::MAX
            )),
            Value::Array(elements) => elements.iter().try_for_each(Self::check_numbers),
            Value::Object(members) => members.values().try_for_each(Self::check_numbers),
            _ => Ok(()),
        }
    }

    /// Matches an event, which is one object of its attributes and `data`.
    pub(crate) fn check(&self, event: &Json<'_>) -> Result<(), Box<Mismatch>> {
        self.0.iter().try_for_each(|clause| clause.check(event))
    }
}

fn read_object(
    members: &Map<String, Value>,
    path: &mut Vec<String>,
    depth: usize,
    clauses: &mut Vec<Clause>,
) -> Result<(), String> {
    for (name, value) in members {
        if name == "$or" {
            clauses.push(read_or(value, path, depth)?);
            continue;
        }
        path.push(name.clone());
        match value {
            Value::Object(inner) if inner.is_empty() => {
                return Err(format!("filter.{} is empty: write what its members must be", path.join(".")));
            }
            Value::Object(inner) => read_object(inner, path, depth, clauses)?,
            Value::Array(rules) if rules.is_empty() => {
                return Err(format!("filter.{} is empty: it could never match", path.join(".")));
            }
            Value::Array(rules) => {
                let read =
                    |rule| Condition::read(rule).map_err(|e| format!("filter.{}: {e}", path.join(".")));
                let conditions = rules.iter().map(read).collect::<Result<_, _>>()?;
                clauses.push(Clause::Field { path: path.clone(), conditions, rule: value.clone() });
            }
            other => {
                let path = path.join(".");
                return Err(format!("filter.{path} is {other}: values stand in an array, as in [{other}]"));
            }
        }
        path.pop();
    }
    Ok(())
}

fn read_or(value: &Value, path: &mut Vec<String>, depth: usize) -> Result<Clause, String> {
    let at = |path: &[String]| {
        let path: Vec<&str> = std::iter::once("filter").chain(path.iter().map(String::as_str)).collect();
        format!("{}.$or", path.join("."))
    };
    if depth == PATTERN_DEPTH {
        return Err(format!("{} is nested more than {PATTERN_DEPTH} levels deep", at(path)));
    }
    let alternatives = value.as_array().filter(|patterns| patterns.len() > 1);
    let alternatives =
        alternatives.ok_or_else(|| format!("{} must be an array of at least two patterns", at(path)))?;
    let mut patterns = Vec::new();
    for alternative in alternatives {
        let members = alternative.as_object().filter(|members| !members.is_empty());
        let members =
            members.ok_or_else(|| format!("{} holds {alternative}, which is no pattern", at(path)))?;
        let mut clauses = Vec::new();
        read_object(members, path, depth + 1, &mut clauses)?;
        patterns.push(Pattern(clauses));
    }
    Ok(Clause::Or { patterns, rule: value.clone() })
}

impl Clause {
    fn check(&self, event: &Json<'_>) -> Result<(), Box<Mismatch>> {
        match self {
            Self::Field { path, conditions, rule } => {
                let found = values(event, path);
                let holds = conditions.iter().any(|condition| condition.holds(&found));
                if holds { Ok(()) } else { Err(mismatch(path.join("."), path, rule)) }
            }
            Self::Or { patterns, rule } => {
                if patterns.iter().any(|pattern| pattern.check(event).is_ok()) {
                    return Ok(());
                }
                Err(mismatch("$or".to_owned(), &[], rule))
            }
        }
    }
}

/// Returns a mismatch without the value of the event, which may be a secret: `secrets` adds what a client may read of it.
fn mismatch(clause: String, path: &[String], rule: &Value) -> Box<Mismatch> {
    Box::new(Mismatch { clause, path: path.to_owned(), value: None, expected: rule.clone() })
}

/// Returns what an event has at the path of a clause; `None` if it has nothing there, or the clause has no path.
pub(crate) fn value_at(event: &Json<'_>, path: &[String]) -> Option<Value> {
    let found = if path.is_empty() { Vec::new() } else { values(event, path) };
    match found.as_slice() {
        [] => None,
        [one] => Some(excerpt(one.to_value())),
        several => Some(excerpt(several.iter().map(|value| value.to_value()).collect())),
    }
}

/// Returns the value, or the beginning of its JSON if it is too long for a list.
fn excerpt(value: Value) -> Value {
    const LIMIT: usize = 500;
    let json = value.to_string();
    if json.len() <= LIMIT {
        return value;
    }
    let mut beginning: String = json.chars().take(LIMIT).collect();
    beginning.push('…');
    Value::String(beginning)
}

/// Returns the values at `path`. An array counts as its elements; an empty one counts as a value.
fn values<'v, 'a>(value: &'v Json<'a>, path: &[String]) -> Vec<&'v Json<'a>> {
    match (value, path) {
        (Json::Array(elements), _) if !elements.is_empty() => {
            elements.iter().flat_map(|element| values(element, path)).collect()
        }
        (value, []) => vec![value],
        (object, [name, rest @ ..]) => {
            object.member(name).map(|value| values(value, rest)).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests;
