//! A local AWS Lambda: the Invoke API for callers, the Runtime API for function processes.
//!
//! Each function runs in *execution environments*: one process with its own Runtime API listener, one invocation at a
//! time. If all are busy, the next invocation starts another one, up to the function's limit. Beyond it, the
//! invocation waits, or is refused if concurrency is reserved. Idle environments are ended after a while. A process
//! that crashes or exceeds its time limit fails only its own invocation. All processes end with the emulator; if the
//! emulator is killed, they end because their Runtime API is gone.
//!
//! A function is any program that uses the Runtime API: a binary built with `eg-runtime`, or `python3 -m awslambdaric
//! app.handler`. [`Emulator::replace`] replaces a function while it runs.
//!
//! # As on Lambda
//!
//! * `Invoke` with `RequestResponse`, `Event` and `DryRun`, and `InvokeWithResponseStream`. Callers name functions by
//!   name, partial ARN or ARN; `$LATEST` is the only version. Errors have the status, type and body that SDKs compare.
//!   Requests are not authenticated, but those of web pages from elsewhere, and those that name a foreign `Host`, get a 403
//!   ([`EmulatorOptions::allowed_hosts`]).
//! * An `Event` whose function fails is tried again after 1 and 2 minutes
//!   ([`FunctionSpec::event_retries`]); there is no destination for what is given up, only a line in the log.
//! * Answers may be streamed, with an error in the trailers; a caller who does not stream gets them whole.
//! * Extensions register from within the function's process, or are started beside it
//!   ([`FunctionSpec::extensions`]). Only with extensions do processes get `SIGTERM`, and then 500 ms, or
//!   300 ms of 2 s with external ones, before `SIGKILL`. There is no Telemetry API.
//! * `START`, `END` and `REPORT` lines, which are in the log before the caller is answered, and the last 4 KB of the log
//!   with `LogType: Tail`. `Max Memory Used` is the high-water mark of the function's process; it is known on Linux only,
//!   and no limit is enforced.
//! * With [`FunctionSpec::freeze`], a function is frozen between invocations.
//! * Functions never get the identity of a Cognito user, because Lambda takes it from credentials, which do not exist
//!   locally.
//!
//! ```no_run
//! use eg_local::emulator::{Emulator, FunctionSpec, EmulatorOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut emulator = Emulator::bind(EmulatorOptions::new("target/lambda-logs")).await?;
//! let users = FunctionSpec::new("users-create_user", "target/debug/users").handler("create_user");
//! emulator.deploy(users)?;
//! emulator.open();
//! emulator.warm("users-create_user").await?;
//! println!("AWS_ENDPOINT_URL_LAMBDA={}", emulator.url());
//! emulator.shut_down().await;
//! # Ok(())
//! # }
//! ```

mod arn;
mod body;
mod environment;
mod event_stream;
mod events;
mod extensions;
mod extensions_api;
mod function;
mod init;
mod invocation;
mod invoke_api;
mod invoker;
mod log;
mod log_times;
mod output;
mod pool;
mod printed;
mod process;
mod registry;
mod report;
mod runtime_api;
mod spec;
mod status;
mod stream;
mod variables;
mod work;

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use eg_grammar::{Mistake, OwnNames};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use arn::{ACCOUNT, LATEST, REGION, arn};
pub use init::InitFailure;
pub use invoker::{CallError, EndedCall, Invoker};
pub use log_times::{offset_since, times};
pub use printed::{OutputObserver, Printed, Stream};
pub use spec::FunctionSpec;

use crate::screening::{screened, screened_for_pages};
use function::Function;
use log::FunctionLog;
use registry::Registry;

use crate::private;

