//! Matches events against the `filter` of a subscription, an EventBridge pattern, and finds the clause that an event
//! does not match. The gateway and the tests of `eg-runtime` filter with it. `filterable` decides which parts of an event a
//! pattern sees.
//!
//! ```
//! use eg_sdk::pattern::{Pattern, filterable};
//! use eg_sdk::CloudEvent;
//! use serde_json::json;
//!
//! let filter = Pattern::read(&json!({ "data": { "amount": [{ "numeric": [">", 500] }] } })).unwrap();
//! let event = CloudEvent::from_json(
//!     br#"{"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.placed", "data": {"amount": 12}}"#,
//! )?;
//! assert_eq!(filter.check(&filterable(&event)).unwrap_err().clause, "data.amount");
//! # Ok::<(), eg_sdk::InvalidEvent>(())
//! ```

mod condition;
mod event;
mod json;
mod mismatch;

use eg_grammar::is_exact;
use eg_grammar::limits::PATTERN_DEPTH;
use serde_json::{Map, Value};

use self::condition::Condition;
pub use self::event::filterable;
pub use self::json::Json;
pub use self::mismatch::Mismatch;

/// A valid pattern. An event matches if it meets all clauses. The clauses below a field that is an array must be met by the
/// same element of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Vec<Clause>);

#[derive(Debug, Clone, PartialEq)]
enum Clause {
    /// A member of the object, or one of the values in it, meets one of the conditions.
    Field { name: String, path: Vec<String>, conditions: Vec<Condition>, rule: Value },
    /// A member of the object matches a pattern.
    Object { name: String, path: Vec<String>, pattern: Pattern, rule: Value },
    /// The object matches one of the patterns.
    Or { patterns: Vec<Pattern>, rule: Value },
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Describes the first invalid clause, and what to write instead.
    pub fn read(value: &Value) -> Result<Self, String> {
        let Value::Object(members) = value else { return Err("filter must be an object".to_owned()) };
        if members.is_empty() {
            return Err("filter is empty: name an attribute, or leave the filter out".to_owned());
        }
        read_object(members, &mut Vec::new(), 0)
    }

