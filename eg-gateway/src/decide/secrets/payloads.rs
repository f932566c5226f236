//! The sensitive parts of payloads: those that the schema of the event's type marks as `writeOnly`.

use std::collections::BTreeMap;

use eg_grammar::SYSTEM_PREFIX;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::MASK;
use super::members::Members;

/// The sensitive parts of a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Marks {
    /// All of it.
    whole: bool,
    members: BTreeMap<String, Marks>,
    /// The members without a name of their own.
    values: Option<Box<Marks>>,
    /// The items of an array.
    items: Option<Box<Marks>>,
}

impl Marks {
    /// Returns the sensitive parts by a JSON Schema; `None` if there are none.
    pub(crate) fn of(schema: &str) -> Option<Self> {
        Self::read(&serde_json::from_str(schema).ok()?)
    }

    fn read(schema: &Value) -> Option<Self> {
        if !schema.is_object() {
            return None;
        }
        let mut marks = Self { whole: schema["writeOnly"] == true, ..Self::default() };
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(member) = Self::read(member) {
                marks.members.insert(name.clone(), member);
            }
        }
        let alternatives = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|name| schema[name].as_array());
        marks.values = Self::read(&schema["additionalProperties"]).map(Box::new);
        // The positions of a tuple are not told apart: all of them are hidden if one is sensitive.
        let positions = schema["prefixItems"].as_array().into_iter().flatten();
        for item in positions.chain([&schema["items"]]).filter_map(Self::read) {
            marks.items.get_or_insert_default().add(item);
        }
        for alternative in alternatives.flatten().filter_map(Self::read) {
            marks.add(alternative);
        }
        (marks != Self::default()).then_some(marks)
    }

    fn add(&mut self, other: Self) {
        self.whole |= other.whole;
        for (name, marks) in other.members {
            self.members.entry(name).or_default().add(marks);
        }
        for (own, others) in [(&mut self.values, other.values), (&mut self.items, other.items)] {
            if let Some(others) = others {
                own.get_or_insert_default().add(*others);
            }
        }
    }

    /// Returns whether the value at a path is sensitive, or contains what is.
    pub(crate) fn hides(&self, path: &[&str]) -> bool {
        let Some((name, rest)) = path.split_first().filter(|_| !self.whole) else { return true };
        self.of_member(name).is_some_and(|marks| marks.hides(rest))
            // The names of a path go through arrays.
            || self.items.as_deref().is_some_and(|marks| marks.hides(path))
    }

    fn of_member(&self, name: &str) -> Option<&Self> {
        self.members.get(name).or(self.values.as_deref())
    }
}

/// Returns the event with masks in place of the sensitive parts of its payload, and of those of an event that a system event is
/// about; `None` if it has none. `marks` returns the marks of an event type.
pub(crate) fn hidden(
    event: &RawValue,
    marks: &mut impl FnMut(&str) -> Option<Marks>,
) -> Option<Box<RawValue>> {
    rewrite(event, None, marks)
}

/// Returns an event that a client has edited, with the sensitive parts of the stored one in place of masks; `None` if it has no
/// masks that stand for any.
pub(crate) fn restored(
    edited: &RawValue,
    stored: &RawValue,
    marks: &mut impl FnMut(&str) -> Option<Marks>,
) -> Option<Box<RawValue>> {
    rewrite(edited, Some(stored), marks)
}

/// Masks an event or, with the `stored` one, puts its values in place of masks.
fn rewrite(
    event: &RawValue,
    stored: Option<&RawValue>,
    marks: &mut impl FnMut(&str) -> Option<Marks>,
) -> Option<Box<RawValue>> {
    let mut members = Members::read(event)?;
    let mut stored = stored.map(Members::read);
    if matches!(stored, Some(None)) {
        return None;
    }
    let mut stored = stored.as_mut().and_then(Option::as_mut);
    let ty = members.text("type").or_else(|| members.text("eventType"))?;
    if ty.starts_with(SYSTEM_PREFIX) {
        let mut data = Members::read(&members.get("data")?.value)?;
        let mut stored_data = stored.and_then(|stored| Members::read(&stored.get("data")?.value));
        let stored_event = stored_data.as_mut().and_then(|data| Some(data.get("event")?.value.clone()));
        let about = data.get("event")?;
        about.value = rewrite(&about.value.clone(), stored_event.as_deref(), marks)?;
        members.get("data")?.value = data.write()?;
        return members.write();
    }
    let marks = marks(&ty)?;
    // What is not JSON has no parts.
    let (name, marks) = match members.get("data_base64") {
        Some(_) => ("data_base64", Marks { whole: true, ..Marks::default() }),
        None => ("data", marks),
    };
    let stored = stored.as_mut().and_then(|stored| Some(stored.get(name)?.value.clone()));
    let data = members.get(name)?;
    data.value = change(&data.value.clone(), stored.as_deref(), &marks)?;
    members.write()
}