/// How long callers have to read their answers when the emulator stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// The settings of an emulator.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EmulatorOptions {
    /// Where the Invoke API listens. Default: a free port of 127.0.0.1.
    pub addr: SocketAddr,
    /// Further names under which callers reach the Invoke API, besides `localhost`, the loopback addresses and the address
    /// that it listens on: hosts like `host.docker.internal`, or all hosts below one like `*.example`. Requests with another
    /// `Host`, and those of web pages from elsewhere, get a 403. Default: none.
    pub allowed_hosts: Vec<String>,
    /// The folder of the functions' log files (`<function id>.log`); created if missing.
    pub log_dir: PathBuf,
    /// Another service on the same port, for example another API of AWS. Default: none.
    pub routes: axum::Router,
    /// Another service on the same port, which pages of this machine may use, too. It must have no fallback. Default: none.
    pub pages: axum::Router,
    /// Receives what the functions print, besides their logs. Default: nobody.
    pub output: OutputObserver,
}

/// A running emulator. Its tasks run on the tokio runtime that it was bound on.
///
/// [`shut_down`](Self::shut_down) answers callers and waits until no process is left. Dropping the emulator starts the
/// same without waiting; when its runtime ends, all processes are killed.
#[derive(Debug)]
pub struct Emulator {
    url: String,
    log_dir: PathBuf,
    routes: axum::Router,
    pages: axum::Router,
    output: OutputObserver,
    names: OwnNames,
    registry: Registry,
    door: Door,
}

