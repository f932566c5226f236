//! Starts, changes and stops a running application: gateway, emulator, queues, schedules and the services' functions.
//! The order of these steps ensures that no caller meets a missing part, that a reload loses nothing, and that calls
//! in progress can finish. What to register at the gateway is left to `registration`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use eg_gateway::{Activity, Gateway, OutsideCall, StoreUrl};
use eg_grammar::variable::CONNECTIONS;
use eg_local::Observer;
use eg_local::emulator::{self, Emulator, EndedCall, Invoker, OutputObserver};
use eg_local::queues::{self, Mapping, Mappings, Queues};
use eg_local::schedules::{Schedules, Timed};
use eg_local::{WebSockets, websockets};
use eg_sdk::manifest::{Function, Trigger};
use eg_sdk::{EventGateway, Settings};
use time::OffsetDateTime;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::exit::{Exit, Failure, chain};
use crate::project::deploy::Deploy;
use crate::project::services::Service;
use crate::registration::{self, Owner};
use crate::sockets;
use crate::state::running::{Named, Running};
use crate::state::{Lock, State, schemas};

use super::deploy::{Deployment, deployments, tidy};
use super::orphans;
use super::ports::{Ports, in_use};
use super::streams::Readers;
use super::{local_aws, streams, tables};

/// How long running batches and scheduled calls may take when the application stops; the same as for deliveries.
const GRACE: Duration = Duration::from_secs(9);

/// The options of an application.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) ports: Ports,
    /// Names of this machine besides `localhost`.
    pub(crate) allowed_hosts: Vec<String>,
    /// Whether schedules call functions.
    pub(crate) schedules: bool,
    pub(crate) queues: queues::QueueSettings,
    /// The database of the gateway's store. `None`: the store is in a directory of the state.
    pub(crate) store: Option<StoreUrl>,
}

/// The observers of what the application does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observers {
    /// What queues and schedules do.
    pub(crate) triggers: Observer,
    /// What the functions print.
    pub(crate) output: OutputObserver,
}

/// A running application.
#[derive(Debug)]
pub(crate) struct LocalApp {
    state: State,
    _lock: Lock,
    gateway: Gateway,
    emulator: Emulator,
    /// Makes the calls that the gateway does not make.
    invoker: Invoker,
    queues: Queues,
    mappings: Mappings,
    sockets: WebSockets,
    readers: Readers,
    /// `None` if schedules are off.
    schedules: Option<Schedules>,
    /// The version of each running function.
    running: BTreeMap<String, u64>,
    /// The binaries of this and the last version: calls that wait for a process may still start the last one.
    binaries: [BTreeSet<PathBuf>; 2],
}

/// The changes that a reload made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Update {
    /// Ids of functions that run in a new version.
    pub(crate) replaced: Vec<String>,
    /// Ids of functions that run for the first time.
    pub(crate) added: Vec<String>,
    /// Ids of functions that no longer run.
    pub(crate) removed: Vec<String>,
    /// Functions that lost subscriptions, and the number of their waiting deliveries that became dead letters.
    pub(crate) orphans: BTreeMap<String, usize>,
}

