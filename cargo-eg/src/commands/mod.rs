//! The commands, one file each. A command prints data on stdout and words for people on stderr.

mod emit;
mod logs;
mod manifest;
mod run;
mod template;

use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::cli::{Cli, Command};
use crate::exit::{Exit, Failure};

/// Does what the command line asks for.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Run(arguments) => run::run(arguments).await,
        Command::Emit(arguments) => emit::run(arguments).await,
        Command::Logs(arguments) => logs::run(arguments).await,
        Command::Manifest(arguments) => manifest::run(arguments).await,
        Command::Template(arguments) => template::run(arguments).await,
    }
}

fn current_folder() -> Result<PathBuf, Failure> {
    std::env::current_dir()
        .and_then(|folder| folder.canonicalize())
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot find the current directory: {error}")))
}

/// Prints data. A reader that has seen enough (`| head`) is no failure.
fn print(data: &str) -> Result<(), Failure> {
    match write(data.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(cannot_write(&error)),
        _ => Ok(()),
    }
}

fn write(data: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(data)?;
    stdout.flush()
}

fn cannot_write(error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot write to standard output: {error}"))
}
