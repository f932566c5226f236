//! Defines the keys of `[deploy]` and their values, and reads each value. What the keys require of each other is left to
//! the parent module.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize;
use toml::Spanned;

use crate::project::values::{Text, concurrency, memory, timeout};

/// The names of a map, with their places.
pub(super) type Map<T> = BTreeMap<Spanned<String>, T>;

/// The table `[deploy]`, or one of its stages.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::project) struct Section {
    pub(super) stack: Option<Spanned<String>>,
    pub(super) region: Option<Spanned<String>>,
    pub(super) protect: Option<bool>,
    pub(super) exclude: Option<Vec<Spanned<String>>>,
    pub(super) bus: Option<Text<Bus>>,
    pub(super) features: Option<Vec<String>>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) environment: Map<String>,
    pub(super) secrets: Map<Text<Secret>>,
    pub(super) tables: Map<Spanned<Table>>,
    pub(super) service: Map<Service>,
    pub(super) function: Map<Function>,
    pub(super) stages: Map<Self>,
}

/// `[deploy.service.NAME]`: variables of the functions of one service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Service {
    pub(super) environment: Map<String>,
    pub(super) secrets: Map<Text<Secret>>,
}

/// `[deploy.function.ID]`: settings of one function.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Function {
    pub(super) environment: Map<String>,
    pub(super) secrets: Map<Text<Secret>>,
    /// Seconds.
    #[serde(deserialize_with = "timeout")]
    pub(super) timeout: Option<u32>,
    /// Megabytes.
    #[serde(deserialize_with = "memory")]
    pub(super) memory: Option<u32>,
    #[serde(deserialize_with = "concurrency")]
    pub(super) concurrency: Option<u32>,
}

/// `[deploy.tables.NAME]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) variable: Spanned<String>,
    pub(super) services: Vec<Spanned<String>>,
    pub(super) partition_key: Option<Text<KeyAttribute>>,
    pub(super) sort_key: Option<Text<KeyAttribute>>,
    pub(super) ttl: Option<String>,
    pub(super) actions: Option<Vec<Text<Action>>>,
    pub(super) existing: Option<String>,
}

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Secret {
    /// The name of a parameter of Systems Manager, which begins with `/`.
    Parameter(String),
    /// The name or the ARN of a secret of Secrets Manager.
    SecretsManager(String),
}

/// The event bus of a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Bus {
    /// One that belongs to the stack.
    #[default]
    Own,
    /// The name or the ARN of one that exists.
    Existing(String),
}

/// An attribute of a table's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyAttribute {
    pub(crate) name: String,
    /// `S`, `N` or `B`, as DynamoDB spells string, number and binary.
    pub(crate) kind: &'static str,
}

/// What functions may do with the items of a table: an action of DynamoDB, without its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Action(&'static str);

/// The actions on items. Functions get all of them except `Scan`, which reads the whole table, unless a table says which.
const ACTIONS: [&str; 9] = [
    "GetItem",
    "BatchGetItem",
    "Query",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "ConditionCheckItem",
    "Scan",
];

impl Action {
    /// Returns the actions that a table allows unless it names some.
    pub(super) fn usual() -> Vec<Self> {
        ACTIONS.iter().filter(|name| **name != "Scan").copied().map(Self).collect()
    }

    /// Returns the action in IAM's spelling: `dynamodb:GetItem`.
    pub(crate) fn in_iam(self) -> String {
        format!("dynamodb:{}", self.0)
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = ACTIONS.iter().find(|name| **name == text);
        known.copied().map(Self).ok_or_else(|| {
            let hint = eg_grammar::did_you_mean(text, &ACTIONS);
            format!("unknown action `{text}`{hint}; the actions are {}", eg_grammar::list(&ACTIONS))
        })
    }
}

impl FromStr for Secret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("ssm", name)) if name.len() > 1 && name.starts_with('/') => {
                Ok(Self::Parameter(name.to_owned()))
            }
            Some(("secretsmanager", name)) if !name.is_empty() => Ok(Self::SecretsManager(name.to_owned())),
            // The text itself may be a secret that was put here by mistake, so no message repeats it.
            _ => Err("write where the secret is kept, as in \"ssm:/shop/api-key\" or \"secretsmanager:api-key\"; the \
                      secret itself does not belong into this file"
                .to_owned()),
        }
    }
}

impl FromStr for Bus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "own" => Ok(Self::Own),
            Some(("existing", name)) if !name.is_empty() => Ok(Self::Existing(name.to_owned())),
            _ => Err(format!("{text:?} is not a bus: write \"own\", or \"existing:NAME\"")),
        }
    }
}

impl FromStr for KeyAttribute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, kind) = text.rsplit_once(':').unwrap_or((text, "S"));
        let kind = ["S", "N", "B"].into_iter().find(|known| *known == kind);
        match kind.filter(|_| !name.is_empty()) {
            Some(kind) => Ok(Self { name: name.to_owned(), kind }),
            None => Err(format!(
                "{text:?} is not an attribute: write its name, with `:N` for a number or `:B` for bytes"
            )),
        }
    }
}
