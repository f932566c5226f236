//! Defines the keys of `eg.toml` and their values. `eg-grammar` has the rules for one value, and `convert` those for
//! combinations of keys.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use eg_grammar::{
    Method, Mistake, Path, QueueName, Schedule, check_event_type, check_function_name, check_service_name,
    limits,
};
use eg_sdk::config::SubscriptionType;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::project::deploy::Section;
use crate::project::values::{Number, Text, memory, timeout};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) service: Option<Text<ServiceName>>,
    #[serde(default)]
    pub(super) function: Vec<Spanned<Function>>,
    pub(super) deploy: Option<Section>,
}

/// One `[[function]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Function {
    pub(super) name: Spanned<Text<FunctionName>>,
    pub(super) doc: Option<String>,
    #[serde(default, deserialize_with = "command")]
    pub(super) command: Option<Vec<String>>,
    pub(super) url: Option<Text<Url>>,
    pub(super) handler: Option<String>,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    /// Seconds.
    #[serde(default, deserialize_with = "timeout")]
    pub(super) timeout: Option<u32>,
    /// Megabytes.
    #[serde(default, deserialize_with = "memory")]
    pub(super) memory: Option<u32>,
    #[serde(default)]
    pub(super) emits: Vec<Text<EventType>>,
    #[serde(default)]
    pub(super) triggers: Vec<Spanned<Trigger>>,
}

/// One entry of `triggers`: one of the first seven keys, and its options.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trigger {
    pub(super) event: Option<Text<EventType>>,
    pub(super) http: Option<Text<Route>>,
    pub(super) schedule: Option<Text<Schedule>>,
    pub(super) queue: Option<Text<QueueName>>,
    pub(super) eventbridge: Option<EventBridge>,
    pub(super) stream: Option<Stream>,
    pub(super) invoke: Option<bool>,
    pub(super) mode: Option<SubscriptionType>,
    pub(super) method: Option<Text<Method>>,
    pub(super) path: Option<Text<Path>>,
    pub(super) cors: Option<Cors>,
    pub(super) retry: Option<Retry>,
    pub(super) batch_size: Option<u32>,
    /// Seconds.
    #[serde(default, deserialize_with = "window")]
    pub(super) window: Option<u32>,
}

/// Reads a command, which is a list of words: no shell takes a text apart.
fn command<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    struct Words;
    impl<'de> Visitor<'de> for Words {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(r#"a list of words, such as ["python3", "app.py"]"#)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> Result<Vec<String>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(words))
        }
    }
    deserializer.deserialize_any(Words).map(Some)
}

/// A pattern for events of EventBridge.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventBridge {
    pub(super) source: Texts,
    pub(super) detail_type: Texts,
    pub(super) detail: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A text, or a list of texts.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub(super) enum Texts {
    One(String),
    Several(Vec<String>),
}

impl Texts {
    pub(super) fn into_list(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Several(texts) => texts,
        }
    }
}

/// The key `stream`: of a route, whether its answer is streamed; else the stream that the function reads.
#[derive(Debug)]
pub(super) enum Stream {
    Answer(bool),
    Source(StreamSource),
}

/// The name of a stream, under the key of its kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamSource {
    pub(super) dynamodb: Option<String>,
    pub(super) kinesis: Option<String>,
    pub(super) kafka: Option<String>,
}

/// The option `retry`. Times are in seconds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    #[serde(default, deserialize_with = "attempts")]
    pub(super) attempts: Option<u32>,
    #[serde(default, deserialize_with = "max_age")]
    pub(super) max_age: Option<u32>,
    #[serde(default, deserialize_with = "min_backoff")]
    pub(super) min_backoff: Option<u32>,
    #[serde(default, deserialize_with = "max_backoff")]
    pub(super) max_backoff: Option<u32>,
}

/// The option `cors`: `true`, `false`, or a table of rules.
#[derive(Debug)]
pub(super) enum Cors {
    Off,
    On(CorsRules),
}

/// Which web pages may call a route. Empty lists mean the gateway's defaults.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CorsRules {
    pub(super) origins: Vec<String>,
    pub(super) methods: Vec<String>,
    pub(super) headers: Vec<String>,
    pub(super) credentials: bool,
}

/// The name of a service.
#[derive(Debug)]
pub(super) struct ServiceName(pub(super) String);

/// The name of a function.
#[derive(Debug)]
pub(super) struct FunctionName(pub(super) String);

/// An event type.
#[derive(Debug)]
pub(super) struct EventType(pub(super) String);

/// The address of a function that runs elsewhere.
#[derive(Debug)]
pub(super) struct Url(pub(super) String);

/// A route, as in `POST /users/{id}`.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: Path,
}

impl FromStr for ServiceName {
    type Err = Mistake;

    fn from_str(name: &str) -> Result<Self, Mistake> {
        check_service_name(name).map(|()| Self(name.to_owned()))
    }
}

impl FromStr for FunctionName {
    type Err = Mistake;

    fn from_str(name: &str) -> Result<Self, Mistake> {
        check_function_name(name).map(|()| Self(name.to_owned()))
    }
}

impl FromStr for EventType {
    type Err = Mistake;

    fn from_str(name: &str) -> Result<Self, Mistake> {
        check_event_type(name).map(|()| Self(name.to_owned()))
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let parsed: Result<http::Uri, _> = url.parse();
        let usable = parsed.is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
        });
        if usable {
            return Ok(Self(url.to_owned()));
        }
        Err(format!("{url:?} is not an address: write one that begins with http:// or https://"))
    }
}

impl FromStr for Route {
    type Err = String;

    fn from_str(route: &str) -> Result<Self, String> {
        let Some((method, path)) = route.split_once(' ') else {
            return Err(format!(
                "{route:?} is not a route: write a method and a path, as in \"POST /users/{{id}}\""
            ));
        };
        Ok(Self { method: method.parse()?, path: path.trim().parse()? })
    }
}

impl<'de> Deserialize<'de> for Cors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rules;

        impl<'de> Visitor<'de> for Rules {
            type Value = Cors;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a table")
            }

            fn visit_bool<E: Error>(self, enabled: bool) -> Result<Cors, E> {
                Ok(if enabled { Cors::On(CorsRules::default()) } else { Cors::Off })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Cors, A::Error> {
                CorsRules::deserialize(MapAccessDeserializer::new(map)).map(Cors::On)
            }
        }

        deserializer.deserialize_any(Rules)
    }
}

impl<'de> Deserialize<'de> for Stream {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnswerOrSource;

        impl<'de> Visitor<'de> for AnswerOrSource {
            type Value = Stream;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a table with the name of a stream")
            }

            fn visit_bool<E: Error>(self, enabled: bool) -> Result<Stream, E> {
                Ok(Stream::Answer(enabled))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Stream, A::Error> {
                StreamSource::deserialize(MapAccessDeserializer::new(map)).map(Stream::Source)
            }
        }

        deserializer.deserialize_any(AnswerOrSource)
    }
}

fn attempts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Number { key: "`attempts`", bound: limits::RETRY_ATTEMPTS, seconds: false }.read(deserializer)
}

fn max_age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Number { key: "`max_age`", bound: limits::RETRY_MAX_AGE, seconds: true }.read(deserializer)
}

fn min_backoff<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Number { key: "`min_backoff`", bound: limits::RETRY_BACKOFF, seconds: true }.read(deserializer)
}

fn max_backoff<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Number { key: "`max_backoff`", bound: limits::RETRY_BACKOFF, seconds: true }.read(deserializer)
}

fn window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Number { key: "`window`", bound: limits::BATCH_WINDOW, seconds: true }.read(deserializer)
}
