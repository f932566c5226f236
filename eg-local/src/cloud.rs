//! `Cloud`: one handle for functions, queues, schedules and connections on one port, for tests. Combines the other modules and
//! adds no behaviour of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use eg_grammar::variable::CONNECTIONS;
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::activity::{Observer, TriggerActivity};
use crate::emulator::{self, BindError, CallError, DeployError, Emulator, FunctionSpec, InitFailure};
use crate::private;
use crate::queues::{self, Mapping, Mappings, Queue, QueueError, Queues, StoreError};
use crate::schedules;
use crate::websockets::{self, SocketFunctions, WebSockets};

/// A running cloud on this machine.
///
/// It listens on the loopback interface only. [`stop`](Self::stop) finishes the current batches; dropping the cloud
/// ends it at once, with all processes of its functions. It needs a tokio runtime with I/O and time, of any flavour.
#[derive(Debug)]
pub struct Cloud {
    emulator: Emulator,
    queues: Queues,
    sockets: WebSockets,
    mappings: Mutex<Mapped>,
    folder: Folder,
}

#[derive(Debug)]
struct Mapped {
    running: Mappings,
    all: Vec<Mapping>,
}

#[derive(Debug)]
enum Folder {
    /// Removed when the cloud is dropped.
    Temporary(TempDir),
    Given(PathBuf),
}

/// The settings of a [`Cloud`].
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `start` is called"]
pub struct CloudBuilder {
    port: u16,
    folder: Option<PathBuf>,
    queues: queues::QueueSettings,
    observer: Observer,
}