/// Returns the changed value; `None` if nothing changes.
fn change(value: &RawValue, stored: Option<&RawValue>, marks: &Marks) -> Option<Box<RawValue>> {
    if marks.whole {
        return match stored {
            Some(stored) => is_mask(value).then(|| stored.to_owned()),
            // Whether there is a value is no secret.
            None if value.get() == "null" => None,
            None => to_raw_value(MASK).ok(),
        };
    }
    let mut changed = false;
    if let Some(mut members) = Members::read(value) {
        let mut stored = stored.map(|stored| Members::read(stored).unwrap_or_default());
        for member in &mut members.0 {
            let stored =
                stored.as_mut().map(|stored| stored.get(&member.name).map(|known| known.value.clone()));
            // A new member of an edited event has nothing to be restored from.
            if matches!(stored, Some(None)) {
                continue;
            }
            let known = stored.flatten();
            if let Some(marks) = marks.of_member(&member.name)
                && let Some(new) = change(&member.value.clone(), known.as_deref(), marks)
            {
                (member.value, changed) = (new, true);
            }
        }
        return if changed { members.write() } else { None };
    }
    let marks = marks.items.as_deref()?;
    let list = |json: &RawValue| serde_json::from_str::<Vec<Box<RawValue>>>(json.get());
    let mut items = list(value).ok()?;
    let stored = stored.map(|stored| list(stored).unwrap_or_default());
    for (at, item) in items.iter_mut().enumerate() {
        let known = stored.as_ref().map(|stored| stored.get(at));
        if matches!(known, Some(None)) {
            continue;
        }
        if let Some(new) = change(&item.clone(), known.flatten().map(|known| &**known), marks) {
            (*item, changed) = (new, true);
        }
    }
    if changed { to_raw_value(&items).ok() } else { None }
}

fn is_mask(value: &RawValue) -> bool {
    serde_json::from_str::<&str>(value.get()).is_ok_and(|text| text == MASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type": "object", "properties": {
        "order": {"type": "integer"},
        "card": {"writeOnly": true, "type": ["string", "null"]},
        "people": {"type": "array", "items": {"type": "object", "properties": {"email": {"writeOnly": true}}}},
        "notes": {"type": "object", "additionalProperties": {"writeOnly": true, "type": "string"}},
        "paid": {"anyOf": [{"const": "cash"}, {"type": "object", "properties": {"iban": {"writeOnly": true}}}]}
    }}"#;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    fn marks(ty: &str) -> Option<Marks> {
        Marks::of(if ty == "card.charged" { SCHEMA } else { "{\"type\":\"object\"}" })
    }

    fn event(data: &str) -> String {
        format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"card.charged","data":{data}}}"#)
    }

    fn shown(json: &str) -> String {
        hidden(&raw(json), &mut marks).unwrap_or_else(|| raw(json)).get().to_owned()
    }

    #[test]
    fn sensitive_parts_are_masked_and_nothing_else() {
        let data = r#"{"order":12345678901234567890,"card":"4711","people":[{"email":"d@x","name":"D"},{"name":"E"}],"notes":{"a":"b"},"paid":{"iban":"DE","by":1.50},"more":"4711"}"#;
        let masked = r#"{"order":12345678901234567890,"card":"*****","people":[{"email":"*****","name":"D"},{"name":"E"}],"notes":{"a":"*****"},"paid":{"iban":"*****","by":1.50},"more":"4711"}"#;
        assert_eq!(shown(&event(data)), event(masked));
        let about = |event: &str| {
            format!(
                r#"{{"type":"eventgateway.delivery.deadLettered","data":{{"reason":"x","event":{event}}}}}"#
            )
        };
        assert_eq!(shown(&about(&event(data))), about(&event(masked)));
        let binary = event("0").replace("\"data\":0", "\"data_base64\":\"NDcxMQ==\"");
        assert_eq!(shown(&binary), binary.replace("NDcxMQ==", MASK));
        for other in [
            event(r#"{"order":1}"#),
            event(r#"{"card":null}"#),
            event(r#""cash""#),
            event("[1]"),
            event(data).replace("card.charged", "card.refunded"),
            "[]".to_owned(),
            r#"{"type":"card.charged"}"#.to_owned(),
        ] {
            assert!(hidden(&raw(&other), &mut marks).is_none(), "{other}");
        }
    }

    #[test]
    fn paths_to_sensitive_parts_are_known() {
        let marks = marks("card.charged").unwrap();
        for (path, hidden) in [
            ("card", true),
            ("order", false),
            ("people", true),
            ("people.email", true),
            ("people.name", false),
            ("notes.a", true),
            ("paid.iban", true),
            ("paid.by", false),
            ("more.card", false),
        ] {
            assert_eq!(marks.hides(&path.split('.').collect::<Vec<_>>()), hidden, "{path}");
        }
    }

    #[test]
    fn an_edited_event_gets_its_sensitive_parts_back() {
        let stored = event(r#"{"order":1,"card":"4711","people":[{"email":"d@x"},{"email":"e@x"}]}"#);
        let edited = shown(&stored).replace("\"order\":1", "\"order\":2");
        let found = restored(&raw(&edited), &raw(&stored), &mut marks).unwrap();
        assert_eq!(found.get(), stored.replace("\"order\":1", "\"order\":2"));
        let replaced = event(r#"{"card":"new","people":[{"email":"f@x"}]}"#);
        assert!(
            restored(&raw(&replaced), &raw(&stored), &mut marks).is_none(),
            "there is nothing to restore"
        );
        let longer = event(r#"{"people":[{"email":"*****"},{"email":"e@x"},{"email":"*****"}]}"#);
        let found = restored(&raw(&longer), &raw(&stored), &mut marks).unwrap();
        assert_eq!(found.get(), longer.replacen(MASK, "d@x", 1), "a new item has no value to restore");
    }
}