/// Whether the emulator answers callers.
#[derive(Debug)]
enum Door {
    Closed(TcpListener),
    Open(JoinHandle<io::Result<()>>),
    /// Only while it is being opened.
    Moving,
}

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another program listens on the address.
    #[error("port {} is in use", addr.port())]
    PortInUse {
        /// The address.
        addr: SocketAddr,
    },
    /// The address cannot be listened at.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// One of the [allowed hosts](EmulatorOptions::allowed_hosts) is not a host.
    #[error("cannot allow this host: {0}")]
    Host(Mistake),
    /// The log folder cannot be created.
    #[error("cannot create the log folder {}", path.display())]
    LogDir {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Why a function was not deployed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// A function with that id exists.
    #[error("there are two functions with the id {id}")]
    Exists {
        /// The id.
        id: String,
    },
    /// The id is not valid in URLs and file names.
    #[error("{id:?} cannot be a function's id: only letters, digits, `-` and `_` can be in it")]
    BadId {
        /// The id.
        id: String,
    },
    /// The log file cannot be opened.
    #[error("cannot open the log {} of function {id}", path.display())]
    Log {
        /// The function's id.
        id: String,
        /// The log file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl EmulatorOptions {
    /// Creates settings with logs in `log_dir` and the Invoke API on a free port.
    #[must_use]
    pub fn new(log_dir: impl Into<PathBuf>) -> Self {
        Self {
            addr: (Ipv4Addr::LOCALHOST, 0).into(),
            allowed_hosts: Vec::new(),
            log_dir: log_dir.into(),
            routes: axum::Router::new(),
            pages: axum::Router::new(),
            output: OutputObserver::default(),
        }
    }
}

impl Emulator {
    /// Binds the port. Until [`open`](Self::open), callers wait in the listener's queue, so that they do not get an
    /// error for functions that are about to be deployed.
    pub async fn bind(options: EmulatorOptions) -> Result<Self, BindError> {
        let EmulatorOptions { addr, allowed_hosts, log_dir, routes, pages, output } = options;
        let names = allowed_hosts.iter().try_fold(OwnNames::new(addr.ip()), |names, host| names.allow(host));
        let names = names.map_err(BindError::Host)?;
        private::create_folder(&log_dir)
            .map_err(|source| BindError::LogDir { path: log_dir.clone(), source })?;
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::PortInUse { addr },
            _ => BindError::Listen { addr, source },
        };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let (registry, door) = (Registry::new(), Door::Closed(listener));
        Ok(Self { url, log_dir, routes, pages, output, names, registry, door })
    }

    /// Returns the URL of the Invoke API, for example `http://127.0.0.1:9001`: the endpoint for AWS SDKs.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns an invoker, which calls functions without the port, even before [`open`](Self::open).
    #[must_use]
    pub fn invoker(&self) -> Invoker {
        Invoker::new(self.registry.clone())
    }

    /// Adds a function. Its first process starts with [`warm`](Self::warm) or its first invocation.
    pub fn deploy(&self, spec: FunctionSpec) -> Result<(), DeployError> {
        let id = spec.id.clone();
        let function = Arc::new(self.function(spec)?);
        if self.registry.add(id.clone(), function) { Ok(()) } else { Err(DeployError::Exists { id }) }
    }

    /// Adds a function, or replaces it with a new version. The future waits until a process of the new version is
    /// ready for its first event, and returns how long its start took. The work continues if the future is dropped.
    ///
    /// Until the new version is ready, the old one takes all invocations; if it never becomes ready, nothing changes.
    /// Then the new version takes all invocations, including waiting ones. The old version finishes its current
    /// invocations, and its processes are ended.
    pub fn replace(
        &self,
        spec: FunctionSpec,
    ) -> Result<impl Future<Output = Result<Duration, InitFailure>> + use<>, DeployError> {
        let function = self.function(spec.clone())?;
        let registry = self.registry.clone();
        let task = self.registry.work().spawn(async move { registry.replace(spec, function).await });
        Ok(async move {
            let task = task.map_err(|_| InitFailure::Stopped)?;
            task.await.unwrap_or(Err(InitFailure::Stopped))
        })
    }

    /// Removes a function. Accepted invocations are finished, then its processes are ended. Returns `false` if the
    /// function does not exist.
    pub fn remove(&self, id: &str) -> bool {
        self.registry.remove(id).is_some_and(|function| {
            function.close();
            true
        })
    }

    fn function(&self, spec: FunctionSpec) -> Result<Function, DeployError> {
        let id = spec.id.clone();
        if !eg_grammar::is_function_name(&id) {
            return Err(DeployError::BadId { id });
        }
        let path = self.log_dir.join(format!("{id}.log"));
        let log = FunctionLog::open(&path, id.clone(), self.output.clone())
            .map_err(|source| DeployError::Log { id, path, source })?;
        Ok(Function::new(spec, log, self.registry.work().clone()))
    }

    /// Starts to answer callers.
    pub fn open(&mut self) {
        self.door = match std::mem::replace(&mut self.door, Door::Moving) {
            Door::Closed(listener) => Door::Open(self.serve(listener)),
            open => open,
        };
    }

    /// Starts a process of function `id` unless one is running. The future waits until it is ready for its first
    /// event and returns how long the start took: zero if it was ready or the function does not exist.
    pub fn warm(&self, id: &str) -> impl Future<Output = Result<Duration, InitFailure>> + use<> {
        let task = self.registry.get(id).map(|function| {
            self.registry.work().spawn(async move { function.warm().await }).map_err(|_| InitFailure::Stopped)
        });
        async move {
            match task {
                Some(task) => task?.await.unwrap_or(Err(InitFailure::Stopped)),
                None => Ok(Duration::ZERO),
            }
        }
    }

    /// Ends every invocation, kills every process, and returns once none is left.
    pub async fn shut_down(mut self) {
        self.registry.shut_down().await;
        if let Door::Open(server) = &mut self.door
            && tokio::time::timeout(FAREWELL, &mut *server).await.is_err()
        {
            server.abort();
        }
    }

    fn serve(&self, listener: TcpListener) -> JoinHandle<io::Result<()>> {
        let router = invoke_api::router(self.registry.clone()).merge(self.routes.clone());
        let pages = screened_for_pages(self.pages.clone(), self.names.clone());
        let router = pages.fallback_service(screened(router, self.names.clone()));
        let stop = self.registry.work().stop_token().clone().cancelled_owned();
        let listener = listener.tap_io(|stream| {
            // A failure only costs speed.
            let _ = stream.set_nodelay(true);
        });
        let serve = async move { axum::serve(listener, router).with_graceful_shutdown(stop).await };
        self.registry.work().runtime().spawn(serve)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.registry.stop();
    }
}
