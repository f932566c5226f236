//! The binary `cargo-eg`: reads the command line and turns outcomes into exit codes.

mod app;
mod builder;
mod cli;
mod commands;
mod console;
mod exit;
mod plan;
mod register;
mod services;
mod signals;
mod state;
mod template;
mod workspace;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match commands::run(cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
