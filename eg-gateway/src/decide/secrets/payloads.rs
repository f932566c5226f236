//! Hides the sensitive parts of payloads, and puts them back when a client writes what it has read. `marks` knows which parts
//! are sensitive.

use eg_grammar::SYSTEM_PREFIX;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::marks::{Marks, Place};
use super::members::Members;
use super::{MASK, is_mask};

/// What happens to a sensitive value.
#[derive(Clone, Copy)]
enum Mode<'a> {
    /// The mask replaces it.
    Hide,
    /// If it is a mask, the stored value replaces it. There may be none, because clients edit events.
    Restore(Option<&'a RawValue>),
}

impl<'a> Mode<'a> {
    fn stored(self) -> Option<&'a RawValue> {
        match self {
            Self::Hide => None,
            Self::Restore(stored) => stored,
        }
    }

    /// Returns the mode for a part of the value; `stored` is the same part of the stored value.
    fn of_part(self, stored: Option<&RawValue>) -> Mode<'_> {
        match self {
            Self::Hide => Mode::Hide,
            Self::Restore(_) => Mode::Restore(stored),
        }
    }
}

/// A changed value, `None` if nothing changes, or the path to a mask that no stored value can replace.
type Changed = Result<Option<Box<RawValue>>, String>;

/// Returns the event with masks in place of the sensitive parts of its payload, and of those of an event that a system event is
/// about; `None` if it has none. `marks` returns the marks of an event type.
pub(super) fn hidden(
    event: &RawValue,
    marks: &mut impl FnMut(&str) -> Option<Marks>,
) -> Option<Box<RawValue>> {
    rewrite(event, Mode::Hide, marks).ok().flatten()
}

/// Returns an event that a client has edited, with the sensitive parts of the stored one in place of masks; `None` if it has no
/// masks that stand for any.
///
/// # Errors
/// Returns the path to a mask that stands for no stored value.
pub(super) fn restored(
    edited: &RawValue,
    stored: &RawValue,
    marks: &mut impl FnMut(&str) -> Option<Marks>,
) -> Changed {
    rewrite(edited, Mode::Restore(Some(stored)), marks)
}

fn rewrite(event: &RawValue, mode: Mode<'_>, marks: &mut impl FnMut(&str) -> Option<Marks>) -> Changed {
    // The type of the stored event decided what the client has read as a mask.
    let Some(ty) = Members::read(mode.stored().unwrap_or(event)).and_then(|event| event.event_type()) else {
        return Ok(None);
    };
    if ty.starts_with(SYSTEM_PREFIX) {
        return members(event, mode, |name, data, mode| match name {
            "data" => members(data, mode, |name, event, mode| match name {
                "event" => rewrite(event, mode, marks),
                _ => Ok(None),
            }),
            _ => Ok(None),
        });
    }
    let Some(marks) = marks(&ty) else { return Ok(None) };
    members(event, mode, |name, data, mode| match name {
        "data" => change(data, mode, &marks),
        // What is not JSON has no parts.
        "data_base64" => change(data, mode, &Marks::WHOLE),
        _ => Ok(None),
    })
}

fn change(value: &RawValue, mode: Mode<'_>, marks: &Marks) -> Changed {
    match (marks.place(value.get()), mode) {
        (Place::Nowhere, _) => Ok(None),
        (Place::Whole, Mode::Hide) => Ok(to_raw_value(MASK).ok()),
        (Place::Whole, Mode::Restore(_)) if !is_mask(value) => Ok(None),
        (Place::Whole, Mode::Restore(Some(stored))) => Ok(Some(stored.to_owned())),
        (Place::Whole, Mode::Restore(None)) => Err(String::new()),
        (Place::Members, _) => members(value, mode, |name, value, mode| {
            marks.of_member(name).map_or(Ok(None), |marks| change(value, mode, marks))
        }),
        (Place::Items(marks), _) => items(value, mode, marks),
    }
}

