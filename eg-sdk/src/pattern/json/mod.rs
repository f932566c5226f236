//! Reads JSON so that filters can compare all of it: numbers of any size, and text that is not Unicode. `condition`
//! compares the values.

mod number;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub(super) use number::compare;

/// The deepest nesting that is read, because reading is recursive. Events that the gateway accepts are flatter.
const MAX_DEPTH: usize = 256;

/// A JSON value. It borrows from the text that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// As it is written.
    Number(Cow<'a, str>),
    /// An escape for half of a surrogate pair becomes three U+FFFD, one for each of its bytes.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// In the order of the text.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads a value. Returns `None` if it is nested too deeply.
    #[must_use]
    pub fn read(raw: &'a RawValue) -> Option<Self> {
        let mut reader = Reader { rest: raw.get(), depth: 0 };
        let value = reader.value();
        (reader.depth == 0).then_some(value)
    }

    /// Returns a member of an object. Of several with this name, the last one counts, as in other readers.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().rfind(|(known, _)| known == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Returns the value for an answer. A number that is too large for it becomes a string.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Number(text) => {
                // `serde_json` rounds whole numbers that it cannot hold. `-0` is a double to it, too.
                let exact = |value: &Value| !value.is_f64() || text.contains(['.', 'e', 'E']) || text == "-0";
                let value = serde_json::from_str(text).ok().filter(exact);
                value.unwrap_or_else(|| Value::from(&**text))
            }
            Self::Text(text) => Value::from(&**text),
            Self::Array(elements) => elements.iter().map(Self::to_value).collect(),
            Self::Object(members) => {
                let member = |(name, value): &(Cow<'_, str>, Json<'_>)| (name.to_string(), value.to_value());
                Value::Object(members.iter().map(member).collect::<Map<_, _>>())
            }
        }
    }
}

impl<'a> From<&'a Value> for Json<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::Number(Cow::Owned(number.to_string())),
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Array(elements) => Self::Array(elements.iter().map(Self::from).collect()),
            Value::Object(members) => {
                let member = |(name, value): (&'a String, &'a Value)| (Cow::Borrowed(&**name), value.into());
                Self::Object(members.iter().map(member).collect())
            }
        }
    }
}

/// Reads text that is known to be JSON.
struct Reader<'a> {
    rest: &'a str,
    /// How many objects and arrays are open.
    depth: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Json<'a> {
        match self.peek() {
            Some(b'{') => {
                let mut members = Vec::new();
                self.items(|reader| {
                    let name = reader.text();
                    reader.peek();
                    reader.take(1);
                    members.push((name, reader.value()));
                });
                Json::Object(members)
            }
            Some(b'[') => {
                let mut elements = Vec::new();
                self.items(|reader| elements.push(reader.value()));
                Json::Array(elements)
            }
            Some(b'"') => Json::Text(self.text()),
            _ => match self.word() {
                "null" => Json::Null,
                "true" => Json::Bool(true),
                "false" => Json::Bool(false),
                number => Json::Number(Cow::Borrowed(number)),
            },
        }
    }

    /// Reads the items of an object or an array, with the brackets around them and the commas between them.
    fn items(&mut self, mut item: impl FnMut(&mut Self)) {
        self.take(1);
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            // Ends all that is open, and leaves `depth` above 0.
            self.rest = "";
        }
        while let Some(next) = self.peek() {
            match next {
                b'}' | b']' => {
                    self.take(1);
                    self.depth -= 1;
                    return;
                }
                b',' => {
                    self.take(1);
                }
                _ => item(self),
            }
        }
    }

    /// Reads a string with its quotes.
    fn text(&mut self) -> Cow<'a, str> {
        let (mut end, mut escaped) = (1, false);
        for byte in self.rest.bytes().skip(1) {
            end += 1;
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => break,
                _ => {}
            }
        }
        let quoted = self.take(end);
        match quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(text) if !text.contains('\\') => Cow::Borrowed(text),
            _ => {
                let text = serde_json::from_str(quoted);
                let lossy = |_| serde_json::from_str(quoted).map(|Lossy(text)| text).unwrap_or_default();
                Cow::Owned(text.unwrap_or_else(lossy))
            }
        }
    }

    /// Reads a number, `null`, `true` or `false`.
    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'));
        self.take(end.unwrap_or(self.rest.len()))
    }

    /// Returns the next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.as_bytes().first().copied()
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }
}

/// Text that may have escapes for half of a surrogate pair, which is no character. `serde_json` reads its three bytes, and
/// each of them becomes U+FFFD.
struct Lossy(String);

impl<'de> Deserialize<'de> for Lossy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Lossy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Lossy, E> {
                Ok(Lossy(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
