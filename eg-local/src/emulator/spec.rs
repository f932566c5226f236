//! The description of a function, as needed to run it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use eg_grammar::limits;

/// A function and its limits.
///
/// Its processes get the caller's environment without `AWS_*` (but with `AWS_ENDPOINT_URL_*`), `CARGO*`, `EVENT_GATEWAY_*`, `PORT`,
/// `EVENT_BUS`, `EVENT_FAILURES_QUEUE`, `EG_SECRETS` and `EG_DATA_DIR`, then Lambda's variables (`AWS_LAMBDA_RUNTIME_API`,
/// `_HANDLER`, …), then `variables`.
///
/// ```
/// use eg_local::FunctionSpec;
///
/// // A binary of this project, and a Python function with Lambda's own runtime.
/// let users = FunctionSpec::new("users-create_user", "target/debug/users").handler("create_user");
/// let resize = FunctionSpec::new("images-resize", "python3")
///     .arguments(["-m", "awslambdaric", "app.handler"])
///     .handler("app.handler")
///     .root("functions/resize")
///     .variable("BUCKET", "images");
/// # assert_eq!((users.arguments.len(), resize.arguments.len()), (0, 3));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FunctionSpec {
    /// The name for callers and for the log file.
    pub id: String,
    /// `_HANDLER`: selects one of the program's functions.
    pub handler: String,
    /// The program: a path (relative to `root` if it is not absolute), or a name to be found in `PATH`.
    /// It finds its Runtime API in `AWS_LAMBDA_RUNTIME_API`.
    pub program: PathBuf,
    /// The arguments of the program. Default: none.
    pub arguments: Vec<OsString>,
    /// The working directory and `LAMBDA_TASK_ROOT`.
    pub root: PathBuf,
    /// Additional environment variables. They override all others.
    pub variables: BTreeMap<String, OsString>,
    /// The time limit of one invocation. Default: 30 s.
    pub timeout: Duration,
    /// The time limit of a process's start, until it requests its first event. Default: 10 s, as on Lambda.
    pub init_timeout: Duration,
    /// The memory size that the function and the report show, in megabytes; not enforced. Default: 128.
    pub memory_mb: u32,
    /// The maximum number of processes; further invocations wait. Default: 10.
    pub concurrency: usize,
    /// Lambda's reserved concurrency: the maximum number of concurrent invocations, instead of `concurrency`. Further
    /// callers get `TooManyRequestsException`; events wait. Default: none.
    pub reserved_concurrency: Option<usize>,
    /// The delays before the retries of a failed event (an invocation without a waiting caller). After the last one
    /// the event is given up. Default: 1 and 2 minutes, as on Lambda. Source: Lambda's developer guide, "error
    /// handling for asynchronous invocation".
    pub event_retries: Vec<Duration>,
    /// Whether processes are frozen (`SIGSTOP`) between invocations, so that background work stops, as on Lambda.
    /// Default: no.
    pub freeze: bool,
    /// External extensions: programs that are started beside each process, like those in `/opt/extensions` on Lambda.
    /// Each must register under its file name.
    pub extensions: Vec<PathBuf>,
    /// How long a process may be idle before it is ended. Default: 5 minutes.
    pub idle_timeout: Duration,
}

impl FunctionSpec {
    /// How long one invocation may take by default.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// Creates a function with the default limits. Its handler has the same name, and its root is the current
    /// directory.
    #[must_use]
    pub fn new(id: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        let id = id.into();
        Self {
            handler: id.clone(),
            id,
            program: program.into(),
            // Fails if the folder was removed; then starting the program fails with an error.
            root: std::env::current_dir().unwrap_or_default(),
            arguments: Vec::new(),
            variables: BTreeMap::new(),
            timeout: Self::TIMEOUT,
            init_timeout: Duration::from_secs(10),
            memory_mb: 128,
            concurrency: 10,
            reserved_concurrency: None,
            event_retries: limits::EVENT_RETRIES.to_vec(),
            freeze: false,
            extensions: Vec::new(),
            idle_timeout: Duration::from_secs(5 * 60),
        }
    }

    /// Sets `_HANDLER`, which selects one of the program's functions.
    #[must_use]
    pub fn handler(mut self, handler: impl Into<String>) -> Self {
        self.handler = handler.into();
        self
    }

    /// Sets the working directory and `LAMBDA_TASK_ROOT`.
    #[must_use]
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = root.into();
        self
    }

    /// Sets the time limit of one invocation.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the memory size that the function and the report show, in megabytes.
    #[must_use]
    pub fn memory_mb(mut self, memory_mb: u32) -> Self {
        self.memory_mb = memory_mb;
        self
    }

    /// Adds arguments of the program.
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets one environment variable.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }
}
