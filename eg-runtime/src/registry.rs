//! What the macros record about each function, and the functions of this binary. Data only: `dispatch` calls the
//! functions, `manifest` writes the records.

use std::error::Error as StdError;

use crate::extract::Call;
use crate::requests::Route;
use crate::shared::Need;

/// One annotated function.
#[derive(Debug)]
pub struct FunctionDef {
    /// The package it was written in.
    pub package: &'static str,
    /// That package's version.
    pub version: &'static str,
    /// Its name in the manifest.
    pub name: &'static str,
    /// The first paragraph of its documentation.
    pub doc: &'static str,
    /// Where it stands.
    pub file: &'static str,
    /// The line of its name.
    pub line: u32,
    /// What makes it run.
    pub triggers: &'static [Trigger],
    /// Seconds that it may take, when its attributes say so.
    pub timeout: Option<u32>,
    /// Megabytes of memory that it wants, when its attributes say so.
    pub memory: Option<u32>,
    /// Per argument, the event types it may emit through it.
    pub emits: &'static [&'static [&'static str]],
    /// Per argument, the value that has to be there for it.
    pub needs: &'static [Option<Need>],
    /// Answers one request with it.
    pub call: Call,
}

/// One reason for a function to run.
#[derive(Debug)]
pub enum Trigger {
    /// A subscription at the gateway.
    Subscription(Subscription),
    /// A rate or cron expression of EventBridge.
    Schedule(&'static str),
    /// A queue of SQS.
    Queue(Queue),
}

/// A queue whose messages a function handles.
#[derive(Debug)]
pub struct Queue {
    /// Its name.
    pub name: &'static str,
    /// Messages at most in one invocation.
    pub batch_size: Option<u32>,
    /// Seconds that messages may wait for others.
    pub window: Option<u32>,
}

/// One subscription of a function at the gateway.
#[derive(Debug)]
pub struct Subscription {
    /// The event type; `http.request` for `#[http]`.
    pub event_type: &'static str,
    /// Whether the caller waits.
    pub mode: Mode,
    /// The HTTP method it is posted with.
    pub method: &'static str,
    /// The path it is posted to, in the gateway's spelling.
    pub path: &'static str,
    /// How requests find it, for `#[http]`.
    pub route: Option<Route>,
    /// Which browsers' pages may call it.
    pub cors: Option<Cors>,
    /// When failed deliveries are tried again.
    pub retry: Option<Retry>,
}

/// Whether the caller waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It waits.
    Sync,
    /// It does not.
    Async,
}

/// `cors(…)`; empty lists leave the gateway's defaults.
#[derive(Debug)]
pub struct Cors {
    /// Allowed origins.
    pub origins: &'static [&'static str],
    /// Allowed methods.
    pub methods: &'static [&'static str],
    /// Allowed request headers.
    pub headers: &'static [&'static str],
    /// Whether cookies may be sent along.
    pub credentials: bool,
}

/// `retry(…)`; what is absent is left to the gateway's default.
#[derive(Debug)]
pub struct Retry {
    /// Attempts in all, the first one included.
    pub attempts: Option<u32>,
    /// Seconds after its acceptance at which an undelivered event expires.
    pub max_age: Option<u32>,
    /// Seconds that bound the first pause.
    pub min_backoff: Option<u32>,
    /// Seconds that bound every pause.
    pub max_backoff: Option<u32>,
}

/// The name that `service!` gives the binary's service.
#[derive(Debug)]
pub struct ServiceDef {
    /// The name.
    pub name: &'static str,
    /// The version of the package that names it.
    pub version: &'static str,
}

inventory::collect!(FunctionDef);
inventory::collect!(ServiceDef);

/// All functions linked into this binary, ordered by name.
pub(crate) fn functions() -> Vec<&'static FunctionDef> {
    let mut functions: Vec<_> = inventory::iter::<FunctionDef>.into_iter().collect();
    functions.sort_by_key(|function| (function.name, function.file, function.line));
    functions
}

/// The service this binary is: named by `service!`, else the package that all its functions come from.
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

/// Two functions of one name would be one function to Lambda and the gateway. `functions` are ordered by name.
pub(crate) fn check_names(functions: &[&'static FunctionDef]) -> Result<(), RegistryError> {
    match functions.windows(2).find(|pair| pair[0].name == pair[1].name) {
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
        "this binary has no functions: annotate some with #[http], #[subscribe], #[schedule] or #[queue]; if they live in a library \
         crate, name it in main.rs (`use my_functions as _;`), or it is not linked at all"
    )]
    NoFunctions,
    #[error(
        "this binary has functions of the packages `{0}` and `{1}`: say which service it is with \
         `eg_runtime::service!(\"name\");` in main.rs"
    )]
    SeveralPackages(&'static str, &'static str),
    #[error(
        "two functions are called `{name}`, at {first} and {second}: rename one, or give it `name = \"…\"`"
    )]
    Duplicate { name: &'static str, first: String, second: String },
    #[error("`{first}` and `{second}` both answer {method} {path}")]
    SameRoute { first: &'static str, second: &'static str, method: &'static str, path: &'static str },
    #[error(
        "the paths {first} and {second} differ only in the names of their parameters: use the same name, or the \
         gateway cannot route both"
    )]
    ParameterNames { first: &'static str, second: &'static str },
    #[error("`{function}` needs `State<{ty}>`: provide it with `App::new().state(…)` in main.rs")]
    MissingState { function: &'static str, ty: &'static str },
    #[error("`{function}` needs `{ty}`, and it cannot be made: {cause}")]
    Unavailable { function: &'static str, ty: &'static str, cause: Box<dyn StdError + Send + Sync> },
}

impl FunctionDef {
    /// What it subscribes to at the gateway.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = &'static Subscription> + use<> {
        let triggers: &'static [Trigger] = self.triggers;
        triggers.iter().filter_map(|trigger| match trigger {
            Trigger::Subscription(subscription) => Some(subscription),
            Trigger::Schedule(_) | Trigger::Queue(_) => None,
        })
    }

    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}
