//! Whether everything that one JSON Schema allows is allowed by another: what a producer writes, and what a consumer reads.
//!
//! Compares what types of Rust become: objects, arrays, tuples, maps, numbers with ranges, enums in all of serde's forms,
//! references. What it does not know (patterns, conditions) it takes for fitting: a finding here is a real one.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Fact;

/// Where producer and consumer differ; empty when every value that is produced can be read.
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
    /// Where the producer's references lead.
    producer: &'a Value,
    consumer: &'a Value,
    /// The pairs that are being compared: a pair within itself adds nothing.
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
        let pair = (written.into_owned(), read.into_owned());
        if self.open.contains(&pair) {
            return;
        }
        let alternatives = alternatives(self.consumer, &pair.1);
        for one in self::alternatives(self.producer, &pair.0) {
            self.open.push(pair.clone());
            self.alternative(&one, &alternatives, path);
            self.open.pop();
        }
    }

    /// What is written in one of its forms, against all forms that are read.
    fn alternative(&mut self, written: &Value, read: &[Value], path: &Path) {
        let mut nearest: Option<(usize, Vec<Fact>)> = None;
        for candidate in read {
            let before = std::mem::take(&mut self.found);
            self.single(written, candidate, path);
            let found = std::mem::replace(&mut self.found, before);
            if found.is_empty() {
                return;
            }
            // A form of another kind says nothing about what is wrong with this one.
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

    /// Two forms without alternatives.
    fn single(&mut self, written: &Value, read: &Value, path: &Path) {
        if accepts_all(read) {
            return;
        }
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
        // A tuple is as long as its elements are many, unless it says otherwise.
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

/// A schema without references at its top, and with the parts of `allOf` in one.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> Cow<'a, Value> {
    let mut schema = Cow::Borrowed(schema);
    // References that lead in a circle end here.
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

/// Both must hold: members of objects are united, the rest of `more` counts where `whole` says nothing.
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

/// The forms that a value may have, none of which has alternatives of its own.
fn alternatives(root: &Value, schema: &Value) -> Vec<Value> {
    let choices = ["anyOf", "oneOf"].iter().find_map(|name| schema.get(*name)?.as_array());
    if let Some(choices) = choices {
        let mut common = schema.as_object().cloned().unwrap_or_default();
        common.retain(|name, _| !matches!(name.as_str(), "anyOf" | "oneOf"));
        let has_more = common.contains_key("properties") || common.contains_key("required");
        let form = |choice: &Value| match resolved(root, choice).into_owned() {
            // Fields beside an enum that is flattened into them.
            Value::Object(mut members) if has_more => {
                merge(&mut members, common.clone());
                Value::Object(members)
            }
            choice => choice,
        };
        return choices.iter().flat_map(|choice| alternatives(root, &form(choice))).collect();
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

/// Whether two forms are meant to be the same, so that their differences are worth telling.
fn alike(producer: &Value, written: &Value, consumer: &Value, read: &Value) -> bool {
    if kind(written) != kind(read) {
        return false;
    }
    // Variants of enums are told apart by a constant, or by the only field that they have.
    match (tag(producer, written), tag(consumer, read)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

fn tag(root: &Value, schema: &Value) -> Option<(String, Value)> {
    let members = schema.get("properties")?.as_object()?;
    let constant = members
        .iter()
        .find_map(|(name, member)| Some((name.clone(), listed(&resolved(root, member))?.first()?.clone())));
    constant.or_else(|| match required(schema).as_slice() {
        [only] if members.len() == 1 => Some((only.clone(), Value::Null)),
        _ => None,
    })
}

fn accepts_all(schema: &Value) -> bool {
    match schema {
        Value::Bool(all) => *all,
        Value::Object(members) => members.keys().all(|name| {
            matches!(name.as_str(), "$schema" | "title" | "description" | "default" | "$defs" | "examples")
        }),
        _ => true,
    }
}

/// The values of an `enum` or `const`.
fn listed(schema: &Value) -> Option<Vec<Value>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(value), _) => Some(vec![value.clone()]),
        (None, Some(Value::Array(values))) => Some(values.clone()),
        _ => None,
    }
}

fn takes(schema: &Value, value: &Value) -> bool {
    match listed(schema) {
        Some(values) => values.contains(value),
        None => {
            kind(schema).is_none_or(|kind| kind == kind_of(value) || (kind == "number" && value.is_number()))
        }
    }
}

fn required(schema: &Value) -> Vec<String> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

/// The one type of a form, also where only its members tell.
fn kind(schema: &Value) -> Option<&str> {
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

fn kind_of(value: &Value) -> &'static str {
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

/// A form in words: `string`, `"a" or "b"`, `object with type "circle"`.
fn describe(schema: &Value) -> String {
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

/// An optional field is written as `null` or not at all; once is enough to say so.
fn without_null(schema: &Value) -> Value {
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

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