impl LocalApp {
    /// Starts the services. When this returns, every function is ready and registered, and nothing is
    /// delivered before [`open`](Self::open). Also returns what has changed since the last run.
    pub(crate) async fn start(
        services: &[Service],
        state: &State,
        lock: Option<Lock>,
        options: Options,
        observers: &Observers,
    ) -> Result<(Self, Update), Failure> {
        let lock = lock.map_or_else(|| state.lock(), Ok)?;
        tidy(&state.binaries(), &BTreeSet::new());
        let queues = Queues::open(&state.queues(), options.queues)
            .map_err(|error| Failure::new(Exit::Failed, error))?;
        // The emulator's port comes first, because the gateway needs its URL: it may have deliveries left from an
        // earlier run and starts them at once. They wait until the functions are ready.
        let sockets = WebSockets::new(observers.triggers.clone());
        let emulator = bind(state, &options, &queues, &sockets, observers.output.clone()).await?;
        let gateway = start_gateway(state, &options, emulator.url()).await?;
        let invoker = observed(emulator.invoker(), &gateway);
        let mappings = Mappings::new(queues.clone(), invoker.clone(), observers.triggers.clone());
        let readers = Readers::new(invoker.clone(), observers.triggers.clone());
        let schedules =
            options.schedules.then(|| Schedules::new(invoker.clone(), observers.triggers.clone()));
        let state = state.clone();
        let (running, binaries) = (BTreeMap::new(), Default::default());
        let mut app = Self {
            state,
            _lock: lock,
            gateway,
            emulator,
            invoker,
            queues,
            mappings,
            sockets,
            readers,
            schedules,
            running,
            binaries,
        };
        match app.change(services).await {
            Ok(update) => Ok((app, update)),
            Err(failure) => {
                // Must come before the gateway, which would otherwise wait for answers that never come.
                app.emulator.shut_down().await;
                app.gateway.shutdown().await;
                Err(failure)
            }
        }
    }

    /// Lets the gateway, queues, streams and schedules call the functions of `services`.
    pub(crate) fn open(&mut self, services: &[Service]) {
        self.emulator.open();
        self.readers.open();
        self.call(services);
    }

    /// Replaces the running services with `services`. If the new version of a function does not start, its old
    /// version keeps running and no registration changes.
    pub(crate) async fn update(&mut self, services: &[Service]) -> Result<Update, Failure> {
        let update = self.change(services).await?;
        self.call(services);
        Ok(update)
    }

