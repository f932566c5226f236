//! The manifest of a service: what its binary says about its functions, without running it.
//!
//! `eg-runtime` leaves one JSON record per function in a link section. [`Manifest::read`] finds the
//! section, reads its records and puts them together. It does not judge what the functions are for.

mod assemble;
mod record;
mod section;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eg_sdk::config::SubscriptionType;
use serde::{Deserialize, Serialize};

/// A service and its functions, in the order in which they stand in the source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The service's name: its package's, unless `eg_runtime::service!` names it.
    pub service: String,
    /// The package's version.
    pub version: String,
    /// At least one.
    pub functions: Vec<Function>,
    /// What is known of the events that its functions emit and receive, ordered by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}

/// An event type as some functions of a service know it. Where they disagree, there are several of one type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Event {
    /// The type.
    #[serde(rename = "type")]
    pub ty: String,
    /// The JSON Schema of its payload (draft 2020-12).
    pub schema: serde_json::Value,
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
    /// The first words of its documentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// `file:line` of its definition.
    pub source: String,
    /// What calls it.
    pub triggers: Vec<Trigger>,
    /// The event types that it may emit.
    pub emits: Vec<String>,
    /// The sources of those that do not come from `/services/<service>`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
    /// Seconds that it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// Megabytes of memory that it wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u32>,
    /// What newer versions of `eg-runtime` say, handed through.
    #[serde(flatten)]
    pub further: serde_json::Map<String, serde_json::Value>,
}

/// What calls a function, told apart by the key that each kind has.
#[allow(clippy::large_enum_variant, reason = "most triggers are of the large kind")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Trigger {
    /// The gateway, with events or HTTP requests.
    Event(EventTrigger),
    /// The clock.
    #[non_exhaustive]
    Schedule {
        /// EventBridge's notation: `rate(5 minutes)` or `cron(…)`.
        schedule: String,
    },
    /// A queue, with batches of messages.
    #[serde(rename_all = "camelCase")]
    #[non_exhaustive]
    Queue {
        /// The queue's name.
        queue: String,
        /// The most messages of one batch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch_size: Option<u32>,
        /// How long a batch is filled, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<u32>,
    },
}

/// A subscription at the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EventTrigger {
    /// `http.request`, or the type of the events that it gets.
    pub event_type: String,
    /// Whether the emitter waits for the answer.
    pub mode: SubscriptionType,
    /// HTTP method of the route.
    pub method: String,
    /// Path of the route in the gateway's spelling (`:id`, `*rest`).
    pub path: String,
    /// Which browsers' pages may call the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// When failed deliveries are tried again. Absent: as the gateway's default says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What newer versions of `eg-runtime` say, handed through.
    #[serde(flatten)]
    pub further: serde_json::Map<String, serde_json::Value>,
}

/// `true` for the gateway's defaults, or what differs from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cors {
    /// The gateway's defaults, or none at all.
    Enabled(bool),
    /// Empty lists stand for the gateway's defaults.
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
        /// Whether cookies may be sent along.
        #[serde(default)]
        credentials: bool,
    },
}

/// Limits of the attempts to deliver; those that are absent are the gateway's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Retry {
    /// Attempts in all, the first one included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Seconds after acceptance at which a delivery that did not succeed expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
    /// Seconds that bound the pause after the first failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_backoff: Option<u32>,
    /// Seconds that bound every pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_backoff: Option<u32>,
}

impl Function {
    /// Its subscriptions at the gateway.
    pub fn events(&self) -> impl Iterator<Item = &EventTrigger> {
        self.triggers.iter().filter_map(|trigger| match trigger {
            Trigger::Event(event) => Some(event),
            Trigger::Schedule { .. } | Trigger::Queue { .. } => None,
        })
    }
}

impl EventTrigger {
    /// Whether it is a plain HTTP route.
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.event_type == HTTP_REQUEST
    }
}

/// The type of the events that stand for plain HTTP requests.
pub const HTTP_REQUEST: &str = "http.request";

/// Why a binary gave no manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no program of a kind that we can read.
    #[error("{} is not an ELF or Mach-O program", path.display())]
    NotAProgram {
        /// The file.
        path: PathBuf,
        /// What stands against it.
        source: object::read::Error,
    },
    /// No annotated function is linked into the program.
    #[error("no functions in {}", path.display())]
    NoFunctions {
        /// The program.
        path: PathBuf,
    },
    /// A record is not what `eg-runtime` writes.
    #[error("{} has a manifest record that cannot be read: {record}", path.display())]
    BadRecord {
        /// The program.
        path: PathBuf,
        /// The record, shortened.
        record: String,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// The records do not make one service.
    #[error("{}: {reason}", path.display())]
    Invalid {
        /// The program.
        path: PathBuf,
        /// What contradicts what.
        reason: Contradiction,
    },
}

/// Why records do not make one service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Contradiction {
    /// Functions of several packages and no name for the whole.
    #[error("its functions come from several packages: {}", packages.join(", "))]
    SeveralPackages {
        /// Their names.
        packages: Vec<String>,
    },
    /// `eg_runtime::service!` was used more than once.
    #[error("it names its service more than once: {}", names.join(", "))]
    SeveralServices {
        /// The names.
        names: Vec<String>,
    },
    /// Two functions with one name.
    #[error("two functions are named `{name}`: {} and {}", sources[0], sources[1])]
    SameName {
        /// The name.
        name: String,
        /// Where both are.
        sources: [String; 2],
    },
    /// A name that cannot be part of a function id.
    #[error(
        "`{name}` ({place}) cannot be part of a function's id: only letters, digits, `-`, `_` and `.` can"
    )]
    BadName {
        /// The name.
        name: String,
        /// The function's source, or `service`.
        place: String,
    },
}

impl Manifest {
    /// The JSON Schemas that the service has for the payload of an event type: several, where its functions disagree.
    pub fn schemas_of<'a>(&'a self, event_type: &'a str) -> impl Iterator<Item = &'a serde_json::Value> {
        self.events.iter().filter(move |event| event.ty == event_type).map(|event| &event.schema)
    }

    /// Reads the manifest of the program at `path`, which may be stripped and made for another machine.
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
}

impl ManifestError {
    /// What the developer can do about it, if we know.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoFunctions { .. } => Some(
                "annotate functions with #[http] or #[subscribe]; if they live in a library crate, name that \
                 crate in main.rs (`use my_functions as _;`)"
                    .to_owned(),
            ),
            Self::BadRecord { .. } => {
                Some("was it built with a newer eg-runtime than this cargo-eg knows?".to_owned())
            }
            Self::Invalid { reason: Contradiction::SeveralPackages { .. }, .. } => {
                Some("name the service in main.rs: `eg_runtime::service!(\"name\");`".to_owned())
            }
            Self::Invalid { reason: Contradiction::SeveralServices { .. }, .. } => {
                Some("keep one `eg_runtime::service!`, the one in main.rs".to_owned())
            }
            Self::Invalid { reason: Contradiction::SameName { .. }, .. } => {
                Some("rename one, or give it another name: `#[http(GET, \"/\", name = \"other\")]`".to_owned())
            }
            _ => None,
        }
    }
}
