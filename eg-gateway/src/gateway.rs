//! Starting, holding and ending a gateway: wires the parts together and owns their tasks.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, broadcast};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::activity::Activity;
use crate::api::{self, App};
use crate::budget::Budget;
use crate::configuration::{ChangeError, Configuration};
use crate::deliver::attempt::Delivering;
use crate::deliver::engine::Engine;
use crate::deliver::{Callers, Invoker, Wakeups};
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::options::{ListenAddr, Options};
use crate::reception::Reception;
use crate::spans::Spans;
use crate::store::{Store, StoreError};
use crate::system::SystemEvents;
use crate::tls::{self, TlsFiles};
use crate::upkeep::{self, Retention};
use crate::{clock, server};

/// How long a shutdown lets requests and deliveries finish. The last spans may take two seconds more, and all of it at most
/// ten.
const GRACE: Duration = Duration::from_secs(7);

/// A running gateway. Dropping it stops everything at once, as a crash would; what was accepted is delivered after the
/// next start.
#[derive(Debug)]
pub struct Gateway {
    events_url: String,
    config_url: String,
    connector_url: Option<String>,
    feed: Feed,
    store: Store,
    tasks: JoinSet<()>,
    stop: CancellationToken,
    /// Ends what requests began and what goes on without them.
    ended: DropGuard,
    spans: Spans,
}

