//! Represents the template as data whose keys keep their order, so that it reads from the top. What the keys mean is
//! left to the other modules.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

/// A value of YAML or JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Text(String),
    Number(u32),
    Flag(bool),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
    /// A value whose keys have no order of their own.
    Json(Value),
}

/// `map! { "key" => value, … }`.
macro_rules! map {
    ($($key:expr => $value:expr),* $(,)?) => {
        $crate::template::tree::Tree::Map(vec![$((($key).to_string(), $crate::template::tree::Tree::from($value))),*])
    };
}
pub(crate) use map;

impl Tree {
    /// Adds a member to a map if there is a value.
    pub(crate) fn with(mut self, key: &str, value: Option<impl Into<Self>>) -> Self {
        if let (Self::Map(members), Some(value)) = (&mut self, value) {
            members.push((key.to_owned(), value.into()));
        }
        self
    }

    /// Returns the text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns `None` if the value is empty.
    pub(crate) fn filled(self) -> Option<Self> {
        match &self {
            Self::List(items) if items.is_empty() => None,
            Self::Map(members) if members.is_empty() => None,
            _ => Some(self),
        }
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Tree {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Value> for Tree {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

impl From<u32> for Tree {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Tree {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Tree {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::List(items) => items.serialize(serializer),
            Self::Json(value) => value.serialize(serializer),
            Self::Map(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}
