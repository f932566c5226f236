//! Starts and stops a gateway: creates its parts and owns their tasks. The parts have their own modules.

mod descriptors;
mod error;
mod port;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::port::Port;
use crate::activity::Activity;
use crate::api::events::EventsApi;
use crate::api::screening::Screening;
use crate::api::{self, ApiState};
use crate::budget::Budget;
use crate::clock::{self, Clock};
use crate::configuration::{ChangeError, Configuration};
use crate::decide::routes::Routing;
use crate::deliver::engine::{Capacity, Engine};
use crate::deliver::{Callers, Delivering, Invoker};
use crate::feed::{self, Feed};
use crate::jobs::Jobs;
use crate::neighbours;
use crate::options::Options;
use crate::recent::OutsideCalls;
use crate::reception::Reception;
use crate::retention::Retention;
use crate::server::inside::Door;
use crate::server::{self, Connections, Serving};
use crate::spans::Spans;
use crate::store::{Store, StoreError};
use crate::tls::ClientTls;
pub use error::{Api, StartError};

/// How long a shutdown waits for requests and deliveries. Sending the last spans may take two more seconds; the whole
/// shutdown takes at most ten.
const GRACE: Duration = Duration::from_secs(7);

/// The maximum number of connections of the dashboard to each API. A page needs a few, and one for each viewer.
const INSIDE: usize = 256;

/// A running gateway. Dropping it stops everything at once, as a crash would; the next start resumes the unfinished
/// deliveries.
#[derive(Debug)]
pub struct Gateway {
    events_url: String,
    config_url: String,
    connector_url: Option<String>,
    feed: Feed,
    outside_calls: OutsideCalls,
    store: Store,
    /// Where the time is left for the next start.
    data_dir: Option<PathBuf>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
    /// When dropped, ends work that requests started and that continues after them.
    ended: DropGuard,
    spans: Spans,
}

