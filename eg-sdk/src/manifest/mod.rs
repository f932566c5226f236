//! The manifest of a service: what its binary says about its functions, without being run. These types are the format,
//! for the writer in `eg-runtime`, for `eg.toml` and for every reader; [`Manifest::read`] reads it from a program.
//!
//! `eg-runtime` puts one JSON record for each function into a link section of the program. `cargo eg manifest` prints them
//! as one [`Manifest`]:
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

pub use eg_grammar::{HTTP_REQUEST, Schedule};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::error::{Contradiction, ManifestError};
use crate::config::SubscriptionType;

/// A service and its functions, in the order of their source code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The service's name: its package's, unless `eg_runtime::service!` names it.
    pub service: String,
    /// The package's version.
    pub version: String,
    /// The functions; at least one.
    pub functions: Vec<Function>,
    /// The events that the functions emit and receive, as far as their types describe them, ordered by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}

/// An event type as some functions of a service know it. If functions disagree, there are several of one type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Event {
    /// The type.
    #[serde(rename = "type")]
    pub ty: String,
    /// The JSON Schema of its payload (draft 2020-12).
    pub schema: Value,
    /// The ids of the functions that may emit it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emitted_by: Vec<String>,
    /// The ids of the functions that receive it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub received_by: Vec<String>,
}

/// One function of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Function {
    /// Its name in the service, which is also its `_HANDLER`.
    pub name: String,
    /// Its name everywhere else: `<service>-<name>`.
    pub id: String,
    /// The first paragraph of its documentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// `file:line` of its definition.
    pub source: String,
    /// What calls it.
    pub triggers: Vec<Trigger>,
    /// The event types that it may emit.
    #[serde(default)]
    pub emits: Vec<String>,
    /// The sources of the emitted event types that have a source of their own, instead of `/services/<service>`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
    /// How many seconds one call may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// How many megabytes of memory it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u32>,
    /// Where it runs already, for a function that `eg.toml` declares with a `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Keys of newer versions: kept to be printed again, never to be read.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// What calls a function. Each kind has a key of its own.
#[allow(clippy::large_enum_variant, reason = "most triggers are of the large kind")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Trigger {
    /// The gateway, with events or HTTP requests.
    Event(EventTrigger),
    /// The clock.
    Schedule {
        /// When it is called.
        #[serde(with = "text")]
        schedule: Schedule,
    },
    /// A queue, with batches of messages.
    #[serde(rename_all = "camelCase")]
    Queue {
        /// The queue's name.
        queue: String,
        /// The most messages in one batch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch_size: Option<u32>,
        /// How many seconds a batch waits for more messages.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<u32>,
    },
}

/// A subscription at the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EventTrigger {
    /// The type of the events, or [`HTTP_REQUEST`].
    pub event_type: String,
    /// Whether the emitter waits for the answer.
    pub mode: SubscriptionType,
    /// The HTTP method of the route.
    pub method: String,
    /// The path of the route in the gateway's spelling (`:id`, `*rest`).
    pub path: String,
    /// Which pages may call the route from a browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// When failed deliveries are retried. Absent: the gateway's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Keys of newer versions: kept to be printed again, never to be read.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// `true` for the gateway's defaults, or the rules that differ from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cors {
    /// The gateway's defaults, or no CORS at all.
    Enabled(bool),
    /// Rules. An empty list stands for the gateway's default.
    Rules {
        /// Origins, `*` for all.
        #[serde(default)]
        origins: Vec<String>,
        /// HTTP methods.
        #[serde(default)]
        methods: Vec<String>,
        /// Request headers.
        #[serde(default)]
        headers: Vec<String>,
        /// Whether browsers may send cookies.
        #[serde(default)]
        credentials: bool,
    },
}

/// Limits of the attempts to deliver an event. An absent limit is the gateway's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Retry {
    /// The number of attempts, the first one included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// How many seconds after its acceptance an event expires if it is not delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
    /// The longest pause after the first failure, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_backoff: Option<u32>,
    /// The longest pause after any failure, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_backoff: Option<u32>,
}

impl Manifest {
    /// A service with these functions.
    #[must_use]
    pub fn new(service: impl Into<String>, version: impl Into<String>, functions: Vec<Function>) -> Self {
        Self { service: service.into(), version: version.into(), functions, events: Vec::new() }
    }

    /// Reads the manifest of the program at `path` without running it. The program may be stripped, and compiled for
    /// another machine.
    ///
    /// # Errors
    /// If the file is no program, has no functions, or has records that cannot be read or contradict each other.
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

    /// The JSON Schemas that the service has for the payload of an event type: several if its functions disagree.
    pub fn schemas_of<'a>(&'a self, event_type: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event.ty == event_type).map(|event| &event.schema)
    }
}

impl Function {
    /// A function of `service` that nothing calls yet, defined at `source` (`file:line`).
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
            sources: BTreeMap::new(),
            timeout: None,
            memory: None,
            url: None,
            unknown: Map::new(),
        }
    }

    /// Its subscriptions at the gateway.
    pub fn events(&self) -> impl Iterator<Item = &EventTrigger> {
        self.triggers.iter().filter_map(|trigger| match trigger {
            Trigger::Event(event) => Some(event),
            Trigger::Schedule { .. } | Trigger::Queue { .. } => None,
        })
    }
}

impl EventTrigger {
    /// A subscription without CORS, with the gateway's retry policy.
    #[must_use]
    pub fn new(
        event_type: impl Into<String>,
        mode: SubscriptionType,
        method: impl Into<String>,
        path: impl Into<String>,
    ) -> Self {
        Self {
            event_type: event_type.into(),
            mode,
            method: method.into(),
            path: path.into(),
            cors: None,
            retry: None,
            unknown: Map::new(),
        }
    }

    /// Whether it is a plain HTTP route.
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.event_type == HTTP_REQUEST
    }
}
