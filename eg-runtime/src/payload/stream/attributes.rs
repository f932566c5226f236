//! Turns DynamoDB's attribute values into plain JSON. Sets become lists, bytes become base64, and numbers keep their digits.

use std::collections::BTreeMap;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// The attributes of an item or of its key.
pub(super) type Attributes = BTreeMap<String, Attribute>;

/// An attribute value. It is read in DynamoDB's form and written as plain JSON.
#[derive(Debug)]
pub(super) enum Attribute {
    Text(String),
    /// The digits, which are a number of JSON.
    Number(Box<RawValue>),
    Flag(bool),
    Null,
    List(Vec<Self>),
    Map(Attributes),
}

impl<'de> Deserialize<'de> for Attribute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneMember;

        impl<'de> Visitor<'de> for OneMember {
            type Value = Attribute;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an attribute value, as in {\"S\": \"text\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attribute, A::Error> {
                let kind: String =
                    map.next_key()?.ok_or_else(|| A::Error::custom("an attribute value is empty"))?;
                let texts =
                    |texts: Vec<String>| Attribute::List(texts.into_iter().map(Attribute::Text).collect());
                let value = match kind.as_str() {
                    "S" | "B" => Attribute::Text(map.next_value()?),
                    "N" => number(map.next_value()?)?,
                    "BOOL" => Attribute::Flag(map.next_value()?),
                    "NULL" => {
                        map.next_value::<bool>()?;
                        Attribute::Null
                    }
                    "L" => Attribute::List(map.next_value()?),
                    "M" => Attribute::Map(map.next_value()?),
                    "SS" | "BS" => texts(map.next_value()?),
                    "NS" => {
                        let numbers: Vec<String> = map.next_value()?;
                        Attribute::List(numbers.into_iter().map(number).collect::<Result<_, _>>()?)
                    }
                    other => {
                        return Err(A::Error::custom(format!("the attribute type `{other}` is unknown")));
                    }
                };
                match map.next_key::<String>()? {
                    None => Ok(value),
                    Some(more) => {
                        Err(A::Error::custom(format!("an attribute value has `{kind}` and `{more}`")))
                    }
                }
            }
        }

        deserializer.deserialize_map(OneMember)
    }
}

fn number<E: Error>(digits: String) -> Result<Attribute, E> {
    let is_number = digits.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match RawValue::from_string(digits) {
        Ok(number) if is_number => Ok(Attribute::Number(number)),
        _ => Err(E::custom("an attribute of type `N` is no number")),
    }
}

impl Serialize for Attribute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => number.serialize(serializer),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Null => serializer.serialize_unit(),
            Self::List(elements) => elements.serialize(serializer),
            Self::Map(members) => members.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_becomes_plain_json() {
        let check = |attribute: &str, expected: &str| {
            let read: Attribute = serde_json::from_str(attribute).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), expected);
        };
        check(r#"{"S": "a"}"#, r#""a""#);
        check(r#"{"N": "12345678901234567890.123"}"#, "12345678901234567890.123");
        check(r#"{"N": "-1E+5"}"#, "-1E+5");
        check(r#"{"BOOL": true}"#, "true");
        check(r#"{"NULL": true}"#, "null");
        check(r#"{"B": "AAE="}"#, r#""AAE=""#);
        check(r#"{"SS": ["a", "b"]}"#, r#"["a","b"]"#);
        check(r#"{"NS": ["1", "2.5"]}"#, "[1,2.5]");
        check(r#"{"BS": ["AA=="]}"#, r#"["AA=="]"#);
        check(r#"{"L": [{"N": "1"}, {"M": {"x": {"S": "y"}}}]}"#, r#"[1,{"x":"y"}]"#);
        for wrong in
            ["{}", r#"{"X": 1}"#, r#"{"N": "\"1\""}"#, r#"{"N": "one"}"#, r#"{"S": "a", "N": "1"}"#, "1"]
        {
            assert!(serde_json::from_str::<Attribute>(wrong).is_err(), "{wrong}");
        }
    }
}
