//! Compares two JSON Schemas: whether the consumer's schema allows everything that the producer's schema allows.
//!
//! Supports what Rust types become: objects, arrays, tuples, maps, numbers with ranges, enums in all of serde's
//! forms, and references. Keywords that it does not know (patterns, conditions) are assumed to fit, so there are no
//! false findings.

mod forms;
mod values;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use self::forms::{
    accepts_all, alike, alternatives, describe, kind, listed, required, resolved, takes, without_null,
};
pub(crate) use self::values::misfits;
use super::Fact;

/// Returns the differences between producer and consumer. The result is empty if the consumer can read every value
/// that the producer writes.
pub(crate) fn compare(producer: &Value, consumer: &Value) -> Vec<Fact> {
    let mut comparison = Comparison { producer, consumer, open: Vec::new(), found: Vec::new() };
    comparison.values(producer, consumer, &Path::root());
    comparison.found
}

/// A place in a payload.
#[derive(Debug, Clone)]
struct Path(String);

impl Path {
    fn root() -> Self {
        Self("data".to_owned())
    }

    fn member(&self, name: &str) -> Self {
        Self(format!("{}.{name}", self.0))
    }

    fn element(&self, what: &str) -> Self {
        Self(format!("{}[{what}]", self.0))
    }
}

struct Comparison<'a> {
    /// The root schema for the producer's references.
    producer: &'a Value,
    consumer: &'a Value,
    /// The pairs of forms that are being compared. A pair nested in itself is skipped.
    open: Vec<(Value, Value)>,
    found: Vec<Fact>,
}

