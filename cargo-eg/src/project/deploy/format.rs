//! Defines the keys of `[deploy]` and their values, and reads each value. What the keys require of each other is left to
//! the parent module.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use eg_grammar::region::{domain, partition};
use eg_grammar::{QueueName, SecretReference, parse_duration};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value as Json;
use toml::Spanned;

use super::domain::Domain;
use super::gateway::Gateway;
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
    pub(super) gateway: Option<Spanned<Gateway>>,
    pub(super) domain: Option<Spanned<Domain>>,
    pub(super) archive: Option<Text<Days>>,
    pub(super) features: Option<Vec<String>>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) environment: Map<Setting>,
    pub(super) secrets: Map<Text<SecretReference>>,
    pub(super) tables: Map<Spanned<Table>>,
    pub(super) queues: Map<Spanned<Queue>>,
    pub(super) resources: Option<Spanned<String>>,
    pub(super) vpc: Option<Vpc>,
    pub(super) service: Map<Service>,
    pub(super) function: Map<Function>,
    pub(super) stages: Map<Self>,
}

/// `[deploy.service.NAME]`: variables of the functions of one service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Service {
    pub(super) environment: Map<Setting>,
    pub(super) secrets: Map<Text<SecretReference>>,
}

/// `[deploy.function.ID]`: settings of one function.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Function {
    pub(super) environment: Map<Setting>,
    pub(super) secrets: Map<Text<SecretReference>>,
    /// Seconds.
    #[serde(deserialize_with = "timeout")]
    pub(super) timeout: Option<u32>,
    /// Megabytes.
    #[serde(deserialize_with = "memory")]
    pub(super) memory: Option<u32>,
    #[serde(deserialize_with = "concurrency")]
    pub(super) concurrency: Option<u32>,
    pub(super) policies: Option<Vec<Statement>>,
    pub(super) vpc: Option<Vpc>,
    /// The event types of subscriptions that the stage does not have.
    pub(super) exclude: Option<Vec<Spanned<String>>>,
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

/// `[deploy.queues.NAME]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Queue {
    pub(super) variable: Spanned<String>,
    pub(super) services: Vec<Spanned<String>>,
    pub(super) existing: Option<Text<ExistingQueue>>,
}

/// A queue of SQS that the stack does not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExistingQueue {
    pub(crate) url: String,
    pub(crate) arn: String,
}

/// The network of functions: `vpc = { subnets = […], security_groups = […] }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vpc {
    /// Ids, or functions of CloudFormation. Neither list is empty.
    pub(crate) subnets: Vec<Json>,
    pub(crate) security_groups: Vec<Json>,
}

/// The value of a plain variable: a text, or a function of CloudFormation.
#[derive(Debug, Clone)]
pub(super) enum Setting {
    Text(String),
    Function(Json),
}

impl From<Setting> for Json {
    fn from(setting: Setting) -> Self {
        match setting {
            Setting::Text(text) => text.into(),
            Setting::Function(function) => function,
        }
    }
}

/// A statement of an IAM policy.
#[derive(Debug, Clone)]
pub(super) struct Statement(pub(super) Json);

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

