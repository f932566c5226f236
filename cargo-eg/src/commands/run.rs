//! `cargo eg run`: builds the services, starts the application, prints the live view and reloads changed sources
//! until it is stopped.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anstream::ColorChoice;
use eg_gateway::LOG_OF_CALLS;
use eg_local::emulator::OutputObserver;
use eg_local::{Observer, queues};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use super::current_folder;
use crate::cli;
use crate::console::progress::Progress;
use crate::console::signals::Signals;
use crate::console::{self, Addresses, Feed, Functions, Screen};
use crate::exit::{Exit, Failure};
use crate::project::services::Service;
use crate::project::{Project, Wanted};
use crate::run::{LocalApp, Observers, Options, Ports};
use crate::state::running::{Named, Note, Running};
use crate::state::{Lock, State};
use crate::watch::{self, Sources, Watcher};

/// How long the last lines of the live view may take to arrive.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What a reload needs.
struct Session {
    wanted: Wanted,
    options: Options,
    current: PathBuf,
    state: State,
    /// None with `--no-watch`.
    watcher: Option<Watcher>,
    services: Vec<Service>,
    feed: Feed,
    /// The task that adds the gateway's activities to the live view.
    following: Option<JoinHandle<()>>,
    /// Kept for as long as the application runs.
    note: Option<Note>,
}

pub(crate) async fn run(arguments: cli::Run) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    log_libraries();
    let (mut session, mut app) = tokio::select! {
        started = Session::start(arguments) => started?,
        // Dropping the app stops whatever was started.
        () = signals.next() => return Err(interrupted("interrupted before the app was ready")),
    };
    loop {
        tokio::select! {
            () = signals.next() => break,
            changed = session.changed() => tokio::select! {
                () = session.reload(&mut app, &changed) => {}
                () = signals.next() => break,
            },
        }
    }
    eprintln!("stopping: waiting for running calls; Ctrl-C again stops at once");
    let at_once = CancellationToken::new();
    let stopped = {
        let stop = app.stop(&at_once);
        tokio::pin!(stop);
        tokio::select! {
            () = &mut stop => Ok(()),
            () = signals.next() => {
                at_once.cancel();
                stop.await;
                Err(interrupted("interrupted; events that were not delivered are delivered after the next start"))
            }
        }
    };
    session.finish().await;
    stopped
}

