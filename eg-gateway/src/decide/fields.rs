//! Reads the JSON bodies of the Config API as leniently as the original's Go decoder did: names in any case,
//! unknown names ignored, `null` as if absent, and nothing read after the first value.

use eg_sdk::config::Metadata;
use serde_json::{Map, Value};

/// The members of a JSON object.
#[derive(Debug, Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads the first JSON value of `body`, which is an object or `null`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
        match values.next() {
            None => Err("EOF".to_owned()),
            Some(Ok(value)) => Self::of(value, "the body"),
            Some(Err(e)) if e.is_eof() => Err("unexpected EOF".to_owned()),
            Some(Err(e)) => Err(syntax(body, &e)),
        }
    }

    fn of(value: Value, what: &str) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::Object(members) => Ok(Self(members)),
            other => Err(mismatch(&other, what, "object")),
        }
    }

    /// The member `name`, unless it is absent or `null`. The exact spelling wins over others.
    fn take(&mut self, name: &str) -> Option<Value> {
        let key = if self.0.contains_key(name) {
            name.to_owned()
        } else {
            self.0.keys().rfind(|key| key.eq_ignore_ascii_case(name))?.clone()
        };
        self.0.remove(&key).filter(|value| !value.is_null())
    }

    /// A string member.
    pub(crate) fn optional_string(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(mismatch(&other, name, "string")),
        }
    }

    /// A member of any kind.
    pub(crate) fn value(&mut self, name: &str) -> Option<Value> {
        self.take(name)
    }

    /// A string member; empty when absent.
    pub(crate) fn string(&mut self, name: &str) -> Result<String, String> {
        self.optional_string(name).map(Option::unwrap_or_default)
    }

    /// An object member.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>, String> {
        self.take(name).map(|value| Self::of(value, name)).transpose()
    }

    /// A boolean member; false when absent.
    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, String> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(mismatch(&other, name, "bool")),
        }
    }

    /// A member that is an array of strings; empty when absent.
    pub(crate) fn strings(&mut self, name: &str) -> Result<Vec<String>, String> {
        let items = match self.take(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(mismatch(&other, name, "[]string")),
        };
        let string = |item| match item {
            Value::String(text) => Ok(text),
            Value::Null => Ok(String::new()),
            other => Err(mismatch(&other, name, "string")),
        };
        items.into_iter().map(string).collect()
    }

    /// The member `metadata`: a flat map of strings.
    pub(crate) fn metadata(&mut self) -> Result<Metadata, String> {
        self.labels("metadata").map(Option::unwrap_or_default)
    }

    /// A member that is a flat map of strings.
    pub(crate) fn labels(&mut self, name: &str) -> Result<Option<Metadata>, String> {
        let Some(Self(members)) = self.object(name)? else { return Ok(None) };
        let string = |(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            Value::Null => Ok((key, String::new())),
            other => Err(mismatch(&other, name, "string")),
        };
        members.into_iter().map(string).collect::<Result<_, _>>().map(Some)
    }
}

fn mismatch(value: &Value, field: &str, expected: &str) -> String {
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!("json: cannot unmarshal {actual} into {field} of type {expected}")
}

fn syntax(body: &[u8], error: &serde_json::Error) -> String {
    let first = body.iter().find(|b| !b.is_ascii_whitespace()).copied().unwrap_or_default();
    if b"{[\"-0123456789tfn".contains(&first) {
        format!("invalid JSON: {error}")
    } else {
        format!("invalid character '{}' looking for beginning of value", char::from(first).escape_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        for (body, expected) in [
            (r#"{"name":"a"}"#, Ok("a")),
            (r#"{"NAME":"a"}"#, Ok("a")),
            (r#"{"NAME":"a","name":"b"}"#, Ok("b")),
            (r#"{"name":"a"} trailing"#, Ok("a")),
            (r#"{"name":null,"other":[1]}"#, Ok("")),
            ("null", Ok("")),
            ("", Err("EOF")),
            ("  ", Err("EOF")),
            ("{", Err("unexpected EOF")),
            ("hello", Err("invalid character 'h' looking for beginning of value")),
            ("[]", Err("json: cannot unmarshal array into the body of type object")),
            (r#"{"name":7}"#, Err("json: cannot unmarshal number into name of type string")),
            ("{1}", Err("invalid JSON: key must be a string at line 1 column 2")),
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
        assert!(metadata(r#"{"metadata":{"a":1}}"#).is_err());
        assert!(metadata(r#"{"metadata":"a"}"#).is_err());
    }
}