/// Why an operation of a cloud failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The port or the log folder cannot be used.
    #[error(transparent)]
    Start(#[from] BindError),
    /// The folder cannot be created.
    #[error("cannot create the folder of the local cloud")]
    Folder(#[source] io::Error),
    /// The file with the queues' messages cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The function's id or log file cannot be used.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// The function's program did not start, or did not request its first event.
    #[error("function {function} cannot start")]
    Init {
        /// Id of the function.
        function: String,
        /// The cause.
        source: InitFailure,
    },
    /// The payload is not JSON once it is serialized, or the answer is not JSON.
    #[error("function {function}: the payload or the answer is not JSON")]
    Json {
        /// Id of the function.
        function: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// The function failed, or could not be called.
    #[error("function {function} failed: {source}")]
    Call {
        /// Id of the function.
        function: String,
        /// The failure.
        source: CallError,
    },
    /// The queue or the message is refused.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The function's log cannot be read, for example because no function has that id.
    #[error("cannot read the log of function {function}")]
    Log {
        /// Id of the function.
        function: String,
        /// The cause.
        source: io::Error,
    },
}

impl CloudBuilder {
    /// Listens on this port of `127.0.0.1`. Default: 0, any free port.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Keeps logs (`logs/<function>.log`) and messages (`queues.db`) in `folder`, which is made if it is missing; messages
    /// of an earlier run are delivered. One cloud at a time may use a folder: [`stop`](Cloud::stop) it before you start the
    /// next one there. Default: a temporary folder, removed with the cloud.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Sets how long a failed message stays invisible before it is delivered again. Default: 30 s, as on AWS. Use
    /// [`Duration::ZERO`] in tests of failures.
    pub fn visibility(mut self, visibility: Duration) -> Self {
        self.queues.visibility = visibility;
        self
    }

    /// Sets how often a message is received before it moves to the dead-letter queue. Default: 5.
    pub fn max_receives(mut self, max_receives: u32) -> Self {
        self.queues.max_receives = max_receives;
        self
    }

    /// Calls `observe` for each activity of a queue. It must return quickly.
    pub fn observe(mut self, observe: impl Fn(TriggerActivity) + Send + Sync + 'static) -> Self {
        self.observer = Observer::new(observe);
        self
    }

    /// Starts the cloud.
    pub async fn start(self) -> Result<Cloud, Error> {
        let folder = match self.folder {
            Some(folder) => Folder::Given(folder),
            None => Folder::Temporary(tempfile::tempdir().map_err(Error::Folder)?),
        };
        private::create_folder(folder.path()).map_err(Error::Folder)?;
        let queues = Queues::open(&folder.path().join("queues.db"), self.queues)?;
        let mut options = emulator::EmulatorOptions::new(folder.logs());
        options.addr.set_port(self.port);
        let sockets = WebSockets::new(self.observer.clone());
        options.routes = queues::router(queues.clone()).merge(sockets.management());
        options.pages = sockets.clients();
        let mut emulator = Emulator::bind(options).await?;
        emulator.open();
        let running = Mappings::new(queues.clone(), emulator.invoker(), self.observer);
        let mappings = Mutex::new(Mapped { running, all: Vec::new() });
        Ok(Cloud { emulator, queues, sockets, mappings, folder })
    }
}

impl Cloud {
    /// Starts a cloud on a free port, with a temporary folder.
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// Starts a cloud with other settings.
    pub fn builder() -> CloudBuilder {
        CloudBuilder::default()
    }

    /// Returns the endpoint for AWS SDKs, for example `http://127.0.0.1:49152`. It serves Lambda's Invoke API and
    /// SQS, and accepts any credentials and region.
    #[must_use]
    pub fn url(&self) -> &str {
        self.emulator.url()
    }

    /// Deploys a function, or a new version of it, and returns when a process of it is ready for its first event.
    ///
    /// The function's environment names this cloud in `AWS_ENDPOINT_URL_SQS`, `AWS_ENDPOINT_URL_LAMBDA` and
    /// `AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI`, unless its own variables override them.
    pub async fn deploy(&self, mut function: FunctionSpec) -> Result<(), Error> {
        let connections = websockets::management_url(self.url());
        let defaults = [
            (CONNECTIONS, &*connections),
            ("AWS_ENDPOINT_URL_SQS", self.url()),
            ("AWS_ENDPOINT_URL_LAMBDA", self.url()),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
        ];
        for (name, value) in defaults {
            function.variables.entry(name.to_owned()).or_insert_with(|| value.into());
        }
        let id = function.id.clone();
        let ready = self.emulator.replace(function)?;
        ready.await.map_err(|source| Error::Init { function: id, source })?;
        Ok(())
    }

    /// Calls a function and waits for its answer.
    pub async fn invoke(&self, function: &str, payload: impl Serialize) -> Result<Value, Error> {
        let json = |source| Error::Json { function: function.to_owned(), source };
        let payload = serde_json::to_vec(&payload).map_err(json)?;
        let answer = self.call(function, payload).await?;
        serde_json::from_slice(&answer).map_err(json)
    }

    /// Calls a function once with the event that EventBridge sends for a schedule, as of now, and waits for its answer.
    pub async fn tick(&self, function: &str) -> Result<(), Error> {
        self.call(function, schedules::event_of_now(function)).await.map(drop)
    }

    async fn call(&self, function: &str, payload: Vec<u8>) -> Result<bytes::Bytes, Error> {
        let answer = self.emulator.invoker().invoke("invoke", function, payload).await;
        answer.map_err(|source| Error::Call { function: function.to_owned(), source })
    }

    /// Returns the queue of that name. Creates it if it is missing, with its dead-letter queue
    /// (`orders-dead-letters`). A name that ends in `.fifo` is a FIFO queue.
    pub async fn queue(&self, name: &str) -> Result<Queue, Error> {
        Ok(self.queues.queue(name).await?)
    }

    /// Connects a function to a queue, whose messages it handles from now on. Creates the queue if it is missing.
    pub async fn map(&self, mapping: Mapping) -> Result<(), Error> {
        self.queues.queue(&mapping.queue).await?;
        let mut mapped = self.mapped();
        let Mapped { running, all } = &mut *mapped;
        if !all.contains(&mapping) {
            all.push(mapping);
        }
        running.set(all.clone());
        Ok(())
    }

    /// Sets the functions of the WebSocket API. Clients connect to [`websocket_url`](Self::websocket_url).
    pub fn websockets(&self, functions: SocketFunctions) {
        self.sockets.set(self.emulator.invoker(), functions);
    }

    /// Returns the URL of the WebSocket API, for example `ws://127.0.0.1:49152/ws`.
    #[must_use]
    pub fn websocket_url(&self) -> String {
        websockets::client_url(self.url())
    }

    /// Returns a function's log: its own lines between Lambda's `START`, `END` and `REPORT`.
    pub fn log(&self, function: &str) -> Result<String, Error> {
        let bytes = std::fs::read(self.folder.logs().join(format!("{function}.log")))
            .map_err(|source| Error::Log { function: function.to_owned(), source })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Ends connections and waits for the current batches, then ends all processes. Returns once all have ended.
    pub async fn stop(self) {
        let Self { emulator, sockets, mappings, folder, .. } = self;
        sockets.stop().await;
        mappings.into_inner().unwrap_or_else(PoisonError::into_inner).running.stop().await;
        emulator.shut_down().await;
        drop(folder);
    }

    fn mapped(&self) -> std::sync::MutexGuard<'_, Mapped> {
        self.mappings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Given(folder) => folder,
        }
    }

    fn logs(&self) -> PathBuf {
        self.path().join("logs")
    }
}
