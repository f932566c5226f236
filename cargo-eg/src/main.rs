//! The binary `cargo-eg`: reads the command line and turns outcomes into exit codes.

mod app;
mod builder;
mod cargo;
mod check;
mod cli;
mod commands;
mod connections;
mod console;
mod declared;
mod deploy;
mod exit;
mod history;
mod plan;
mod progress;
mod project;
mod register;
mod running;
mod sample;
mod services;
mod signals;
mod state;
mod template;
mod text;
mod watch;
mod workspace;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match commands::run(cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