/// Changes the members of an object.
fn members(
    object: &RawValue,
    mode: Mode<'_>,
    mut change: impl FnMut(&str, &RawValue, Mode<'_>) -> Changed,
) -> Changed {
    let Some(mut members) = Members::read(object) else { return Ok(None) };
    let stored = mode.stored().and_then(Members::read);
    let mut changed = false;
    for member in &mut members.0 {
        let known = stored.as_ref().and_then(|stored| stored.value(&member.name));
        let new = change(&member.name, &member.value, mode.of_part(known));
        if let Some(new) = new.map_err(|rest| format!(".{}{rest}", member.name))? {
            (member.value, changed) = (new, true);
        }
    }
    Ok(if changed { members.write() } else { None })
}

/// Changes the items of an array. The masks of an item are restored only if no item was added or removed and the rest of the item
/// is as it was, so that no item gets the values of another one.
fn items(array: &RawValue, mode: Mode<'_>, marks: &Marks) -> Changed {
    let list = |json: &RawValue| serde_json::from_str::<Vec<Box<RawValue>>>(json.get()).ok();
    let Some(mut items) = list(array) else { return Ok(None) };
    let stored = mode.stored().and_then(list).filter(|stored| stored.len() == items.len());
    let mut changed = false;
    for (at, item) in items.iter_mut().enumerate() {
        let is_same = |known: &&RawValue| {
            plain(known, marks).is_some_and(|known| plain(item, marks).is_some_and(|item| item == known))
        };
        let known = stored.as_ref().map(|stored| &*stored[at]).filter(is_same);
        let new = change(item, mode.of_part(known), marks).map_err(|rest| format!("[{at}]{rest}"))?;
        if let Some(new) = new {
            (*item, changed) = (new, true);
        }
    }
    Ok(if changed { to_raw_value(&items).ok() } else { None })
}

/// Returns the parts of a value that are not sensitive.
fn plain(value: &RawValue, marks: &Marks) -> Option<Value> {
    let hidden = change(value, Mode::Hide, marks).ok()?;
    serde_json::from_str(hidden.as_deref().unwrap_or(value).get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type": "object", "properties": {
        "order": {"type": "integer"},
        "card": {"writeOnly": true, "type": ["string", "null"]},
        "people": {"type": "array", "items": {"type": "object", "properties": {"email": {"writeOnly": true}}}},
        "notes": {"type": "object", "additionalProperties": {"writeOnly": true, "type": "string"}},
        "sent": {"properties": {"by": {}}, "additionalProperties": {"writeOnly": true}},
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

    /// Returns the event with the payload `edited`, restored from one with the payload `stored`.
    fn restore(edited: &str, stored: &str) -> Result<String, String> {
        let restored = restored(&raw(&event(edited)), &raw(&event(stored)), &mut marks)?;
        Ok(restored.map_or_else(|| event(edited), |restored| restored.get().to_owned()))
    }

    #[test]
    fn sensitive_parts_are_masked_and_nothing_else() {
        let data = r#"{"order":12345678901234567890,"card":"4711","people":[{"email":"d@x","name":"D"},{"name":"E"}],"notes":{"a":"b"},"sent":{"by":"post","to":"D"},"paid":{"iban":"DE","by":1.50},"more":"4711"}"#;
        let masked = r#"{"order":12345678901234567890,"card":"*****","people":[{"email":"*****","name":"D"},{"name":"E"}],"notes":{"a":"*****"},"sent":{"by":"post","to":"*****"},"paid":{"iban":"*****","by":1.50},"more":"4711"}"#;
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
            event(r#"{"paid":"cash"}"#),
            event("null"),
            event(data).replace("card.charged", "card.refunded"),
            "[]".to_owned(),
            r#"{"type":"card.charged"}"#.to_owned(),
        ] {
            assert!(hidden(&raw(&other), &mut marks).is_none(), "{other}");
        }
    }

    #[test]
    fn a_value_of_another_kind_than_its_schema_is_masked_as_a_whole() {
        for (data, masked) in [
            (r#""{\"card\":\"4711\"}""#, r#""*****""#),
            (r#"[{"card":"4711"}]"#, r#""*****""#),
            ("4711", r#""*****""#),
            (r#"{"people":{"email":"d@x"}}"#, r#"{"people":"*****"}"#),
            (r#"{"paid":"DE"}"#, r#"{"paid":"*****"}"#),
            (r#"{"people":["d@x",null]}"#, r#"{"people":["*****",null]}"#),
            (r#"{"notes":"n","order":[1]}"#, r#"{"notes":"*****","order":[1]}"#),
        ] {
            assert_eq!(shown(&event(data)), event(masked));
            assert_eq!(restore(masked, data).unwrap(), event(data));
        }
    }

    #[test]
    fn an_edited_event_gets_its_sensitive_parts_back() {
        let stored = event(r#"{"order":1,"card":"4711","people":[{"email":"d@x"},{"email":"e@x"}]}"#);
        let edited = shown(&stored).replace("\"order\":1", "\"order\":2");
        let found = restored(&raw(&edited), &raw(&stored), &mut marks).unwrap().unwrap();
        assert_eq!(found.get(), stored.replace("\"order\":1", "\"order\":2"));
        let about =
            |event: &str| format!(r#"{{"type":"eventgateway.event.received","data":{{"event":{event}}}}}"#);
        let found = restored(&raw(&about(&edited)), &raw(&about(&stored)), &mut marks).unwrap().unwrap();
        assert_eq!(found.get(), about(&stored.replace("\"order\":1", "\"order\":2")));
        let retyped = edited.replace("card.charged", "card.refunded");
        let found = restored(&raw(&retyped), &raw(&stored), &mut marks).unwrap().unwrap();
        assert!(found.get().contains("4711"), "the stored event decides: {found}");
    }

    #[test]
    fn what_a_client_has_written_stays() {
        let new = r#"{"card":"new","people":[{"email":"f@x"}],"notes":{"a":"b"}}"#;
        for stored in [r#"{"order":1}"#, r#"{"card":"4711","people":[]}"#, "null", r#""text""#] {
            assert_eq!(restore(new, stored).unwrap(), event(new), "{stored}");
        }
        let about =
            |event: &str| format!(r#"{{"type":"eventgateway.event.received","data":{{"event":{event}}}}}"#);
        let binary = event("0").replace("\"data\":0", "\"data_base64\":\"NDcxMQ==\"");
        let none = event("0").replace(",\"data\":0", "");
        for (edited, stored) in [
            (event(new), binary.clone()),
            (event(new), none.clone()),
            (binary, none),
            (about(&event(new)), about("null")),
            (about(&event(new)), r#"{"type":"eventgateway.event.received"}"#.to_owned()),
        ] {
            assert_eq!(
                restored(&raw(&edited), &raw(&stored), &mut marks).unwrap().map(|_| ()),
                None,
                "{stored}"
            );
        }
    }

    #[test]
    fn no_item_gets_the_values_of_another_one() {
        let stored = r#"{"people":[{"id":1,"email":"d@x"},{"email":"e@x","id":2}]}"#;
        let (first, second) = (r#"{"id":1,"email":"*****"}"#, r#"{"id":2,"email":"*****"}"#);
        let people = |people: &[&str]| format!(r#"{{"people":[{}]}}"#, people.join(","));
        let new = r#"{"id":2,"email":"f@x"}"#;
        assert_eq!(
            restore(&people(&[first, new]), stored).unwrap(),
            event(&people(&[&first.replace(MASK, "d@x"), new]))
        );
        for (edited, at) in [
            (people(&[second]), 0),
            (people(&[second, first]), 0),
            (people(&[first, second, first]), 0),
            (people(&[first, r#"{"id":3,"email":"*****"}"#]), 1),
        ] {
            assert_eq!(restore(&edited, stored), Err(format!(".data.people[{at}].email")), "{edited}");
        }
        let (twice, hidden) = (r#"{"card":"1","card":"2"}"#, r#"{"card":"*****","card":"*****"}"#);
        assert_eq!(restore(hidden, twice).unwrap(), event(&twice.replace('1', "2")), "the last one counts");
        assert_eq!(restore(r#"{"people":[]}"#, stored).unwrap(), event(r#"{"people":[]}"#));
        assert_eq!(restore(r#"{"card":"*****"}"#, stored), Err(".data.card".to_owned()));
        assert_eq!(restore(r#"{"order":"*****"}"#, stored).unwrap(), event(r#"{"order":"*****"}"#));
    }
}
