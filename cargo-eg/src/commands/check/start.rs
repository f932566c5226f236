//! Checks whether functions can be started: starts each once, as `cargo eg run` would, and calls none.

use std::collections::BTreeMap;

use eg_local::emulator::{Emulator, EmulatorOptions};

use crate::console::progress::Progress;
use crate::exit::{Exit, Failure, chain};
use crate::project::services::Service;
use crate::run::deployments;
use crate::state::State;

/// Credentials that Lambda provides to every function; here they are placeholders.
const VARIABLES: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local")];

/// Returns the reasons why functions cannot start, by function id. Their output goes to a temporary folder.
pub(super) async fn failures(services: &[Service]) -> Result<BTreeMap<String, String>, Failure> {
    let folder = tempfile::tempdir().map_err(|error| {
        Failure::because(Exit::Failed, "cannot make a folder to start functions in".to_owned(), error)
    })?;
    let state = State::locate(Some(folder.path()), || Ok(folder.path().to_owned()))?;
    let emulator = Emulator::bind(EmulatorOptions::new(state.logs()))
        .await
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let _progress = Progress::begin("starting the functions");
    let (mut starting, mut failures) = (Vec::new(), BTreeMap::new());
    for deployment in deployments(services, &state, emulator.url(), &VARIABLES)? {
        let id = deployment.spec.id.clone();
        match emulator.replace(deployment.spec) {
            Ok(ready) => starting.push((id, ready)),
            Err(error) => drop(failures.insert(id, chain(&error))),
        }
    }
    for (id, ready) in starting {
        if let Err(failure) = ready.await {
            failures.insert(id, chain(&failure));
        }
    }
    emulator.shut_down().await;
    Ok(failures)
}
