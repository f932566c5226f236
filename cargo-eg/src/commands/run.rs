//! `cargo eg run`: builds the services, starts the application, and shows what happens until it is stopped.

use std::path::Path;

use tokio::sync::broadcast::{self, error::RecvError};
use tracing_subscriber::EnvFilter;

use super::current_folder;
use crate::app::{App, Ports};
use crate::builder::build;
use crate::cli;
use crate::console::{self, Addresses};
use crate::exit::{Exit, Failure};
use crate::services::{self, Service};
use crate::signals::Signals;
use crate::state::State;
use crate::workspace::{Selection, select};

pub(crate) async fn run(arguments: cli::Run) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // The gateway's and the libraries' own words; fails only when there is a subscriber already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    let app = tokio::select! {
        app = start(&arguments) => app?,
        // Whatever was started ends as it is dropped.
        () = signals.next() => return Err(interrupted("interrupted before the app was ready")),
    };
    signals.next().await;
    eprintln!("stopping: waiting for what is under way; Ctrl-C again stops at once");
    tokio::select! {
        () = app.stop() => Ok(()),
        () = signals.next() => Err(interrupted("interrupted; what was not delivered is delivered after the next start")),
    }
}

async fn start(arguments: &cli::Run) -> Result<App, Failure> {
    let current = current_folder()?;
    let selections = select(&current, &arguments.paths)?;
    let state = State::locate(&arguments.state, || Ok(state_home(&current, &selections)))?;
    let services = build_all(&selections, arguments.release).await?;
    services::check(&services)?;
    let ports =
        Ports { events: arguments.port, config: arguments.config_port, lambda: arguments.lambda_port };
    let mut app = App::start(&services, &state, ports).await?;
    let addresses = Addresses {
        events: app.events_url(),
        config: app.config_url(),
        lambda: app.lambda_url(),
        state: state.root(),
    };
    anstream::eprintln!("{}", console::overview(&services, &addresses, &current));
    // Before the first delivery, so that nothing happens unseen.
    tokio::spawn(show(app.activity()));
    app.open();
    Ok(app)
}

/// The workspace that one stands in, where `logs` looks too, or else the first one that was named.
fn state_home(current: &Path, selections: &[Selection]) -> std::path::PathBuf {
    let roots = || selections.iter().map(|selection| &selection.root);
    let around = roots().find(|root| current.starts_with(root)).or_else(|| roots().next());
    around.cloned().unwrap_or_else(|| current.to_owned())
}

async fn build_all(selections: &[Selection], release: bool) -> Result<Vec<Service>, Failure> {
    let (mut packages, mut built) = (Vec::new(), Vec::new());
    for selection in selections {
        built.extend(build(&selection.root, &selection.packages, release).await?);
        packages.extend(selection.packages.iter().cloned());
    }
    services::load(&packages, built)
}

async fn show(mut activities: broadcast::Receiver<eg_gateway::Activity>) {
    loop {
        match activities.recv().await {
            Ok(activity) => anstream::eprintln!("{}", console::line(&activity)),
            Err(RecvError::Lagged(count)) => eprintln!("… {count} lines left out: too much at once"),
            Err(RecvError::Closed) => return,
        }
    }
}

fn interrupted(message: &str) -> Failure {
    Failure::new(Exit::Interrupted, message)
}