    /// Checks that no number in a filter has lost digits when it was read.
    ///
    /// # Errors
    /// Names the first number that is too large.
    pub fn check_numbers(filter: &Value) -> Result<(), String> {
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
    ///
    /// # Errors
    /// Returns the first clause that the event does not meet, without the event's value.
    pub fn check(&self, event: &Json<'_>) -> Result<(), Box<Mismatch>> {
        if self.holds(Some(event), event) {
            return Ok(());
        }
        Err(self.unmet(event).unwrap_or_else(|| self.unmet_together(Some(event), event)))
    }

    /// Returns whether `value`, which is at the place of this pattern in `event`, or one of its elements matches.
    fn holds(&self, value: Option<&Json<'_>>, event: &Json<'_>) -> bool {
        match value {
            Some(Json::Array(elements)) if !elements.is_empty() => {
                elements.iter().any(|element| self.holds(Some(element), event))
            }
            value => self.0.iter().all(|clause| clause.holds(value, event)),
        }
    }

    /// Returns the first clause that no part of the event meets.
    fn unmet(&self, event: &Json<'_>) -> Option<Box<Mismatch>> {
        self.0.iter().find_map(|clause| match clause {
            Clause::Field { path, conditions, rule, .. } => {
                let found = values(event, path);
                let holds = |condition: &Condition| match condition {
                    Condition::Exists(expected) => *expected != found.is_empty(),
                    condition => found.iter().any(|value| condition.holds_for(value)),
                };
                let is_met = conditions.iter().any(holds);
                (!is_met).then(|| mismatch(path.join("."), path, rule))
            }
            Clause::Object { pattern, .. } => pattern.unmet(event),
            Clause::Or { patterns, rule } => {
                let is_met = patterns.iter().any(|pattern| pattern.unmet(event).is_none());
                (!is_met).then(|| mismatch("$or".to_owned(), &[], rule))
            }
        })
    }

    /// Returns the clause whose parts are met by different elements of an array only.
    fn unmet_together(&self, value: Option<&Json<'_>>, event: &Json<'_>) -> Box<Mismatch> {
        let unmet = self.0.iter().find(|clause| !clause.holds(value, event)).or(self.0.first());
        match unmet {
            Some(Clause::Object { name, pattern, path, rule }) => match member(value, name) {
                Some(Json::Array(_)) | None => mismatch(path.join("."), path, rule),
                inner => pattern.unmet_together(inner, event),
            },
            Some(Clause::Field { path, rule, .. }) => mismatch(path.join("."), path, rule),
            Some(Clause::Or { rule, .. }) => mismatch("$or".to_owned(), &[], rule),
            None => mismatch(String::new(), &[], &Value::Null),
        }
    }
}

fn read_object(
    members: &Map<String, Value>,
    path: &mut Vec<String>,
    depth: usize,
) -> Result<Pattern, String> {
    let mut clauses = Vec::new();
    for (name, value) in members {
        if name == "$or" {
            clauses.push(read_or(value, path, depth)?);
            continue;
        }
        path.push(name.clone());
        let (name, at, rule) = (name.clone(), path.clone(), value.clone());
        clauses.push(match value {
            Value::Object(inner) if inner.is_empty() => {
                return Err(format!("filter.{} is empty: write what its members must be", path.join(".")));
            }
            Value::Object(inner) => {
                Clause::Object { name, path: at, pattern: read_object(inner, path, depth)?, rule }
            }
            Value::Array(rules) if rules.is_empty() => {
                return Err(format!("filter.{} is empty: it could never match", path.join(".")));
            }
            Value::Array(rules) => {
                let read =
                    |rule| Condition::read(rule).map_err(|e| format!("filter.{}: {e}", path.join(".")));
                let conditions = rules.iter().map(read).collect::<Result<_, _>>()?;
                Clause::Field { name, path: at, conditions, rule }
            }
            other => {
                let path = path.join(".");
                return Err(format!("filter.{path} is {other}: values stand in an array, as in [{other}]"));
            }
        });
        path.pop();
    }
    Ok(Pattern(clauses))
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
        patterns.push(read_object(members, path, depth + 1)?);
    }
    Ok(Clause::Or { patterns, rule: value.clone() })
}

impl Clause {
    /// Returns whether a value, which is no array with elements, meets the clause.
    fn holds(&self, value: Option<&Json<'_>>, event: &Json<'_>) -> bool {
        match self {
            Self::Field { name, path, conditions, .. } => {
                let found = member(value, name).map(|value| values(value, &[])).unwrap_or_default();
                conditions.iter().any(|condition| match condition {
                    Condition::Exists(true) => !found.is_empty(),
                    // Absent from the whole event, and not only from one element of an array.
                    Condition::Exists(false) => found.is_empty() && values(event, path).is_empty(),
                    condition => found.iter().any(|value| condition.holds_for(value)),
                })
            }
            Self::Object { name, pattern, .. } => pattern.holds(member(value, name), event),
            Self::Or { patterns, .. } => patterns.iter().any(|pattern| pattern.holds(value, event)),
        }
    }
}

fn member<'v, 'a>(value: Option<&'v Json<'a>>, name: &str) -> Option<&'v Json<'a>> {
    value.and_then(|value| value.member(name))
}

/// Returns a mismatch without the value of the event, which may be a secret: `secrets` adds what a client may read of it.
fn mismatch(clause: String, path: &[String], rule: &Value) -> Box<Mismatch> {
    Box::new(Mismatch { clause, path: path.to_owned(), value: None, expected: rule.clone() })
}

/// Returns what an event has at the path of a clause; `None` if it has nothing there, or the clause has no path.
#[must_use]
pub fn value_at(event: &Json<'_>, path: &[String]) -> Option<Value> {
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
