//! Reads the JSON bodies of the Config API as leniently as the original did: it matches names in any case, ignores
//! unknown names, treats `null` as absent, and reads nothing after the first value. `rules` checks the values.

use eg_grammar::without_bom;
use eg_sdk::config::Metadata;
use serde_json::{Map, Value};

/// The members of a JSON object.
#[derive(Debug, Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads the first JSON value of `body`, which is an object or `null`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let mut values = serde_json::Deserializer::from_slice(without_bom(body)).into_iter::<Value>();
        match values.next() {
            None => Err("the body is empty".to_owned()),
            Some(Ok(value)) => Self::of(value, "the body"),
            Some(Err(e)) => Err(format!("the body is not valid JSON: {e}")),
        }
    }

    fn of(value: Value, what: &str) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::Object(members) => Ok(Self(members)),
            other => Err(mismatch(&other, what, "an object")),
        }
    }

    /// Returns the member `name`, unless it is absent or `null`. The exact spelling takes precedence over others.
    fn take(&mut self, name: &str) -> Option<Value> {
        let key = if self.0.contains_key(name) {
            name.to_owned()
        } else {
            self.0.keys().rfind(|key| key.eq_ignore_ascii_case(name))?.clone()
        };
        self.0.remove(&key).filter(|value| !value.is_null())
    }

    /// Returns a string member.
    pub(crate) fn optional_string(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(mismatch(&other, &quoted(name), "a string")),
        }
    }

    /// Returns a member of any kind.
    pub(crate) fn value(&mut self, name: &str) -> Option<Value> {
        self.take(name)
    }

    /// Returns a string member; empty if absent.
    pub(crate) fn string(&mut self, name: &str) -> Result<String, String> {
        self.optional_string(name).map(Option::unwrap_or_default)
    }

    /// Returns an object member.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>, String> {
        self.take(name).map(|value| Self::of(value, &quoted(name))).transpose()
    }

    /// Returns a boolean member; false if absent.
    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, String> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(mismatch(&other, &quoted(name), "true or false")),
        }
    }

    /// Returns a member that is an array of strings; empty if absent.
    pub(crate) fn strings(&mut self, name: &str) -> Result<Vec<String>, String> {
        let items = match self.take(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(mismatch(&other, &quoted(name), "a list of strings")),
        };
        let string = |item| match item {
            Value::String(text) => Ok(text),
            Value::Null => Ok(String::new()),
            other => Err(mismatch(&other, &format!("an item of `{name}`"), "a string")),
        };
        items.into_iter().map(string).collect()
    }

    /// Returns the member `metadata`: a flat map of strings.
    pub(crate) fn metadata(&mut self) -> Result<Metadata, String> {
        self.labels("metadata").map(Option::unwrap_or_default)
    }

    /// Returns a member that is a flat map of strings.
    pub(crate) fn labels(&mut self, name: &str) -> Result<Option<Metadata>, String> {
        let Some(Self(members)) = self.object(name)? else { return Ok(None) };
        let string = |(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            Value::Null => Ok((key, String::new())),
            other => Err(mismatch(&other, &format!("`{name}.{key}`"), "a string")),
        };
        members.into_iter().map(string).collect::<Result<_, _>>().map(Some)
    }
}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}

/// Returns the message for a value of the wrong type. `what` names the value.
pub(crate) fn mismatch(value: &Value, what: &str, expected: &str) -> String {
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    format!("{what} is {actual}: it must be {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        for (body, expected) in [
            (r#"{"name":"a"}"#, Ok("a")),
            (r#"{"NAME":"a"}"#, Ok("a")),
            ("\u{feff}{\"name\":\"a\"}", Ok("a")),
            (r#"{"NAME":"a","name":"b"}"#, Ok("b")),
            (r#"{"name":"a"} trailing"#, Ok("a")),
            (r#"{"name":null,"other":[1]}"#, Ok("")),
            ("null", Ok("")),
            ("", Err("the body is empty")),
            ("  ", Err("the body is empty")),
            ("{", Err("the body is not valid JSON: EOF while parsing an object at line 1 column 1")),
            ("hello", Err("the body is not valid JSON: expected value at line 1 column 1")),
            ("[]", Err("the body is an array: it must be an object")),
            (r#"{"name":7}"#, Err("`name` is a number: it must be a string")),
            ("{1}", Err("the body is not valid JSON: key must be a string at line 1 column 2")),
        ] {
            let name = Fields::parse(body.as_bytes()).and_then(|mut fields| fields.string("name"));
            assert_eq!(name, expected.map(str::to_owned).map_err(str::to_owned), "{body}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "[".repeat(100_000);
        assert!(Fields::parse(deep.as_bytes()).unwrap_err().contains("recursion limit"));
    }

    #[test]
    fn metadata_is_flat() {
        let metadata = |body: &str| Fields::parse(body.as_bytes()).unwrap().metadata();
        assert_eq!(metadata("{}"), Ok(Metadata::new()));
        assert_eq!(
            metadata(r#"{"metadata":{"a":"b"}}"#),
            Ok(Metadata::from([("a".to_owned(), "b".to_owned())]))
        );
        let refused = |body| metadata(body).unwrap_err();
        assert_eq!(refused(r#"{"metadata":{"a":1}}"#), "`metadata.a` is a number: it must be a string");
        assert_eq!(refused(r#"{"metadata":"a"}"#), "`metadata` is a string: it must be an object");
    }
}
