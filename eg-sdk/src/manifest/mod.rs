//! The manifest of a service: the description of its functions inside its binary. These types define the format for
//! `eg-runtime`, which writes it, for `eg.toml` and for all readers. [`Manifest::read`] reads it from a program
//! without running it.
//!
//! `eg-runtime` writes one JSON record for each function into a link section of the program. `cargo eg manifest`
//! prints them as one [`Manifest`]:
//!
//! ```
//! use eg_sdk::manifest::{Manifest, Trigger};
//!
//! let manifest: Manifest = serde_json::from_str(
//!     r#"{"service": "users", "version": "0.1.0", "functions": [
//!         {"name": "greet", "id": "users-greet", "source": "src/main.rs:12", "emits": [], "timeout": 30,
//!          "triggers": [{"eventType": "user.created", "mode": "async", "method": "POST", "path": "/"},
//!                       {"schedule": "rate(5 minutes)"}]}]}"#,
//! )?;
//! let greet = &manifest.functions[0];
//! assert_eq!((greet.timeout, greet.events().count()), (Some(30), 1));
//! assert!(matches!(&greet.triggers[1], Trigger::Schedule { schedule } if schedule.as_str() == "rate(5 minutes)"));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod assemble;
mod error;
mod record;
mod section;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

pub use eg_grammar::{HTTP_REQUEST, Method, Path as RoutePath, QueueName, Schedule, StreamKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::error::{Contradiction, ManifestError};
use crate::config::SubscriptionType;

/// A service and its functions, in the order of their source code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The service's name: the name of its package, unless `eg_runtime::service!` sets another.
    pub service: String,
    /// The package's version.
    pub version: String,
    /// Where its program can emit events to. Empty if no program of `eg-runtime` runs the functions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<Sink>,
    /// What a panic does in its program. `None` if no program of `eg-runtime` runs the functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<PanicStrategy>,
    /// Whether its program reads the values of secrets from AWS when it starts: it was built with the feature `secrets`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secrets: bool,
    /// The functions; at least one.
    pub functions: Vec<Function>,
    /// The events that the functions emit and receive, ordered by type. Events without a schema are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventSchema>,
}

/// Where a program can emit events to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Sink {
    /// The event gateway, by HTTP.
    Gateway,
    /// A bus of EventBridge: the program was built with the feature `eventbridge`.
    EventBridge,
}

/// What a panic does, as the profile of the build says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PanicStrategy {
    /// It fails the invocation; the process goes on.
    Unwind,
    /// It ends the process.
    Abort,
}

/// An event type with its schema and the functions that use it. If functions disagree about the schema, there are
/// several entries for one type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EventSchema {
    /// The type.
    #[serde(rename = "type")]
    pub ty: String,
    /// The JSON Schema of its payload (draft 2020-12).
    pub schema: Value,
    /// The ids of the functions that may emit it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emitted_by: Vec<String>,
    /// The ids of the functions that receive it, as an event or as the JSON of a request or message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub received_by: Vec<String>,
}

/// One function of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Function {
    /// Its name in the service, which is also its `_HANDLER`.
    pub name: String,
    /// Its id: `<service>-<name>`.
    pub id: String,
    /// The first paragraph of its documentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// `file:line` of its definition.
    pub source: String,
    /// Its triggers.
    pub triggers: Vec<Trigger>,
    /// The event types that it may emit.
    #[serde(default)]
    pub emits: Vec<String>,
    /// Those of them that it emits to get an answer: another function answers each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<String>,
    /// The sources of the emitted event types that set their own source instead of `/services/<service>`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
    /// The time limit of one call, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// The memory that it requires, in megabytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u32>,
    /// Whether it manages the connections of the application's WebSocket API.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub connections: bool,
    /// The URL of a function that runs elsewhere, declared in `eg.toml` with `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Keys of newer versions. They are kept only to be printed again.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// A trigger of a function. Each kind has its own key.
#[allow(clippy::large_enum_variant, reason = "most triggers are of the large kind")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Trigger {
    /// A subscription at the gateway, to events or HTTP requests.
    Event(EventTrigger),
    /// A schedule.
    Schedule {
        /// The rate or cron expression.
        #[serde(with = "text")]
        schedule: Schedule,
    },
    /// A queue, whose messages come in batches.
    #[serde(rename_all = "camelCase")]
    Queue {
        /// The queue's name.
        #[serde(with = "text")]
        queue: QueueName,
        /// The maximum number of messages in a batch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch_size: Option<u32>,
        /// How long a batch is collected, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<u32>,
    },
    /// Events of EventBridge that match a pattern.
    #[serde(rename_all = "camelCase")]
    EventBridge {
        /// The pattern.
        event_bridge: EventPattern,
        /// When failed deliveries are retried. Absent: the default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry: Option<RetryOptions>,
    },
    /// A stream, whose records come in batches.
    #[serde(rename_all = "camelCase")]
    Stream {
        /// The name of the table, stream or topic.
        stream: String,
        /// Where the records come from.
        #[serde(with = "text")]
        source: StreamKind,
        /// The maximum number of records in a batch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch_size: Option<u32>,
        /// How long a batch is collected, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<u32>,
        /// When failed batches are retried. Absent: the default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry: Option<RetryOptions>,
    },
    /// Requests that the function authorizes: for the routes that name it.
    Authorizer {
        /// Always `true`.
        authorizer: bool,
        /// Whether it answers HTTP APIs with a policy of IAM instead of the simple answer.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        iam: bool,
    },
    /// Every payload, as Lambda sends it: the function is called by its name only.
    Invoke {
        /// Always `true`.
        invoke: bool,
    },
}

