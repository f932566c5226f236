//! The members of a JSON object, undecoded and in order, including repeated ones.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::InvalidEvent;

/// The undecoded members of an event's JSON object, in order.
#[derive(Debug)]
pub struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Parses the members of the object `json`.
    ///
    /// # Errors
    /// If `json` is not an object.
    pub fn read(json: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// Returns the first member named `name`; `null` counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        let raw = self.0.iter().find(|(n, _)| n == name).map(|(_, raw)| *raw);
        raw.filter(|raw| raw.get() != "null")
    }

    /// Returns the names of the members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }

    /// Removes and returns the member `name`. A repeated member is an error, because readers disagree on which one
    /// counts.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<&'a RawValue>, InvalidEvent> {
        let Some(at) = self.0.iter().position(|(n, _)| n == name) else { return Ok(None) };
        let (_, raw) = self.0.swap_remove(at);
        if self.0.iter().any(|(n, _)| n == name) {
            return Err(InvalidEvent::attribute(name, "given twice"));
        }
        Ok(Some(raw))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event, which is a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(12);
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// Members that borrow nothing, for deserializers that read a stream.
pub(crate) struct OwnedMembers(Vec<(String, Box<RawValue>)>);

impl OwnedMembers {
    pub(crate) fn as_members(&self) -> Members<'_> {
        Members(self.0.iter().map(|(name, raw)| (Cow::Borrowed(name.as_str()), &**raw)).collect())
    }
}

impl<'de> Deserialize<'de> for OwnedMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = OwnedMembers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event, which is a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(12);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(OwnedMembers(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// A member's name, borrowed unless it contains escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
