//! Decides which cargo this program starts and with which environment. Starting it is left to the callers.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::process::Command;

use crate::exit::{Exit, Failure};

/// Prefixes of the variables that `cargo run` sets for the program that it runs (The Cargo Book, "Environment
/// variables Cargo sets for crates").
const OF_A_PACKAGE: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

/// Returns a command for cargo with the environment of a shell: without the variables that `cargo run` sets for a
/// package. Build scripts that watch these variables (ring's does) would otherwise run again, with everything that
/// depends on them, whenever one build is started through `cargo run` and the next is not.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os().filter(|(name, _)| is_of_a_package(name)) {
        command.env_remove(name);
    }
    command
}

fn is_of_a_package(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| OF_A_PACKAGE.iter().any(|prefix| name.starts_with(prefix)))
}

/// Returns the failure for a cargo that cannot be started.
pub(crate) fn missing(error: &io::Error) -> Failure {
    Failure::new(Exit::Build, format!("cannot run cargo: {error}"))
        .hint("install Rust from https://rustup.rs, or set CARGO to the path of cargo")
}
