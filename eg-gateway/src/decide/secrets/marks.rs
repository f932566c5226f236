//! The sensitive parts of a value: those that its JSON Schema marks as `writeOnly`. `payloads` hides and restores them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The keywords below which each part has marks of its own. A mark below any other keyword hides the value as a whole.
const KEYWORDS: [&str; 7] =
    ["properties", "additionalProperties", "items", "prefixItems", "anyOf", "oneOf", "allOf"];

/// The keywords that refer to another part of the schema.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// The keywords whose parts count only where a reference leads to them.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

const MARK: &str = "writeOnly";

/// The sensitive parts of a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Marks {
    /// All of it.
    pub(super) whole: bool,
    /// The marks of named members; `None` if they have none, and `values` does not count for them.
    members: BTreeMap<String, Option<Marks>>,
    /// The members without a name of their own.
    values: Option<Box<Marks>>,
    /// The items of an array.
    items: Option<Box<Marks>>,
    /// The texts that the schema itself allows instead: variants of an enum without a content.
    words: BTreeSet<String>,
}

/// Where the marks of a value are.
pub(super) enum Place<'a> {
    Nowhere,
    Whole,
    Members,
    Items(&'a Marks),
}

impl Marks {
    pub(super) const WHOLE: Self =
        Self { whole: true, members: BTreeMap::new(), values: None, items: None, words: BTreeSet::new() };

    /// Returns the sensitive parts by a JSON Schema; `None` if there are none.
    pub(super) fn of(schema: &str) -> Option<Self> {
        match serde_json::from_str(schema) {
            Ok(schema) if has_marks(&schema) => Self::read(&schema),
            Ok(_) => None,
            // It cannot be read, for example because it is nested too deeply, and may mark anything.
            Err(_) => schema.contains(MARK).then_some(Self::WHOLE),
        }
    }

    /// Reads a part of a schema that has marks somewhere.
    fn read(schema: &Value) -> Option<Self> {
        let keywords = schema.as_object()?;
        let elsewhere = keywords.iter().any(|(name, value)| {
            !KEYWORDS.contains(&&**name)
                && (has_marks(value) || (!DEFINITIONS.contains(&&**name) && has_references(name, value)))
        });
        let mut marks = Self { whole: schema[MARK] == true || elsewhere, ..Self::default() };
        marks.values = Self::read(&schema["additionalProperties"]).map(Box::new);
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let member = Self::read(member);
            if member.is_some() || marks.values.is_some() {
                marks.members.insert(name.clone(), member);
            }
        }
        // The positions of a tuple are not told apart: all of them are hidden if one is sensitive.
        for items in [&schema["prefixItems"], &schema["items"]] {
            let items = items.as_array().map_or(std::slice::from_ref(items), Vec::as_slice);
            for item in items.iter().filter_map(Self::read) {
                marks.items.get_or_insert_default().add(item);
            }
        }
        let alternatives = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|name| schema[name].as_array());
        let mut words = BTreeSet::new();
        for alternative in alternatives.flatten() {
            match Self::read(alternative) {
                Some(alternative) => marks.add(alternative),
                None => words.extend(self::words(alternative)),
            }
        }
        if marks == Self::default() {
            return None;
        }
        marks.words.append(&mut words);
        Some(marks)
    }

    fn add(&mut self, mut other: Self) {
        self.whole |= other.whole;
        self.words.append(&mut other.words);
        // What has a name in one of them may be without a name in the other one.
        let names: BTreeSet<&String> = self.members.keys().chain(other.members.keys()).collect();
        let both = |name: &String| sum(self.of_member(name).cloned(), other.of_member(name).cloned());
        self.members = names.into_iter().map(|name| (name.clone(), both(name))).collect();
        for (own, others) in [(&mut self.values, other.values), (&mut self.items, other.items)] {
            *own = sum(own.take().map(|own| *own), others.map(|others| *others)).map(Box::new);
        }
    }

    pub(super) fn of_member(&self, name: &str) -> Option<&Self> {
        self.members.get(name).map_or(self.values.as_deref(), Option::as_ref)
    }

    /// Returns where the marks of this JSON are. A value of another kind than its schema may contain a sensitive value
    /// anywhere, so all of it is sensitive.
    pub(super) fn place(&self, json: &str) -> Place<'_> {
        match (json.as_bytes().first(), &self.items) {
            // Whether there is a value is no secret.
            (Some(b'n'), _) => Place::Nowhere,
            _ if self.whole => Place::Whole,
            (Some(b'"'), _)
                if serde_json::from_str(json).is_ok_and(|text: String| self.words.contains(&text)) =>
            {
                Place::Nowhere
            }
            (Some(b'{'), _) if self.values.is_some() || !self.members.is_empty() => Place::Members,
            (Some(b'['), Some(items)) => Place::Items(items),
            _ => Place::Whole,
        }
    }
}

