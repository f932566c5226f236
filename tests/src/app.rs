//! Runs applications as users do: with `cargo eg run`, on free ports and with their own state directory. Processes
//! are left to `program`.

use std::path::Path;

use eg_sdk::{EventGateway, Settings};
use tokio::process::Command;

use crate::program::{Program, built, cargo, workspace};
use crate::{PATIENCE_TO_BUILD, eventually_within};

/// A running `cargo eg run`.
#[derive(Debug)]
pub struct App {
    /// The process and its output.
    pub program: Program,
    /// The URL of the Events API.
    pub events: String,
    /// The URL of the Config API.
    pub config: String,
    /// The URL of the local Lambda's Invoke API.
    pub lambda: String,
}

impl App {
    /// Runs the services in `paths`, relative to the workspace, and waits until they are ready.
    ///
    /// # Panics
    /// If they do not become ready.
    pub async fn start(state: &Path, paths: &[&str]) -> Self {
        Self::start_with(state, paths, &[]).await
    }

    /// Like [`start`](Self::start), with environment variables for the services.
    ///
    /// # Panics
    /// If they do not become ready.
    pub async fn start_with(state: &Path, paths: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = cargo_eg();
        command.envs(variables.iter().copied());
        command.arg("run").args(paths).args(["--port", "0", "--config-port", "0", "--lambda-port", "0"]);
        command.arg("--state-dir").arg(state);
        let program = Program::start("cargo eg run", command);
        eventually_within(PATIENCE_TO_BUILD, "cargo eg run to be ready, or to give up", async || {
            let lines = program.lines();
            let told = |line: &String| line.starts_with("ready") || line.starts_with("error");
            lines.iter().any(told).then_some(())
        })
        .await;
        let address = async |name: &'static str| {
            program.line(name, |line| Some(line.trim().strip_prefix(name)?.trim().to_owned())).await
        };
        let (events, config) = (address("events ").await, address("config ").await);
        let lambda = address("lambda ").await;
        program.line("ready", |line| line.starts_with("ready").then_some(())).await;
        Self { program, events, config, lambda }
    }

    /// Returns a client of its gateway.
    ///
    /// # Panics
    /// If the URLs are invalid.
    #[must_use]
    pub fn gateway(&self) -> EventGateway {
        let mut settings = Settings::default();
        settings.url.clone_from(&self.events);
        settings.config_url = Some(self.config.clone());
        EventGateway::with_settings(settings).expect("the URLs of a gateway")
    }
}

/// Returns a command that runs `cargo eg` in this workspace.
#[must_use]
pub fn cargo_eg() -> Command {
    let mut command = Command::new(built("cargo-eg"));
    command.arg("eg").current_dir(workspace()).env("CARGO", cargo());
    command
}