impl Gateway {
    /// Starts a gateway on the current tokio runtime. When this returns, both APIs answer, and the gateway resumes
    /// the unfinished deliveries of an earlier process.
    ///
    /// # Errors
    /// Returns a [`StartError`] if the gateway cannot start; then nothing keeps running.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let started = Self::start_unless(options, std::future::pending()).await?;
        started.ok_or(StartError::Store(StoreError::Closed))
    }

    /// Starts a gateway as [`start`](Self::start) does, unless `stop` is ready before it has started. Then it returns `None`,
    /// and its store is closed.
    ///
    /// # Errors
    /// Returns a [`StartError`] if the gateway cannot start; then nothing keeps running.
    pub async fn start_unless(
        options: Options,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<Self>, StartError> {
        let mut stop = pin!(stop);
        // A gateway that waits for its database listens on no port.
        let shared = match &options.store {
            Some(url) => {
                let lease = options.store_lease;
                match Store::in_postgres(url.as_str(), lease, clock::timestamp, stop.as_mut()).await {
                    Err(StoreError::Closed) => return Ok(None),
                    opened => Some(opened?),
                }
            }
            None => None,
        };
        let started = tokio::select! {
            started = Self::start_with(options, shared.clone()) => started.map(Some),
            () = stop => Ok(None),
        };
        if let (Ok(None) | Err(_), Some(store)) = (&started, shared) {
            store.close().await;
        }
        started
    }

    /// Starts a gateway with this store, or the one in its directory.
    async fn start_with(mut options: Options, shared: Option<Store>) -> Result<Self, StartError> {
        // A store in a database keeps the time that it has reached.
        let data_dir = options.store.is_none().then(|| options.data_dir.clone());
        // Before anything reads the time.
        if !options.trust_clock
            && let Some(data_dir) = &data_dir
        {
            clock::resume(data_dir);
        }
        let places = descriptors::places(options.max_connections);
        options.max_connections = places.events;
        let screening = Screening::new(&options).map_err(StartError::Name)?;
        // The ports come before other stores: the usual mistake is to start a second gateway, which should not touch the store.
        let events = Port::open(Api::Events, options.events_addr, options.events_tls.as_ref()).await?;
        let config = Port::open(Api::Config, options.config_addr, options.config_tls.as_ref()).await?;
        let connector = Port::open_connector(&options).await?;
        let (events_url, config_url) = (events.url(), config.url());
        let connector_url = connector.as_ref().map(Port::url);

        let tls = ClientTls::new(options.ca_file.as_deref()).map_err(StartError::Roots)?;
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let (clock, spans) = (Clock::system(), spans(&options, &tls)?);
        let invoker = Invoker::new(Callers::new(&options, &tls), spans.clone());
        let store = match shared {
            Some(store) => store,
            None => open_store(&options).await?,
        };
        let feed = if store.shares_feed() { Feed::shared(stop.clone()) } else { Feed::new(stop.clone()) };
        let stops = store.stops().await?;
        clock::not_before(store.reached().await?);
        leave_time(data_dir.as_deref());
        let configuration = load_configuration(&options, store.clone(), clock.clone()).await?;
        let reception = Reception::new(&options, store.clone(), configuration, feed.clone(), clock);
        let outside_calls = OutsideCalls(Arc::clone(&reception.recent));
        let delivering = Delivering::new(invoker, &reception, options.retry.clone(), stop.clone());
        let delivering = Arc::new(delivering);
        let wakeups = Arc::clone(&reception.wakeups);
        let engine =
            Engine::new(Arc::clone(&delivering), Arc::clone(&wakeups), Capacity::new(&options)).await?;
        let jobs = Jobs::new(Arc::clone(&delivering), reception.clone());
        let app = Arc::new(ApiState::new(
            &options,
            &delivering,
            screening,
            reception,
            spans.clone(),
            ended.clone(),
        ));

        let mut tasks = JoinSet::new();
        tasks.spawn(engine.run());
        tasks.spawn(feed::share(feed.clone(), store.clone()));
        tasks.spawn(neighbours::follow(Arc::clone(&delivering), wakeups));
        tasks.spawn(jobs.run());
        tasks.spawn(leave_time_regularly(data_dir.clone(), stop.clone()));
        tasks.spawn(Retention::new(&options, stops).run(delivering));
        let memory = app.memory.clone();
        let events_api = EventsApi::new(Arc::clone(&app));
        let config_api = api::config::service(Arc::clone(&app));
        let events_door = inside(events_api.clone(), &memory, &stop, &mut tasks);
        let config_door = inside(config_api.clone(), &memory, &stop, &mut tasks);
        let from = api::dashboard::Places {
            events_url: events_url.clone(),
            config_url: config_url.clone(),
            events: events_door,
            config: config_door,
        };
        let with_pages = api::dashboard::service(&app, from, config_api);
        events.serve(events_api, places.events, &memory, &stop, &mut tasks);
        config.serve(with_pages, places.config, &memory, &stop, &mut tasks);
        if let Some(connector) = connector {
            connector.serve(api::connector::service(app), places.config, &memory, &stop, &mut tasks);
        }
        let ended = ended.drop_guard();
        Ok(Self {
            events_url,
            config_url,
            connector_url,
            feed,
            outside_calls,
            store,
            data_dir,
            tasks,
            stop,
            ended,
            spans,
        })
    }

    /// Returns the URL of the Events API with the actual port, for example `http://localhost:4000`.
    #[must_use]
    pub fn events_url(&self) -> &str {
        &self.events_url
    }

    /// Returns the URL of the Config API with the actual port, for example `http://localhost:4001`.
    #[must_use]
    pub fn config_url(&self) -> &str {
        &self.config_url
    }

    /// Returns the URL of the Connections API, if [`connector_addr`](Options::connector_addr) was set.
    #[must_use]
    pub fn connector_url(&self) -> Option<&str> {
        self.connector_url.as_deref()
    }

    /// Returns a receiver of everything that happens from now on. A receiver that falls more than 1024 activities
    /// behind misses the oldest.
    #[must_use]
    pub fn activity(&self) -> broadcast::Receiver<Activity> {
        self.feed.subscribe()
    }

    /// Returns the place for calls of functions that the gateway does not make, such as those of a schedule beside it. Its
    /// statistics and its list of recent calls contain them.
    #[must_use]
    pub fn outside_calls(&self) -> OutsideCalls {
        self.outside_calls.clone()
    }

    /// Returns once the gateway cannot go on, and why: others have taken over its deliveries. Then nothing is accepted and
    /// delivered any more, and it should be dropped.
    pub async fn failed(&self) -> StoreError {
        self.store.lost().await
    }

    /// Stops accepting, waits up to 7 seconds for requests and deliveries under way, and closes the store. The next
    /// start delivers whatever is unfinished.
    pub async fn shutdown(self) {
        self.shutdown_or_abort(std::future::pending()).await;
    }

    /// Shuts down as [`shutdown`](Self::shutdown) does, but stops waiting for requests and deliveries when `at_once` is ready.
    pub async fn shutdown_or_abort(mut self, at_once: impl Future<Output = ()>) {
        self.stop.cancel();
        tokio::select! {
            () = async { while self.tasks.join_next().await.is_some() {} } => {}
            () = tokio::time::sleep(GRACE) => {
                tracing::warn!("some requests and deliveries did not finish in time; the deliveries are repeated after the next start");
            }
            () = at_once => {}
        }
        self.tasks.shutdown().await;
        drop(self.ended);
        if let Err(error) = self.store.release(clock::timestamp()).await {
            tracing::warn!(%error, "cannot record that deliveries were interrupted");
        }
        leave_time(self.data_dir.as_deref());
        self.store.close().await;
        let spans = self.spans;
        let _ = tokio::task::spawn_blocking(move || spans.close()).await;
    }
}