/// The two APIs of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Takes events.
    Events,
    /// Takes configuration.
    Config,
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Events => "Events API",
            Self::Config => "Config API",
        })
    }
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another program listens on the port.
    #[error("port {port} is already in use, so the {api} cannot listen there")]
    PortInUse {
        /// Which API wants it.
        api: Api,
        /// The port.
        port: u16,
    },
    /// The address cannot be listened on for another reason.
    #[error("the {api} cannot listen on {addr}: {source}")]
    Listen {
        /// Which API wants it.
        api: Api,
        /// The address.
        addr: ListenAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The address for the connector cannot be listened on.
    #[error("the connector's API cannot listen on {addr}: {source}")]
    Connector {
        /// The address.
        addr: ListenAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("the {api} cannot use TLS: {reason}")]
    Tls {
        /// Which API wants it.
        api: Api,
        /// Which file, and what is wrong with it.
        reason: String,
    },
    /// The store cannot be used.
    #[error("cannot open the store: {0}")]
    Store(#[from] StoreError),
    /// The stored configuration contradicts itself.
    #[error("the configuration stored in {} cannot be used: {reason}", data_dir.display())]
    Configuration {
        /// The directory of the store.
        data_dir: PathBuf,
        /// The contradiction.
        reason: String,
    },
    /// The endpoint for spans cannot be used.
    #[cfg(feature = "otlp")]
    #[error("cannot send spans to {endpoint}: {reason}")]
    Spans {
        /// The endpoint.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Gateway {
    /// Starts a gateway on the current tokio runtime. When this returns, both APIs answer, and deliveries that an
    /// earlier process left behind are under way.
    ///
    /// # Errors
    /// See [`StartError`]; nothing keeps running.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        // First the ports: the usual mistake is a second gateway, and it should not touch the store.
        let (events_addr, events) = listen(Api::Events, options.events_addr).await?;
        let (config_addr, config) = listen(Api::Config, options.config_addr).await?;
        let (connector_url, connector) = match options.connector_addr {
            Some(addr) => match server::bind(addr).await {
                Ok((addr, listeners)) => (Some(addr.url(options.config_tls.is_some())), listeners),
                Err(source) => return Err(StartError::Connector { addr, source }),
            },
            None => (None, Vec::new()),
        };
        let events_tls = acceptor(Api::Events, options.events_tls.as_ref())?;
        let config_tls = acceptor(Api::Config, options.config_tls.as_ref())?;
        let callers = Callers::new(&options);

        let spans = spans(&options)?;
        let retention = Retention::new(&options);
        let Options { data_dir, retry, workers, body_limit, access_keys, domain, .. } = options;
        let Options {
            strict_compat,
            max_connections,
            dedupe_window,
            max_hops,
            memory_limit,
            private_targets,
            ..
        } = options;
        let (events_https, config_https) = (events_tls.is_some(), config_tls.is_some());
        let store = {
            let data_dir = data_dir.clone();
            let open = move || Store::open(&data_dir, clock::now_millis());
            tokio::task::spawn_blocking(open).await.map_err(|_| StoreError::Closed)??
        };
        let configuration = Configuration::load(store.clone()).await.map_err(|error| match error {
            ChangeError::Store(error) => StartError::Store(error),
            ChangeError::Refused(refusal) => {
                StartError::Configuration { data_dir, reason: refusal.to_string() }
            }
        })?;
        let configuration = Arc::new(configuration);
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let wakeups = Arc::new(Wakeups::default());
        let feed = Feed::new(stop.clone());

        let metrics = Arc::new(Metrics::new());
        let reception = Reception {
            store: store.clone(),
            wakeups: Arc::clone(&wakeups),
            feed: feed.clone(),
            metrics: Arc::clone(&metrics),
            dedupe_window,
            max_hops,
        };
        let system = SystemEvents { configuration: Arc::clone(&configuration), reception: reception.clone() };
        let invoker = Arc::new(Invoker::new(callers, system, spans.clone()));

        let delivering = Arc::new(Delivering {
            store: store.clone(),
            configuration: Arc::clone(&configuration),
            invoker: Arc::clone(&invoker),
            feed: feed.clone(),
            metrics: Arc::clone(&metrics),
            retry,
            stop: stop.clone(),
        });
        let engine =
            Engine::new(Arc::clone(&delivering), Arc::clone(&wakeups), workers, memory_limit).await?;
        let app = Arc::new(App {
            store: store.clone(),
            configuration,
            invoker,
            spans: spans.clone(),
            reception,
            wakeups,
            feed: feed.clone(),
            metrics,
            body_limit,
            budget: Budget::new(memory_limit),
            access_keys,
            private_targets,
            domain,
            strict: strict_compat,
            ended: ended.clone(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(engine.run());
        tasks.spawn(upkeep::run(delivering, retention));
        for (listeners, service, tls) in [
            (events, api::events::service(Arc::clone(&app)), events_tls),
            (config, api::config::service(Arc::clone(&app)), config_tls.clone()),
            (connector, api::connector::service(app), config_tls),
        ] {
            let limit = Arc::new(Semaphore::new(max_connections.max(1)));
            for listener in listeners {
                tasks.spawn(server::serve(
                    listener,
                    service.clone(),
                    tls.clone(),
                    Arc::clone(&limit),
                    stop.clone(),
                ));
            }
        }
        let events_url = events_addr.url(events_https);
        let config_url = config_addr.url(config_https);
        Ok(Self {
            events_url,
            config_url,
            connector_url,
            feed,
            store,
            tasks,
            stop,
            ended: ended.drop_guard(),
            spans,
        })
    }

    /// Where events are emitted to, for example `http://localhost:4000`, with the port really used.
    #[must_use]
    pub fn events_url(&self) -> &str {
        &self.events_url
    }

    /// Where the Config API is, for example `http://localhost:4001`, with the port really used.
    #[must_use]
    pub fn config_url(&self) -> &str {
        &self.config_url
    }

    /// Where the connector's API is, if [`connector_addr`](Options::connector_addr) was set.
    #[must_use]
    pub fn connector_url(&self) -> Option<&str> {
        self.connector_url.as_deref()
    }

    /// What happens from now on. A receiver that falls more than 1024 activities behind misses the oldest.
    #[must_use]
    pub fn activity(&self) -> broadcast::Receiver<Activity> {
        self.feed.subscribe()
    }

    /// Stops accepting, lets requests and deliveries under way finish for up to 7 seconds, and closes the store. What
    /// is unfinished then is delivered after the next start.
    pub async fn shutdown(self) {
        self.shutdown_or_abort(std::future::pending()).await;
    }

    /// The same, but waits for no request and no delivery any more once `at_once` is ready.
    pub async fn shutdown_or_abort(mut self, at_once: impl Future<Output = ()>) {
        self.stop.cancel();
        tokio::select! {
            () = async { while self.tasks.join_next().await.is_some() {} } => {}
            () = tokio::time::sleep(GRACE) => {
                tracing::warn!("not everything finished in time; the rest is delivered after the next start");
            }
            () = at_once => {}
        }
        self.tasks.shutdown().await;
        drop(self.ended);
        self.store.close().await;
        let spans = self.spans;
        let _ = tokio::task::spawn_blocking(move || spans.close()).await;
    }
}

#[cfg(feature = "otlp")]
fn spans(options: &Options) -> Result<Spans, StartError> {
    let Some(endpoint) = options.otlp_endpoint.clone() else { return Ok(Spans::default()) };
    let client = crate::deliver::plain_client();
    match crate::spans::Exporter::new(&endpoint, client) {
        Ok(exporter) => Ok(Spans::to(exporter)),
        Err(reason) => Err(StartError::Spans { endpoint, reason }),
    }
}

#[cfg(not(feature = "otlp"))]
fn spans(_: &Options) -> Result<Spans, StartError> {
    Ok(Spans::default())
}

fn acceptor(api: Api, files: Option<&TlsFiles>) -> Result<Option<TlsAcceptor>, StartError> {
    files.map(tls::acceptor).transpose().map_err(|reason| StartError::Tls { api, reason })
}

async fn listen(api: Api, addr: ListenAddr) -> Result<(ListenAddr, Vec<TcpListener>), StartError> {
    server::bind(addr).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { api, port: addr.port() },
        _ => StartError::Listen { api, addr, source },
    })
}
