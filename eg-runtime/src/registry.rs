//! The data that the macros record about each function, and the list of the binary's functions. `dispatch` calls the
//! functions; `manifest` writes the records.

use std::error::Error as StdError;
use std::time::Duration;

use eg_grammar::{DeliveryLimits, HTTP_REQUEST, StreamKind};
use eg_sdk::{CloudEvent, Data};

use crate::extract::Call;
use crate::requests::Route;
use crate::shared::Need;

/// An annotated function.
#[derive(Debug)]
pub struct FunctionDef {
    /// The package that contains it.
    pub package: &'static str,
    /// The version of the package.
    pub version: &'static str,
    /// The name in the manifest.
    pub name: &'static str,
    /// The first paragraph of its documentation.
    pub doc: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line of its name.
    pub line: u32,
    /// The triggers.
    pub triggers: &'static [Trigger],
    /// The time limit in seconds, if set.
    pub timeout: Option<u32>,
    /// The memory in megabytes, if set.
    pub memory: Option<u32>,
    /// The largest body of an HTTP request in bytes, if it is less than the app's.
    pub body_limit: Option<u32>,
    /// Per argument, the event types that it can emit.
    pub emits: &'static [&'static [&'static str]],
    /// Per argument, the state that it needs.
    pub needs: &'static [Option<Need>],
    /// Calls the function with a request.
    pub call: Call,
}

/// A function with `#[authorizer]`, by the type that the attribute declares beside it under the function's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no authorizer",
    label = "not a function with `#[authorizer]`",
    note = "name a function: `#[authorizer] async fn check_token(…) -> Result<Decision, Error>`"
)]
pub trait Authorizes {
    /// The function.
    const FUNCTION: &'static FunctionDef;
}

/// A trigger of a function.
#[derive(Debug)]
pub enum Trigger {
    /// A subscription at the gateway.
    Subscription(Subscription),
    /// A rate or cron expression of EventBridge.
    Schedule(&'static str),
    /// A queue of SQS.
    Queue(Queue),
    /// Events of EventBridge.
    EventBridge(EventBridge),
    /// A stream.
    Stream(Stream),
    /// Requests that the function authorizes.
    Authorizer {
        /// Whether it answers HTTP APIs with a policy.
        iam: bool,
    },
    /// Every payload, as Lambda sends it.
    Invoke,
}

/// A queue trigger.
#[derive(Debug)]
pub struct Queue {
    /// The name.
    pub name: &'static str,
    /// The maximum number of messages per invocation.
    pub batch_size: Option<u32>,
    /// How long to collect messages for a batch, in seconds.
    pub window: Option<u32>,
}

/// A pattern for events of EventBridge.
#[derive(Debug)]
pub struct EventBridge {
    /// The sources; at least one.
    pub sources: &'static [&'static str],
    /// The detail types; at least one.
    pub detail_types: &'static [&'static str],
    /// The pattern for the detail, as JSON.
    pub detail: Option<&'static str>,
    /// The retry options.
    pub retry: Option<Retry>,
}

/// A stream trigger.
#[derive(Debug)]
pub struct Stream {
    /// Where the records come from.
    pub kind: StreamKind,
    /// The name of the table, stream or topic.
    pub name: &'static str,
    /// The maximum number of records per invocation.
    pub batch_size: Option<u32>,
    /// How long to collect records for a batch, in seconds.
    pub window: Option<u32>,
    /// The retry options.
    pub retry: Option<Retry>,
}

/// A subscription of a function at the gateway.
#[derive(Debug)]
pub struct Subscription {
    /// The event type; `http.request` for `#[http]`.
    pub event_type: &'static str,
    /// Whether the caller waits.
    pub mode: Mode,
    /// The HTTP method of the event or request.
    pub method: &'static str,
    /// The path of the event or request, in the gateway's spelling.
    pub path: &'static str,
    /// The route: for `#[http]`, and for a synchronous subscription to an event that has a path of its own.
    pub route: Option<Route>,
    /// The CORS options.
    pub cors: Option<Cors>,
    /// Whether the answer is streamed to callers that can read a stream.
    pub stream: bool,
    /// The function that authorizes requests.
    pub authorizer: Option<&'static FunctionDef>,
    /// The retry options.
    pub retry: Option<Retry>,
    /// What an event must meet.
    pub filter: Option<Filter>,
    /// Whether events with the same key come one after the other.
    pub ordered: bool,
}

/// The filter of a subscription. The gateway, or a rule of EventBridge, applies it; the runtime does where one event is for
/// several functions.
#[derive(Debug)]
pub struct Filter {
    /// The pattern as JSON.
    pub pattern: &'static str,
    /// Compares an event with the pattern. A binary without filters does not contain it.
    pub takes: fn(&str, &CloudEvent<Data>) -> bool,
}

/// Whether the caller waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The caller waits.
    Sync,
    /// The caller does not wait.
    Async,
}

/// The options of `cors(…)`. Empty lists mean the gateway's defaults.
#[derive(Debug)]
pub struct Cors {
    /// Allowed origins.
    pub origins: &'static [&'static str],
    /// Allowed methods.
    pub methods: &'static [&'static str],
    /// Allowed request headers.
    pub headers: &'static [&'static str],
    /// Whether requests may include cookies.
    pub credentials: bool,
}

/// The options of `retry(…)`. Absent values mean the gateway's defaults.
#[derive(Debug)]
pub struct Retry {
    /// The maximum number of attempts, including the first.
    pub attempts: Option<u32>,
    /// The age at which an undelivered event expires, in seconds.
    pub max_age: Option<u32>,
    /// The maximum first backoff, in seconds.
    pub min_backoff: Option<u32>,
    /// The upper bound of the backoff, in seconds.
    pub max_backoff: Option<u32>,
}