    /// Starts the new functions, then updates their callers, then stops the old functions. So no call goes to a
    /// function that is not running.
    async fn change(&mut self, services: &[Service]) -> Result<Update, Failure> {
        sockets::local(functions(services)).map_err(|shared| Failure::new(Exit::Refused, shared))?;
        let connections = websockets::management_url(self.emulator.url());
        let variables = [
            (CONNECTIONS, &*connections),
            ("EVENT_GATEWAY_URL", self.gateway.events_url()),
            ("EVENT_GATEWAY_CONFIG_URL", self.gateway.config_url()),
            // Access to the local queues. Lambda provides credentials to every function; these are placeholders.
            ("AWS_ENDPOINT_URL_SQS", self.emulator.url()),
            ("AWS_ACCESS_KEY_ID", local_aws::ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", "local"),
        ];
        let deployments = deployments(services, &self.state, self.emulator.url(), &variables)?;
        let wanted: BTreeSet<String> = deployments.iter().map(|one| one.spec.id.clone()).collect();
        let binaries = deployments.iter().map(|one| one.spec.program.clone()).collect();
        tables::create(services).await?;
        let mut update = self.start_functions(deployments).await?;
        let names = functions(services).flat_map(queue_names).chain(sent_to(services)).collect();
        self.queues.declare(names).await.map_err(|error| Failure::new(Exit::Failed, error))?;
        // The gateway's times have milliseconds.
        let (client, before) = (self.client()?, OffsetDateTime::now_utc() - Duration::from_millis(1));
        let manifests = services.iter().map(|service| &service.manifest);
        let gone = registration::register(&client, Owner::Run, manifests).await?.losers;
        if !gone.is_empty() {
            update.orphans = orphans::count(&client, &gone, before).await?;
        }
        self.readers.set(streams::followed(services)).await;
        // Without the file, `cargo eg emit` checks no payloads.
        let _ = schemas::write(self.state.root(), services.iter().map(|service| &service.manifest));
        self.running.retain(|id, _| {
            let stays = wanted.contains(id);
            if !stays {
                self.emulator.remove(id);
                update.removed.push(id.clone());
            }
            stays
        });
        let last = std::mem::replace(&mut self.binaries[0], binaries);
        self.binaries[1] = last;
        tidy(&self.state.binaries(), &(&self.binaries[0] | &self.binaries[1]));
        Ok(update)
    }

    async fn start_functions(&mut self, deployments: Vec<Deployment>) -> Result<Update, Failure> {
        let mut starting = Vec::new();
        for Deployment { spec, version } in deployments {
            let id = spec.id.clone();
            if self.running.get(&id) != Some(&version) {
                let ready = self.emulator.replace(spec).map_err(|error| Failure::new(Exit::Failed, error))?;
                starting.push((id, version, ready));
            }
        }
        let (mut update, mut failures) = (Update::default(), Vec::new());
        for (id, version, ready) in starting {
            match ready.await {
                Ok(_) => match self.running.insert(id.clone(), version) {
                    Some(_) => update.replaced.push(id),
                    None => update.added.push(id),
                },
                Err(failure) => failures.push(format!("function {id} cannot start: {}", chain(&failure))),
            }
        }
        if failures.is_empty() {
            return Ok(update);
        }
        Err(Failure::new(Exit::Failed, failures.join("\n       "))
            .hint(format!("the full logs are in {}", self.state.logs().display())))
    }

    /// Makes queues, sockets and schedules call the functions of `services` from now on.
    fn call(&mut self, services: &[Service]) {
        self.mappings.set(functions(services).flat_map(mappings).collect());
        // What two functions share was refused before.
        let functions_of_sockets = sockets::local(functions(services)).unwrap_or_default();
        self.sockets.set(self.invoker.clone(), functions_of_sockets);
        if let Some(schedules) = &mut self.schedules {
            schedules.set(functions(services).flat_map(timed).collect());
        }
    }

    /// Returns a client of this gateway; ignores the environment variables that name a gateway.
    fn client(&self) -> Result<EventGateway, Failure> {
        let mut settings = Settings::default();
        self.gateway.events_url().clone_into(&mut settings.url);
        settings.config_url = Some(self.gateway.config_url().to_owned());
        Ok(EventGateway::with_settings(settings)?.with_timeout(Duration::from_secs(10)))
    }

    /// Returns the addresses and services of the application, for other commands.
    pub(crate) fn running(&self, named: Named) -> Running {
        Running {
            pid: rustix::process::getpid().as_raw_pid(),
            events: self.gateway.events_url().to_owned(),
            config: self.gateway.config_url().to_owned(),
            lambda: self.emulator.url().to_owned(),
            named,
        }
    }

    /// Returns the live feed from now on.
    pub(crate) fn activity(&self) -> broadcast::Receiver<Activity> {
        self.gateway.activity()
    }

    /// Lets the gateway, queues, streams and schedules finish their running calls, then stops the functions. Stops
    /// waiting when `at_once` is cancelled.
    pub(crate) async fn stop(mut self, at_once: &CancellationToken) {
        let others = async {
            // Calls that do not finish in time are repeated after the next start.
            let _ = tokio::time::timeout(GRACE, async {
                let schedules = async {
                    if let Some(schedules) = &mut self.schedules {
                        schedules.stop().await;
                    }
                };
                tokio::join!(self.mappings.stop(), self.sockets.stop(), self.readers.stop(), schedules)
            })
            .await;
        };
        let others = at_once.run_until_cancelled(others);
        // A gateway that has stopped does not count killed functions as failures.
        tokio::join!(self.gateway.shutdown_or_abort(at_once.cancelled()), others);
        // Dropping the emulator stops it at once.
        at_once.run_until_cancelled(self.emulator.shut_down()).await;
    }
}

/// Returns an invoker whose calls the gateway's dashboard shows.
fn observed(invoker: Invoker, gateway: &Gateway) -> Invoker {
    let (calls, Settings { space, .. }) = (gateway.outside_calls(), Settings::default());
    invoker.observed(move |EndedCall { function, trigger, duration, error, log, .. }| {
        calls.add(&OutsideCall { space: space.clone(), function, trigger, duration, error, log });
    })
}

fn functions(services: &[Service]) -> impl Iterator<Item = &Function> + Clone {
    services.iter().flat_map(|service| &service.manifest.functions)
}

fn queue_names(function: &Function) -> impl Iterator<Item = String> {
    function.triggers.iter().filter_map(|trigger| match trigger {
        Trigger::Queue { queue, .. } => Some(queue.to_string()),
        _ => None,
    })
}

/// Returns the queues to which functions send, by the settings of this machine.
fn sent_to(services: &[Service]) -> impl Iterator<Item = String> {
    let queues = |service: &Service| {
        let stage = service.deploy.as_ref().map(Deploy::local);
        let queues = stage.into_iter().flat_map(|stage| stage.queues(&service.manifest.service));
        queues.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    };
    services.iter().flat_map(queues)
}

fn mappings(function: &Function) -> impl Iterator<Item = Mapping> {
    function.triggers.iter().filter_map(move |trigger| match trigger {
        Trigger::Queue { queue, batch_size, window, .. } => {
            let mut mapping = Mapping::new(queue.as_str(), &function.id);
            mapping.batch_size = batch_size.unwrap_or(mapping.batch_size);
            mapping.window = window.map_or(mapping.window, |seconds| Duration::from_secs(seconds.into()));
            mapping.timeout =
                function.timeout.map_or(mapping.timeout, |seconds| Duration::from_secs(seconds.into()));
            Some(mapping)
        }
        _ => None,
    })
}

/// Returns the schedules of a function.
fn timed(function: &Function) -> impl Iterator<Item = Timed> {
    function.triggers.iter().filter_map(|trigger| match trigger {
        Trigger::Schedule { schedule, .. } => {
            Some(Timed { function: function.id.clone(), schedule: schedule.clone() })
        }
        _ => None,
    })
}

async fn bind(
    state: &State,
    app: &Options,
    queues: &Queues,
    sockets: &WebSockets,
    output: OutputObserver,
) -> Result<Emulator, Failure> {
    let port = app.ports.lambda;
    let mut options = emulator::EmulatorOptions::new(state.logs());
    options.addr.set_port(port);
    options.allowed_hosts.clone_from(&app.allowed_hosts);
    options.routes = queues::router(queues.clone()).merge(sockets.management());
    options.pages = sockets.clients();
    options.output = output;
    Emulator::bind(options).await.map_err(|error| match error {
        emulator::BindError::PortInUse { .. } => in_use(&[(port, "local Lambda", "--lambda-port")]),
        error => Failure::new(Exit::Failed, error),
    })
}

/// How long a start may take before it is said what it waits for.
const PATIENCE: Duration = Duration::from_secs(3);

async fn start_gateway(state: &State, app: &Options, lambda: &str) -> Result<Gateway, Failure> {
    let ports = app.ports;
    let mut options = eg_gateway::Options::new(state.gateway());
    // Who develops on a machine knows its time.
    options.trust_clock = true;
    options.recent_calls = eg_gateway::Options::RECENT_CALLS;
    options.events_addr = ports.events.into();
    options.config_addr = ports.config.into();
    options.allowed_hosts.clone_from(&app.allowed_hosts);
    options.local_lambda = Some(lambda.to_owned());
    options.private_targets = eg_gateway::PrivateTargets::all();
    options.store.clone_from(&app.store);
    let started = Gateway::start(options);
    tokio::pin!(started);
    let started = match tokio::time::timeout(PATIENCE, &mut started).await {
        Ok(started) => started,
        Err(_) => {
            eprintln!("waiting for the store: the database does not answer");
            started.await
        }
    };
    started.map_err(|error| match error {
        eg_gateway::StartError::PortInUse { api, .. } => match api {
            eg_gateway::Api::Events => in_use(&[(ports.events, "Events API", "--port")]),
            eg_gateway::Api::Config => in_use(&[(ports.config, "Config API", "--config-port")]),
        },
        error => Failure::new(Exit::Failed, error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages stay invisible for at least as long as a call of the function may take.
    #[test]
    fn a_queues_mapping_has_the_timeout_of_its_function() {
        let mut function = Function::new("shop", "pack", "src/main.rs:1");
        let queue = "orders".parse().unwrap();
        function.triggers.push(Trigger::Queue { queue, batch_size: None, window: None });
        let timeout = |function: &Function| {
            mappings(function).map(|mapping| mapping.timeout.as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(timeout(&function), [30]);
        function.timeout = Some(90);
        assert_eq!(timeout(&function), [90]);
    }
}