/// A pattern for events of EventBridge, in its own form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct EventPattern {
    /// The sources, for example `aws.s3`.
    pub source: Vec<String>,
    /// The detail types, for example `Object Created`.
    pub detail_type: Vec<String>,
    /// The pattern for the detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

impl EventPattern {
    /// Creates a pattern for events with one of these sources and one of these detail types.
    #[must_use]
    pub fn new(source: Vec<String>, detail_type: Vec<String>, detail: Option<Value>) -> Self {
        Self { source, detail_type, detail }
    }

    /// Returns whether AWS's services emit such events. They do so on the default bus only.
    #[must_use]
    pub fn is_of_aws(&self) -> bool {
        self.source.iter().any(|source| eg_grammar::is_of_aws(source))
    }
}

/// A subscription at the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EventTrigger {
    /// The event type, or [`HTTP_REQUEST`].
    pub event_type: String,
    /// Whether the emitter waits for the answer.
    pub mode: SubscriptionType,
    /// The HTTP method of the route.
    #[serde(with = "text")]
    pub method: Method,
    /// The path of the route. In JSON it has the gateway's spelling (`:id`, `*rest`).
    #[serde(with = "text::gateway")]
    pub path: RoutePath,
    /// Which web pages may call the route. Absent: only those of the same origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsOptions>,
    /// Whether the answer is streamed to callers that can read a stream.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// The name of the function that authorizes requests, of the same service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<String>,
    /// When failed deliveries are retried. Absent: the gateway's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryOptions>,
    /// What an event must meet: an EventBridge pattern for its attributes and `data`. Absent: the function gets every event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Value>,
    /// Whether events with the same `partitionkey` are delivered one after the other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ordered: bool,
    /// Keys of newer versions. They are kept only to be printed again.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// The option `cors` of a route. An empty list means the gateway's default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CorsOptions {
    /// The allowed origins; `*` for all.
    pub origins: Vec<String>,
    /// The allowed HTTP methods.
    pub methods: Vec<String>,
    /// The allowed request headers.
    pub headers: Vec<String>,
    /// Whether requests may include cookies.
    pub credentials: bool,
}

/// The option `retry` of a subscription: limits of delivery attempts. Absent limits default to the gateway's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RetryOptions {
    /// The maximum number of attempts, including the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// The time after acceptance at which an unfinished delivery expires, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
    /// The maximum backoff after the first failure, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_backoff: Option<u32>,
    /// The upper bound of the backoff, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_backoff: Option<u32>,
}

impl Manifest {
    /// Creates a service with these functions.
    #[must_use]
    pub fn new(service: impl Into<String>, version: impl Into<String>, functions: Vec<Function>) -> Self {
        Self {
            service: service.into(),
            version: version.into(),
            sinks: Vec::new(),
            panic: None,
            secrets: false,
            functions,
            events: Vec::new(),
        }
    }

    /// Reads the manifest of the program at `path` without running it. The program may be stripped or built for
    /// another platform.
    ///
    /// # Errors
    /// If the file is not a program, has no functions, or has records that are invalid or contradict each other.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let section = section::read(path)?.unwrap_or_default();
        let records = record::records(&section).map_err(|(record, source)| ManifestError::BadRecord {
            path: path.to_owned(),
            record,
            source,
        })?;
        match assemble::assemble(records) {
            Ok(Some(manifest)) => Ok(manifest),
            Ok(None) => Err(ManifestError::NoFunctions { path: path.to_owned() }),
            Err(reason) => Err(ManifestError::Invalid { path: path.to_owned(), reason }),
        }
    }

    /// Returns the service's JSON Schemas for the payload of an event type: several if its functions disagree.
    pub fn schemas_of<'a>(&'a self, event_type: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event.ty == event_type).map(|event| &event.schema)
    }
}

impl Function {
    /// Creates a function of `service` without triggers, defined at `source` (`file:line`).
    #[must_use]
    pub fn new(service: &str, name: impl Into<String>, source: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            id: format!("{service}-{name}"),
            name,
            doc: None,
            source: source.into(),
            triggers: Vec::new(),
            emits: Vec::new(),
            asks: Vec::new(),
            sources: BTreeMap::new(),
            timeout: None,
            memory: None,
            connections: false,
            url: None,
            unknown: Map::new(),
        }
    }

    /// Returns whether the function takes payloads as Lambda sends them.
    #[must_use]
    pub fn is_invoked(&self) -> bool {
        self.triggers.iter().any(|trigger| matches!(trigger, Trigger::Invoke { .. }))
    }

    /// Returns whether the function authorizes requests.
    #[must_use]
    pub fn is_authorizer(&self) -> bool {
        self.triggers.iter().any(|trigger| matches!(trigger, Trigger::Authorizer { .. }))
    }

    /// Returns whether it streams the answer of one of its routes.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.events().any(|event| event.stream)
    }

    /// Returns the function's subscriptions at the gateway.
    pub fn events(&self) -> impl Iterator<Item = &EventTrigger> {
        self.triggers.iter().filter_map(|trigger| match trigger {
            Trigger::Event(event) => Some(event),
            _ => None,
        })
    }
}

impl EventTrigger {
    /// Creates a subscription without CORS and with the gateway's retry settings.
    #[must_use]
    pub fn new(
        event_type: impl Into<String>,
        mode: SubscriptionType,
        method: Method,
        path: RoutePath,
    ) -> Self {
        Self {
            event_type: event_type.into(),
            mode,
            method,
            path,
            cors: None,
            stream: false,
            authorizer: None,
            retry: None,
            filter: None,
            ordered: false,
            unknown: Map::new(),
        }
    }

    /// Returns whether the subscription is a plain HTTP route.
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.event_type == HTTP_REQUEST
    }
}