/// Serves an API to this process.
fn inside(
    service: impl server::Api + Sync,
    memory: &Budget,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> Door {
    let (door, arrivals) = server::inside::door();
    let connections = Connections::new(INSIDE);
    let serving = Serving { service, tls: None, connections, memory: memory.clone() };
    tasks.spawn(server::inside::serve(arrivals, serving, stop.clone()));
    door
}

/// How old the time is, at most, that a gateway leaves that is killed.
const LEAVING: Duration = Duration::from_secs(60);

/// Leaves the time until the gateway stops.
async fn leave_time_regularly(data_dir: Option<PathBuf>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(LEAVING)).await.is_some() {
        let data_dir = data_dir.clone();
        let _ = tokio::task::spawn_blocking(move || leave_time(data_dir.as_deref())).await;
    }
}

/// Leaves the time for the next gateway. Without it, that one trusts the clock of the machine.
fn leave_time(data_dir: Option<&Path>) {
    if let Some(data_dir) = data_dir
        && let Err(error) = clock::leave(data_dir)
    {
        tracing::warn!(%error, "cannot leave the time for the next start");
    }
}

async fn open_store(options: &Options) -> Result<Store, StoreError> {
    let data_dir = options.data_dir.clone();
    let open = move || Store::in_directory(&data_dir, clock::timestamp());
    tokio::task::spawn_blocking(open).await.map_err(|_| StoreError::Closed)?
}

async fn load_configuration(
    options: &Options,
    store: Store,
    clock: Clock,
) -> Result<Arc<Configuration>, StartError> {
    let routing = Routing {
        strict: options.strict_compat,
        hosts: options.domain.is_some(),
        closed: options.domain.is_some() || !options.access_keys.spaces.is_empty(),
    };
    let loaded = Configuration::load(store, clock, routing).await.map_err(|error| match error {
        ChangeError::Store(error) => StartError::Store(error),
        ChangeError::Refused(refusal) => {
            let place = match options.store {
                Some(_) => "the database".to_owned(),
                None => options.data_dir.display().to_string(),
            };
            StartError::Configuration { place, reason: refusal.to_string() }
        }
    });
    Ok(Arc::new(loaded?))
}

#[cfg(feature = "otlp")]
fn spans(options: &Options, tls: &ClientTls) -> Result<Spans, StartError> {
    let Some(endpoint) = options.otlp_endpoint.clone() else { return Ok(Spans::default()) };
    match crate::spans::Exporter::new(&endpoint, tls) {
        Ok(exporter) => Ok(Spans::to(exporter)),
        Err(reason) => Err(StartError::Spans { endpoint, reason }),
    }
}

#[cfg(not(feature = "otlp"))]
fn spans(_: &Options, _: &ClientTls) -> Result<Spans, StartError> {
    Ok(Spans::default())
}
