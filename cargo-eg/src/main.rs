//! The binary `cargo-eg`: parses the command line and turns results into exit codes. The commands are in `commands`.

mod artifacts;
#[cfg(feature = "aws")]
mod aws;
mod check;
mod cli;
mod commands;
mod console;
#[cfg_attr(
    not(feature = "aws"),
    allow(dead_code, reason = "without AWS's clients, templates are only compared")
)]
mod deploy;
mod doctor;
mod exit;
mod needs;
mod project;
mod registration;
mod run;
mod sockets;
mod state;
mod template;
mod watch;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match commands::run(cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