impl Comparison<'_> {
    fn tell(&mut self, path: &Path, problem: impl Into<String>) {
        let fact = Fact { path: path.0.clone(), problem: problem.into() };
        if !self.found.contains(&fact) {
            self.found.push(fact);
        }
    }

    fn values(&mut self, producer: &Value, consumer: &Value, path: &Path) {
        let written = resolved(self.producer, producer);
        let read = resolved(self.consumer, consumer);
        if accepts_all(&read) {
            return;
        }
        let alternatives = alternatives(self.consumer, &read);
        for one in forms::alternatives(self.producer, &written) {
            self.alternative(&one, &alternatives, path);
        }
    }

    /// Compares one form that the producer writes with all forms that the consumer reads.
    fn alternative(&mut self, written: &Value, read: &[Value], path: &Path) {
        let mut nearest: Option<(usize, Vec<Fact>)> = None;
        for candidate in read {
            let before = std::mem::take(&mut self.found);
            self.single(written, candidate, path);
            let found = std::mem::replace(&mut self.found, before);
            if found.is_empty() {
                return;
            }
            // A form of another type does not explain what is wrong with this one.
            let distance =
                found.len() + if alike(self.producer, written, self.consumer, candidate) { 0 } else { 1000 };
            if nearest.as_ref().is_none_or(|(known, _)| distance < *known) {
                nearest = Some((distance, found));
            }
        }
        match nearest {
            Some((distance, found)) if distance < 1000 || read.len() == 1 => {
                for fact in found {
                    self.tell(&Path(fact.path), fact.problem);
                }
            }
            _ => {
                let forms: BTreeSet<String> = read.iter().map(describe).collect();
                let forms: Vec<String> = forms.into_iter().collect();
                self.tell(
                    path,
                    format!("may be {}, and is read as {}", describe(written), forms.join(" or ")),
                );
            }
        }
    }

    /// Compares two forms without alternatives.
    fn single(&mut self, written: &Value, read: &Value, path: &Path) {
        let pair = (written.clone(), read.clone());
        if accepts_all(read) || self.open.contains(&pair) {
            return;
        }
        self.open.push(pair);
        self.forms(written, read, path);
        self.open.pop();
    }

    fn forms(&mut self, written: &Value, read: &Value, path: &Path) {
        if let Some(values) = listed(written) {
            let unread: Vec<String> =
                values.iter().filter(|value| !takes(read, value)).map(ToString::to_string).collect();
            if !unread.is_empty() {
                self.tell(path, format!("may be {}, and is read as {}", unread.join(" or "), describe(read)));
            }
            return;
        }
        let (from, to) = (kind(written), kind(read));
        if to.is_some() && from != to && !(from == Some("integer") && to == Some("number")) {
            self.tell(path, format!("is {}, and is read as {}", describe(written), describe(read)));
            return;
        }
        if listed(read).is_some() {
            self.tell(
                path,
                format!("may be any {}, and is read as {}", from.unwrap_or("value"), describe(read)),
            );
            return;
        }
        match to {
            Some("object") => self.objects(written, read, path),
            Some("array") => self.arrays(written, read, path),
            Some("integer" | "number") => self.ranges(written, read, path),
            Some("string") => self.formats(written, read, path),
            _ => {}
        }
    }

    fn objects(&mut self, written: &Value, read: &Value, path: &Path) {
        let nothing = Map::new();
        let members = |schema: &Value| {
            schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_else(|| nothing.clone())
        };
        let (writes, reads) = (members(written), members(read));
        let (always, needed) = (required(written), required(read));
        for name in needed.iter().filter(|name| !always.contains(*name)) {
            let problem = if writes.contains_key(name) {
                "may be left out, and is required"
            } else {
                "is never written, and is required"
            };
            self.tell(&path.member(name), problem);
        }
        for (name, schema) in &writes {
            let path = path.member(name);
            match (reads.get(name), read.get("additionalProperties")) {
                (Some(target), _) => {
                    let optional = needed.contains(name) && !always.contains(name);
                    let schema = if optional { without_null(schema) } else { schema.clone() };
                    self.values(&schema, target, &path);
                }
                (None, Some(Value::Bool(false))) => self.tell(&path, "is written, and refused"),
                (None, Some(target)) => self.values(schema, target, &path),
                (None, None) => {}
            }
        }
        if let Some(rest) = written.get("additionalProperties").filter(|rest| rest.is_object()) {
            let path = path.element("*");
            match read.get("additionalProperties") {
                Some(Value::Bool(false)) => self.tell(&path, "is written, and refused"),
                Some(target) => self.values(rest, target, &path),
                None => {}
            }
        }
    }

    fn arrays(&mut self, written: &Value, read: &Value, path: &Path) {
        let tuple =
            |schema: &Value| schema.get("prefixItems").and_then(Value::as_array).cloned().unwrap_or_default();
        let (writes, reads) = (tuple(written), tuple(read));
        let bound = |schema: &Value, name: &str| schema.get(name).and_then(Value::as_u64);
        // The length of a tuple is the number of its elements unless the schema states another.
        let least = |schema: &Value, tuple: &[Value]| bound(schema, "minItems").unwrap_or(tuple.len() as u64);
        let (few, needed) = (least(written, &writes), least(read, &reads));
        if few < needed {
            self.tell(path, format!("may have {few} elements, and needs {needed}"));
        }
        let most = |schema: &Value| bound(schema, "maxItems");
        if let Some(limit) = most(read)
            && most(written).is_none_or(|most| most > limit)
        {
            self.tell(path, format!("may have more than {limit} elements, which is the most that is read"));
        }
        let element = |tuple: &[Value], schema: &Value, at: usize| {
            tuple.get(at).or_else(|| schema.get("items")).cloned()
        };
        for at in 0..writes.len().max(reads.len()) {
            if let (Some(one), Some(other)) = (element(&writes, written, at), element(&reads, read, at)) {
                self.values(&one, &other, &path.element(&at.to_string()));
            }
        }
        if let (Some(items), Some(target)) = (written.get("items"), read.get("items")) {
            self.values(items, target, &path.element(""));
        }
    }

    fn ranges(&mut self, written: &Value, read: &Value, path: &Path) {
        let bound = |schema: &Value, name: &str| schema.get(name).and_then(Value::as_f64);
        if let Some(limit) = bound(read, "minimum")
            && bound(written, "minimum").is_none_or(|least| least < limit)
        {
            self.tell(path, format!("may be less than {}, the least that is read", read["minimum"]));
        }
        if let Some(limit) = bound(read, "maximum")
            && bound(written, "maximum").is_none_or(|most| most > limit)
        {
            self.tell(path, format!("may be more than {}, the most that is read", read["maximum"]));
        }
    }

    fn formats(&mut self, written: &Value, read: &Value, path: &Path) {
        if let Some(format) = read.get("format").and_then(Value::as_str)
            && written.get("format").and_then(Value::as_str) != Some(format)
        {
            self.tell(path, format!("may be any string, and is read as a {format}"));
        }
    }
}

#[cfg(test)]
mod tests;