impl FromStr for ExistingQueue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let queue = |region: &str, account: &str, name: &str| {
            let (partition, domain) = (partition(region), domain(region));
            let fits = region.contains('-')
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && name.parse::<QueueName>().is_ok();
            fits.then(|| Self {
                url: format!("https://sqs.{region}.{domain}/{account}/{name}"),
                arn: format!("arn:{partition}:sqs:{region}:{account}:{name}"),
            })
        };
        let parts: Vec<&str> = text.split(':').collect();
        let found = match (parts.as_slice(), text.strip_prefix("https://sqs.")) {
            (["arn", _, "sqs", region, account, name], _) => queue(region, account, name),
            (_, Some(rest)) => match rest.split('/').collect::<Vec<_>>().as_slice() {
                [host, account, name] => {
                    let host = host.strip_suffix(".cn").unwrap_or(host);
                    host.strip_suffix(".amazonaws.com").and_then(|region| queue(region, account, name))
                }
                _ => None,
            },
            _ => None,
        };
        found.filter(|queue| text == queue.url || text == queue.arn).ok_or_else(|| {
            format!(
                "{text:?} is not a queue of SQS: write its ARN, as in \"arn:aws:sqs:eu-central-1:123456789012:orders\", or its URL"
            )
        })
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Setting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Setting, E> {
                Ok(Setting::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Setting, A::Error> {
                let members = serde_json::Map::deserialize(MapAccessDeserializer::new(members))?;
                let is_function = |name: &String| name == "Ref" || name.starts_with("Fn::");
                if members.len() != 1 || !members.keys().all(is_function) {
                    return Err(Error::custom(
                        "a value is a string or one function of CloudFormation, as in { Ref = \"Pictures\" }",
                    ));
                }
                Ok(Setting::Function(members.into()))
            }
        }

        deserializer.deserialize_any(Text)
    }
}

impl Vpc {
    /// Returns all ids.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &Json> {
        self.subnets.iter().chain(&self.security_groups)
    }
}

impl<'de> Deserialize<'de> for Vpc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Declared {
            subnets: Vec<Setting>,
            security_groups: Vec<Setting>,
        }
        let ids = |key: &str, begin: &str, ids: Vec<Setting>| {
            let ids: Vec<Json> = ids.into_iter().map(Json::from).collect();
            if ids.is_empty() {
                return Err(Error::custom(format!("`{key}` is empty: name at least one")));
            }
            match ids.iter().filter_map(Json::as_str).find(|id| !id.starts_with(begin)) {
                Some(id) => {
                    Err(Error::custom(format!("{id:?} cannot be in `{key}`: an id begins with `{begin}`")))
                }
                None => Ok(ids),
            }
        };
        let Declared { subnets, security_groups } = Declared::deserialize(deserializer)?;
        Ok(Self {
            subnets: ids("subnets", "subnet-", subnets)?,
            security_groups: ids("security_groups", "sg-", security_groups)?,
        })
    }
}

impl<'de> Deserialize<'de> for Statement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const KEYS: [&str; 7] =
            ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];
        let mut members = serde_json::Map::deserialize(deserializer)?;
        if let Some(unknown) = members.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let hint = eg_grammar::did_you_mean(unknown, &KEYS);
            return Err(Error::custom(format!(
                "a statement has no `{unknown}` (its keys are {}){hint}",
                eg_grammar::list(&KEYS)
            )));
        }
        for (key, other) in [("Action", "NotAction"), ("Resource", "NotResource")] {
            if members.contains_key(key) == members.contains_key(other) {
                return Err(Error::custom(format!("a statement needs `{key}` or `{other}`, and not both")));
            }
        }
        let is_id = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if let Some(id) = members.get("Sid").filter(|id| !id.as_str().is_some_and(is_id)) {
            return Err(Error::custom(format!("{id} cannot be a `Sid`: use letters and digits only")));
        }
        let effect = members.entry("Effect").or_insert_with(|| "Allow".into());
        if *effect != "Allow" && *effect != "Deny" {
            return Err(Error::custom(format!("{effect} is not an `Effect`: write \"Allow\" or \"Deny\"")));
        }
        Ok(Self(members.into()))
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

/// A number of days, as in `"30d"`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Days(pub(super) u32);

impl FromStr for Days {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = parse_duration(text).ok().filter(|duration| duration.subsec_nanos() == 0);
        let days = seconds.map(|duration| duration.as_secs()).filter(|seconds| seconds % DAY == 0);
        let days = days.and_then(|seconds| u32::try_from(seconds / DAY).ok()).filter(|days| *days > 0);
        days.map(Self).ok_or_else(|| format!("{text:?} is not a number of days: write one, as in \"30d\""))
    }
}

/// The seconds of a day.
const DAY: u64 = 24 * 60 * 60;

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