fn sum(one: Option<Marks>, other: Option<Marks>) -> Option<Marks> {
    match (one, other) {
        (Some(mut one), Some(other)) => {
            one.add(other);
            Some(one)
        }
        (one, other) => one.or(other),
    }
}

/// Returns the texts that a schema allows by name.
fn words(schema: &Value) -> impl Iterator<Item = String> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    listed.chain(schema.get("const")).filter_map(|word| word.as_str().map(str::to_owned))
}

/// Returns whether this keyword, or a part of its value, refers to another part of the schema, which may have a mark.
fn has_references(name: &str, value: &Value) -> bool {
    match value {
        Value::String(to) => REFERENCES.contains(&name) && to.contains('#'),
        Value::Object(members) => members.iter().any(|(name, value)| has_references(name, value)),
        Value::Array(items) => items.iter().any(|item| has_references(name, item)),
        _ => false,
    }
}

fn has_marks(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.iter().any(|(name, value)| name == MARK && *value == true || has_marks(value))
        }
        Value::Array(items) => items.iter().any(has_marks),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_below_every_keyword() {
        for schema in [
            r##"{"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"b": {"writeOnly": true}}}}}"##,
            r#"{"patternProperties": {"^a": {"writeOnly": true}}}"#,
            r#"{"if": {}, "then": {"allOf": [{"writeOnly": true}]}}"#,
        ] {
            assert_eq!(Marks::of(schema), Some(Marks::WHOLE), "{schema}");
        }
        let draft_7 = r#"{"items": [{"type": "string"}, {"writeOnly": true}]}"#;
        assert!(matches!(Marks::of(draft_7).unwrap().place("[1]"), Place::Items(Marks { whole: true, .. })));
        let alternatives = r#"{"anyOf": [{"properties": {"a": {}}, "additionalProperties": {"writeOnly": true}},
            {"properties": {"a": {}, "b": {"properties": {"c": {"writeOnly": true}}}}}]}"#;
        let marks = Marks::of(alternatives).unwrap();
        for (name, expected) in [("a", None), ("b", Some(true)), ("c", Some(true))] {
            assert_eq!(marks.of_member(name).map(|marks| marks.whole), expected, "{name}");
        }
        // What a reference leads to may contain a mark.
        for refers in [
            r##"{"$ref": "#"}"##,
            r##"{"$ref": "#/properties/a"}"##,
            r##"{"$dynamicRef": "#a"}"##,
            r##"{"patternProperties": {"^x": {"$ref": "#/properties/a"}}}"##,
            r##"{"not": {"anyOf": [true, {"$ref": "https://example.com/schema#a"}]}}"##,
        ] {
            let schema = format!(r#"{{"properties": {{"a": {{"writeOnly": true}}, "b": {refers}}}}}"#);
            assert_eq!(Marks::of(&schema).unwrap().of_member("b"), Some(&Marks::WHOLE), "{schema}");
            assert_eq!(Marks::of(&schema.replace("writeOnly", "readOnly")), None, "{schema}");
        }
        assert_eq!(Marks::of(r#"{"properties": {"a": {"writeOnly": true}"#), Some(Marks::WHOLE));
        for schema in ["{}", "true", "{", r#"{"properties": {"writeOnly": {"type": "string"}}}"#] {
            assert_eq!(Marks::of(schema), None, "{schema}");
        }
    }
}