/// Prints the log of the gateway and the libraries. What the live view shows is left out.
fn log_libraries() {
    let wanted = std::env::var("RUST_LOG").ok().filter(|targets| !targets.is_empty());
    let filter = wanted.and_then(|targets| targets.parse::<Targets>().ok()).unwrap_or_else(|| {
        Targets::new().with_default(LevelFilter::WARN).with_target(LOG_OF_CALLS, LevelFilter::OFF)
    });
    let has_colours = anstream::AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(has_colours)
        .with_writer(std::io::stderr)
        .fmt_fields(eg_gateway::log_fields());
    // Fails only if a subscriber is set already.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}

impl Session {
    async fn start(arguments: cli::Run) -> Result<(Self, LocalApp), Failure> {
        let options = options(&arguments);
        let current = current_folder()?;
        let wanted = Wanted::from(arguments.selection);
        let project = Project::find(&current, &wanted)?;
        let state = State::locate(arguments.state.state_dir.as_deref(), || Ok(project.home(&current)))?;
        // What prevents a start is found before the build. The directory is created only by a start.
        let lock = if state.root().exists() { Some(state.lock()?) } else { None };
        options.ports.check()?;
        if arguments.fresh {
            match state.clear()? {
                Some(removed) => eprintln!("removed from {}: {removed}", state.root().display()),
                None => eprintln!("nothing to remove in {}", state.root().display()),
            }
        }
        // From here on no change is missed, even during the first build.
        let sources = without_own(project.sources(&[], false), &state);
        let watcher = if arguments.no_watch { None } else { Some(Watcher::new(sources)?) };
        let (feed, screen) = console::feed(arguments.quiet);
        let (services, following, note) = (Vec::new(), None, None);
        let mut session = Self { wanted, options, current, state, watcher, services, feed, following, note };
        session.services = session.build(&project).await?;
        let app = session.open(lock, screen).await?;
        session.reload_ended();
        Ok((session, app))
    }

    async fn open(&mut self, lock: Option<Lock>, screen: Screen) -> Result<LocalApp, Failure> {
        let (triggers, printed) = (self.feed.clone(), self.feed.clone());
        let observers = Observers {
            triggers: Observer::new(move |activity| triggers.trigger(activity)),
            output: OutputObserver::new(move |line| printed.printed(line)),
        };
        let progress = Progress::begin("starting the functions");
        let (mut app, update) =
            LocalApp::start(&self.services, &self.state, lock, self.options.clone(), &observers).await?;
        drop(progress);
        let running = app.running(Named { folder: self.current.clone(), wanted: self.wanted.clone() });
        // Must happen before the app is reported as ready.
        self.note = Some(running.note(&self.state)?);
        let addresses = Addresses {
            events: &running.events,
            config: &running.config,
            lambda: &running.lambda,
            state: self.state.root(),
            schedules: self.options.schedules,
            watching: self.watcher.is_some(),
            is_found: Running::around(&self.current).as_ref() == Some(&running),
            finds_state: State::around(&self.current).is_some_and(|state| state.root() == self.state.root()),
        };
        anstream::eprintln!("{}", console::overview(&self.services, &update, &addresses, &self.current));
        // Must happen before the first delivery, so that no activity is missed.
        self.following = Some(tokio::spawn(self.feed.clone().follow(app.activity())));
        self.feed.functions(functions(&self.services));
        screen.open();
        app.open(&self.services);
        Ok(app)
    }

    /// Builds the services. Then watches the files that the build has read or, if it failed, all files whose change may
    /// make it succeed.
    async fn build(&mut self, project: &Project) -> Result<Vec<Service>, Failure> {
        let services = project.services().await;
        if let Some(watcher) = &mut self.watcher {
            let sources = match &services {
                Ok(services) => project.sources(services, true),
                Err(_) => project.sources(&self.services, false),
            };
            watcher.follow(without_own(sources, &self.state))?;
            watcher.built();
        }
        services
    }

    /// Waits for a change of the sources.
    async fn changed(&mut self) -> BTreeSet<PathBuf> {
        match &mut self.watcher {
            Some(watcher) => watcher.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Reloads the changed sources. If that fails, reports why and keeps the running version.
    async fn reload(&mut self, app: &mut LocalApp, changed: &BTreeSet<PathBuf>) {
        let started = Instant::now();
        eprintln!("{}: building", watch::describe(changed, &self.current));
        let reloaded = async {
            let project = Project::find(&self.current, &self.wanted)?;
            if let Some(watcher) = &mut self.watcher {
                // The files of a new service are followed during its first build, too.
                let sources = project.sources(&self.services, false);
                watcher.follow(without_own(sources, &self.state))?;
            }
            let services = self.build(&project).await?;
            let _progress = Progress::begin("starting the functions");
            let update = app.update(&services).await?;
            Ok::<_, Failure>((services, update))
        };
        match reloaded.await {
            Ok((services, update)) => {
                let lines = console::reloaded(&services, &update, started.elapsed());
                anstream::eprintln!("{lines}");
                self.feed.functions(functions(&services));
                self.services = services;
            }
            Err(failure) => {
                failure.report();
                eprintln!("not reloaded: the last version that worked keeps running");
            }
        }
        self.reload_ended();
    }

    /// Notes that the last reload has ended.
    fn reload_ended(&mut self) {
        if let Some(watcher) = &mut self.watcher {
            watcher.done();
        }
    }

    /// Prints the last lines of the live view. The application has stopped.
    async fn finish(&mut self) {
        if let Some(following) = &mut self.following {
            // The gateway is gone, so it ends.
            let _ = tokio::time::timeout(LAST_LINES, following).await;
        }
        self.feed.finish().await;
    }
}

fn options(arguments: &cli::Run) -> Options {
    Options {
        ports: Ports { events: arguments.port, config: arguments.config_port, lambda: arguments.lambda_port },
        allowed_hosts: arguments.allowed_host.clone(),
        schedules: !arguments.no_schedules,
        queues: queues::QueueSettings {
            visibility: Duration::from_secs(arguments.queue_visibility.into()),
            ..queues::QueueSettings::default()
        },
        store: arguments.store.clone(),
    }
}

/// Returns the functions whose lines are shown.
fn functions(services: &[Service]) -> Functions {
    let functions = services.iter().flat_map(|service| &service.manifest.functions);
    Functions::new(functions.map(|function| function.id.clone()).collect())
}

/// Returns the sources without the files that the application itself writes.
fn without_own(mut sources: Sources, state: &State) -> Sources {
    sources.ignored.insert(state.root().to_owned());
    sources
}

fn interrupted(message: &str) -> Failure {
    Failure::new(Exit::Interrupted, message)
}
