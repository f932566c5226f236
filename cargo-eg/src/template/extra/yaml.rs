//! Reads YAML as CloudFormation does: the order of keys stays, and short forms such as `!Ref` become long ones, which JSON can
//! express, too.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{Spanned, Tagged};

use crate::template::Tree;
use crate::template::tree::map;

/// The functions of CloudFormation whose short form is `!Name`
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>).
const FUNCTIONS: [&str; 16] = [
    "And",
    "Base64",
    "Cidr",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
    "Transform",
];

/// The beginning of the tags of YAML's own types.
const OF_YAML: &str = "tag:yaml.org,2002:";

/// What a file adds. Its version and description count only for tools that read it alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(rename = "Resources", default, deserialize_with = "entries")]
    pub(super) resources: Vec<Entry>,
    #[serde(rename = "Outputs", default, deserialize_with = "entries")]
    pub(super) outputs: Vec<Entry>,
    #[serde(rename = "AWSTemplateFormatVersion", default)]
    _version: Option<String>,
    #[serde(rename = "Description", default)]
    _description: Option<String>,
}

/// A resource or an output.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) line: u64,
    pub(super) tree: Tree,
}

impl Entry {
    /// Returns a member of a map.
    pub(super) fn member(&self, key: &str) -> Option<&Tree> {
        let Tree::Map(members) = &self.tree else { return None };
        members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

/// Reads a file. An error has the line and the column of the mistake.
pub(super) fn read(text: &str) -> Result<File, (String, String)> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(eg_grammar::text_without_bom(text), options).map_err(|error| {
        let place = error
            .location()
            .map_or_else(|| "1".to_owned(), |location| format!("{}:{}", location.line(), location.column()));
        let message = error.to_string();
        // The place comes first in messages of this program.
        let end = message.find(" at line ").unwrap_or(message.len());
        (place, message[..end].to_owned())
    })
}

/// Reads a map with the places of its keys.
fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Entry>, D::Error> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<Entry>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of logical ids")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Vec<Entry>, A::Error> {
            let mut entries = Vec::new();
            while let Some((key, node)) = members.next_entry::<Spanned<String>, Node>()? {
                entries.push(Entry { line: key.defined.line(), id: key.value, tree: node.0 });
            }
            Ok(entries)
        }
    }

    deserializer.deserialize_map(Entries)
}

/// A value.
struct Node(Tree);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Tagged(Plain(tree), tag) = Tagged::<Plain>::deserialize(deserializer)?;
        let Some(tag) = tag.filter(|tag| !tag.starts_with(OF_YAML)) else { return Ok(Self(tree)) };
        let name = tag.trim_start_matches('!');
        let long = match (name, &tree) {
            ("Ref" | "Condition", _) => map! { name => tree },
            ("GetAtt", Tree::Text(text)) => {
                let (id, attribute) = text.split_once('.').ok_or_else(|| {
                    Error::custom(format!("`!GetAtt {text}` has no attribute, as in `!GetAtt Pictures.Arn`"))
                })?;
                map! { "Fn::GetAtt" => vec![id, attribute] }
            }
            _ if FUNCTIONS.contains(&name) => map! { format!("Fn::{name}") => tree },
            _ => {
                let known = [&FUNCTIONS[..], &["Condition", "Ref"]].concat();
                let hint = eg_grammar::did_you_mean(name, &known);
                return Err(Error::custom(format!("CloudFormation has no function `!{name}`{hint}")));
            }
        };
        Ok(Self(long))
    }
}

/// A value without its tag.
struct Plain(Tree);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Tree, E> {
                Ok(text.into())
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Tree, E> {
                Ok(flag.into())
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Tree, E> {
                Ok(Value::from(number).into())
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Tree, E> {
                Ok(Value::from(number).into())
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Tree, E> {
                Ok(Value::from(number).into())
            }

            fn visit_unit<E: Error>(self) -> Result<Tree, E> {
                Ok(Value::Null.into())
            }

            fn visit_none<E: Error>(self) -> Result<Tree, E> {
                self.visit_unit()
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
                let mut list = Vec::new();
                while let Some(Node(item)) = items.next_element()? {
                    list.push(item);
                }
                Ok(Tree::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
                let mut map = Vec::new();
                while let Some((key, Node(value))) = members.next_entry::<String, Node>()? {
                    map.push((key, value));
                }
                Ok(Tree::Map(map))
            }
        }

        deserializer.deserialize_any(Any).map(Self)
    }
}
