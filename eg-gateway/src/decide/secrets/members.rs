//! JSON objects whose members are replaced, while everything else stays as it is written.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// The members of a JSON object, in their order.
#[derive(Default)]
pub(super) struct Members(pub(super) Vec<Member>);

pub(super) struct Member {
    pub(super) name: String,
    pub(super) value: Box<RawValue>,
}

impl Members {
    pub(super) fn read(json: &RawValue) -> Option<Self> {
        serde_json::from_str(json.get()).ok()
    }

    pub(super) fn write(&self) -> Option<Box<RawValue>> {
        to_raw_value(self).ok()
    }

    /// Returns the value of a member; of several with one name the last, as other readers of JSON do.
    pub(super) fn value(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().rfind(|member| member.name == name).map(|member| &*member.value)
    }

    pub(super) fn get(&mut self, name: &str) -> Option<&mut Member> {
        self.0.iter_mut().find(|member| member.name == name)
    }

    /// Returns the type of an event in either version of CloudEvents.
    pub(super) fn event_type(&self) -> Option<String> {
        let ty = self.value("type").or_else(|| self.value("eventType"))?;
        serde_json::from_str(ty.get()).ok()
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|Member { name, value }| map.serialize_entry(name, value))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry()? {
                    members.push(Member { name, value });
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}