/// The service name set with `service!`.
#[derive(Debug)]
pub struct ServiceDef {
    /// The name.
    pub name: &'static str,
    /// The version of the package that sets it.
    pub version: &'static str,
}

inventory::collect!(FunctionDef);
inventory::collect!(ServiceDef);

/// Returns all functions linked into this binary, ordered by name.
pub(crate) fn functions() -> Vec<&'static FunctionDef> {
    let mut functions: Vec<_> = inventory::iter::<FunctionDef>.into_iter().collect();
    functions.sort_by_key(|function| (function.name, function.file, function.line));
    functions
}

/// Returns the name of this binary's service: set with `service!`, else the package of all its functions.
pub(crate) fn service(functions: &[&'static FunctionDef]) -> Result<&'static str, RegistryError> {
    if let Some(service) = inventory::iter::<ServiceDef>.into_iter().next() {
        return Ok(service.name);
    }
    let (first, others) = functions.split_first().ok_or(RegistryError::NoFunctions)?;
    match others.iter().find(|other| other.package != first.package) {
        Some(other) => Err(RegistryError::SeveralPackages(first.package, other.package)),
        None => Ok(first.package),
    }
}

/// Checks for duplicate names, because Lambda and the gateway identify functions by name. `functions` must be ordered
/// by name.
pub(crate) fn check_names(functions: &[&'static FunctionDef]) -> Result<(), RegistryError> {
    match functions.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(&[first, second]) if first.place() == second.place() => {
            Err(RegistryError::Copied { name: first.name, place: first.place() })
        }
        Some(&[first, second]) => {
            Err(RegistryError::Duplicate { name: first.name, first: first.place(), second: second.place() })
        }
        _ => Ok(()),
    }
}

/// Why the functions of this binary cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error(
        "this binary has no functions: annotate some with #[http], #[subscribe], #[schedule], #[queue], #[stream], #[authorizer] or #[invoke]; if they live \
         in a library crate, name it in main.rs (`use my_functions as _;`), or it is not linked at all"
    )]
    NoFunctions,
    #[error("no function of this binary belongs to the package `{package}`; its packages are {packages}")]
    NoPackage { package: String, packages: String },
    #[error(
        "this binary has functions of the packages `{0}` and `{1}`: say which service it is with \
         `eg_runtime::service!(\"name\");` in main.rs"
    )]
    SeveralPackages(&'static str, &'static str),
    #[error(
        "two functions are called `{name}`, at {first} and {second}: rename one, or give it `name = \"…\"`"
    )]
    Duplicate { name: &'static str, first: String, second: String },
    #[error(
        "`{name}` at {place} is registered twice: put the attribute of eg_runtime above any that copies the function, \
         such as `#[axum::debug_handler]`"
    )]
    Copied { name: &'static str, place: String },
    #[error(
        "`{first}` ({}) and `{second}` ({}) both answer {method} {path}: give one of them another path or method",
        places[0],
        places[1]
    )]
    SameRoute {
        first: &'static str,
        second: &'static str,
        places: [String; 2],
        method: &'static str,
        path: &'static str,
    },
    #[error(
        "`{function}` has `body_limit` = {limit} bytes, but the limit of the app is {app} bytes: raise it with \
         `App::payload_limit`, or lower `body_limit`"
    )]
    BodyLimit { function: &'static str, limit: u32, app: usize },
    #[error("`{function}` needs `State<{ty}>`: provide it with `App::new().state(…)` in main.rs")]
    MissingState { function: &'static str, ty: &'static str },
    #[error("`{function}` needs `{ty}`, and it cannot be made: {cause}")]
    Unavailable { function: &'static str, ty: &'static str, cause: Box<dyn StdError + Send + Sync> },
}

impl From<&Retry> for DeliveryLimits {
    fn from(retry: &Retry) -> Self {
        let seconds = |limit: Option<u32>| limit.map(|limit| Duration::from_secs(limit.into()));
        Self {
            attempts: retry.attempts,
            min_backoff: seconds(retry.min_backoff),
            max_backoff: seconds(retry.max_backoff),
            max_age: seconds(retry.max_age),
        }
    }
}

impl Subscription {
    /// Returns whether the function gets the HTTP request itself (`#[http]`).
    pub(crate) fn is_http(&self) -> bool {
        self.route.is_some() && self.event_type == HTTP_REQUEST
    }
}

impl Subscription {
    /// Returns whether the subscription is for an event: its type, and what it must meet.
    pub(crate) fn wants(&self, event: &CloudEvent<Data>) -> bool {
        let takes = |filter: &Filter| (filter.takes)(filter.pattern, event);
        !self.is_http() && self.event_type == event.ty() && self.filter.as_ref().is_none_or(takes)
    }
}

impl EventBridge {
    /// Returns whether events with this source and type match. EventBridge and the gateway have compared the detail.
    pub(crate) fn takes(&self, source: &str, ty: &str) -> bool {
        self.sources.contains(&source) && self.detail_types.contains(&ty)
    }
}

impl FunctionDef {
    /// Returns its subscriptions at the gateway.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = &'static Subscription> + use<> {
        let triggers: &'static [Trigger] = self.triggers;
        triggers.iter().filter_map(|trigger| match trigger {
            Trigger::Subscription(subscription) => Some(subscription),
            _ => None,
        })
    }

    /// Returns the functions that authorize its requests.
    pub(crate) fn authorizers(&self) -> impl Iterator<Item = &'static Self> + use<> {
        self.subscriptions().filter_map(|subscription| subscription.authorizer)
    }

    /// Returns whether the function takes payloads as they are (`#[invoke]`).
    pub(crate) fn is_invoked(&self) -> bool {
        self.triggers.iter().any(|trigger| matches!(trigger, Trigger::Invoke))
    }

    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}
