//! `cargo eg run`: builds the services, starts the application, prints the live feed and reloads changed sources
//! until it is stopped.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use eg_local::{Observer, TriggerActivity, queues};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use super::current_folder;
use crate::cli;
use crate::console::progress::Progress;
use crate::console::signals::Signals;
use crate::console::{self, Addresses, Live};
use crate::exit::{Exit, Failure};
use crate::project::Project;
use crate::project::services::Service;
use crate::run::{LocalApp, Options, Ports};
use crate::state::running::{Named, Note};
use crate::state::{Lock, State};
use crate::watch::{self, Sources, Watcher};

/// What a reload needs.
struct Session {
    arguments: cli::Run,
    current: PathBuf,
    state: State,
    /// None with `--no-watch`.
    watcher: Option<Watcher>,
    services: Vec<Service>,
    /// Kept for as long as the application runs.
    note: Option<Note>,
}

pub(crate) async fn run(arguments: cli::Run) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let wanted = std::env::var("RUST_LOG").ok().filter(|targets| !targets.is_empty());
    let filter = wanted.and_then(|targets| targets.parse::<Targets>().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN));
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).fmt_fields(eg_gateway::log_fields());
    // Prints the log of the gateway and the libraries; fails only if a subscriber is set already.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
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
    eprintln!("stopping: waiting for what is under way; Ctrl-C again stops at once");
    let at_once = CancellationToken::new();
    let stop = app.stop(&at_once);
    tokio::pin!(stop);
    tokio::select! {
        () = &mut stop => return Ok(()),
        () = signals.next() => at_once.cancel(),
    }
    stop.await;
    Err(interrupted("interrupted; what was not delivered is delivered after the next start"))
}

impl Session {
    async fn start(arguments: cli::Run) -> Result<(Self, LocalApp), Failure> {
        let current = current_folder()?;
        let project = Project::find(&current, &arguments.paths)?;
        let state = State::locate(arguments.state.state_dir.as_deref(), || Ok(project.home(&current)))?;
        let mut lock = None;
        if arguments.fresh {
            if state.root().exists() {
                lock = Some(state.lock()?);
            }
            match state.clear()? {
                Some(removed) => eprintln!("removed from {}: {removed}", state.root().display()),
                None => eprintln!("nothing to remove in {}", state.root().display()),
            }
        }
        // From here on no change is missed, even during the first build.
        let watcher = if arguments.no_watch { None } else { Some(Watcher::new(sources(&project, &state))?) };
        let mut session = Self { arguments, current, state, watcher, services: Vec::new(), note: None };
        session.services = session.build(&project).await?;
        let app = session.open(lock).await?;
        Ok((session, app))
    }

    async fn open(&mut self, lock: Option<Lock>) -> Result<LocalApp, Failure> {
        let arguments = &self.arguments;
        let options = Options {
            ports: Ports {
                events: arguments.port,
                config: arguments.config_port,
                lambda: arguments.lambda_port,
            },
            schedules: !arguments.no_schedules,
            queues: queues::Settings {
                visibility: Duration::from_secs(arguments.queue_visibility.into()),
                ..queues::Settings::default()
            },
        };
        let (sender, triggers) = mpsc::unbounded_channel();
        let observer = Observer::new(move |activity| {
            // The receiver may be gone while the application stops.
            let _ = sender.send(activity);
        });
        let progress = Progress::begin("starting the functions");
        let mut app = LocalApp::start(&self.services, &self.state, lock, options, &observer).await?;
        drop(progress);
        let running = app.running(Named {
            folder: self.current.clone(),
            paths: arguments.paths.clone(),
            release: arguments.release,
        });
        // Must happen before the app is reported as ready.
        self.note = Some(running.note(&self.state)?);
        let addresses = Addresses {
            events: &running.events,
            config: &running.config,
            lambda: &running.lambda,
            state: self.state.root(),
            schedules: options.schedules,
            watching: self.watcher.is_some(),
        };
        anstream::eprintln!("{}", console::overview(&self.services, &addresses, &self.current));
        // Must happen before the first delivery, so that no activity is missed.
        tokio::spawn(show(app.activity(), triggers));
        app.open(&self.services);
        Ok(app)
    }

    async fn build(&mut self, project: &Project) -> Result<Vec<Service>, Failure> {
        let services = project.services(self.arguments.release).await;
        if let Some(watcher) = &mut self.watcher {
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
            let project = Project::find(&self.current, &self.arguments.paths)?;
            if let Some(watcher) = &mut self.watcher {
                watcher.follow(sources(&project, &self.state))?;
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
                self.services = services;
            }
            Err(failure) => {
                failure.report();
                eprintln!("not reloaded: the last version that worked keeps running");
            }
        }
    }
}

/// Returns the sources to watch, without the files that the application itself writes.
fn sources(project: &Project, state: &State) -> Sources {
    let mut sources = project.sources();
    sources.ignored.insert(state.root().to_owned());
    sources
}

async fn show(
    mut activities: broadcast::Receiver<eg_gateway::Activity>,
    mut triggers: mpsc::UnboundedReceiver<TriggerActivity>,
) {
    let mut live = Live::default();
    loop {
        let line = tokio::select! {
            // A call is shown before the events that it emits.
            biased;
            Some(activity) = triggers.recv() => live.trigger(&activity),
            activity = activities.recv() => match activity {
                Ok(activity) => live.activity(&activity),
                Err(RecvError::Lagged(count)) => Some(format!("… {count} lines left out: too much at once")),
                Err(RecvError::Closed) => return,
            },
        };
        if let Some(line) = line {
            anstream::eprintln!("{line}");
        }
    }
}

fn interrupted(message: &str) -> Failure {
    Failure::new(Exit::Interrupted, message)
}
