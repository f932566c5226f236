//! The commands, one file each. A command prints data on stdout and messages for people on stderr.

mod app;
mod build;
mod check;
mod completions;
mod dashboard;
mod data;
mod dead_letters;
mod deploy;
#[cfg(feature = "aws")]
mod deployed;
mod doctor;
mod emit;
mod events;
mod find;
mod functions;
mod graph;
mod history;
mod invoke;
mod jobs;
#[cfg(feature = "aws")]
mod live;
mod logs;
mod man;
mod manifest;
mod mcp;
mod new;
mod post;
mod queue;
#[cfg(feature = "aws")]
mod registrar;
#[cfg(feature = "aws")]
mod remove;
mod replay;
mod retry;
mod rights;
#[cfg(feature = "aws")]
mod rollback;
mod run;
mod selected;
mod show;
mod stage;
#[cfg(feature = "aws")]
mod stage_events;
#[cfg(feature = "aws")]
mod stage_letters;
mod stats;
mod stream;
mod template;
#[cfg(not(feature = "aws"))]
mod without_aws;

#[cfg(not(feature = "aws"))]
use self::without_aws::{deployed, stage_events, stage_letters, without_aws};

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use eg_grammar::printable_json;

use crate::cli::{Cli, Command};
use crate::console::text::{coloured, readable};
use crate::exit::{Exit, Failure};

/// Runs the command of the command line.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::New(arguments) => new::run(&arguments),
        Command::Run(arguments) => run::run(arguments).await,
        Command::Emit(arguments) => emit::run(arguments).await,
        Command::Invoke(arguments) => invoke::run(arguments).await,
        Command::Logs(arguments) => logs::run(arguments).await,
        Command::Events(arguments) => events::run(arguments).await,
        Command::Show(arguments) => show::run(arguments).await,
        Command::Retry(arguments) => retry::run(arguments).await,
        Command::Replay(arguments) => replay::run(arguments).await,
        Command::DeadLetters(arguments) => dead_letters::run(arguments).await,
        Command::Jobs(arguments) => jobs::run(arguments).await,
        Command::Stats(arguments) => stats::run(arguments).await,
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Dashboard(arguments) => dashboard::run(arguments).await,
        Command::Check(arguments) => check::run(arguments).await,
        Command::Graph(arguments) => graph::run(arguments).await,
        Command::Manifest(arguments) => manifest::run(arguments).await,
        Command::Build(arguments) => build::run(arguments).await,
        Command::Template(arguments) => template::run(arguments).await,
        Command::Deploy(arguments) => deploy::run(arguments).await,
        #[cfg(feature = "aws")]
        Command::Rollback(arguments) => rollback::run(arguments).await,
        #[cfg(feature = "aws")]
        Command::Remove(arguments) => remove::run(arguments).await,
        #[cfg(not(feature = "aws"))]
        Command::Rollback(_) | Command::Remove(_) => Err(without_aws("change what is deployed")),
        Command::Mcp(arguments) => mcp::run(arguments).await,
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

fn current_folder() -> Result<PathBuf, Failure> {
    std::env::current_dir()
        .and_then(|folder| folder.canonicalize())
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot find the current directory: {error}")))
}

/// Formats a value as JSON for people and programs.
fn json_pretty(value: &impl serde::Serialize) -> Result<String, Failure> {
    match serde_json::to_string_pretty(value) {
        Ok(text) => Ok(text + "\n"),
        Err(error) => Err(Failure::because(Exit::Failed, "cannot write JSON".to_owned(), error)),
    }
}

/// Formats a value as one line of JSON, without control characters.
fn json_line<T: serde::Serialize>(value: &T) -> Result<String, Failure> {
    let line = serde_json::to_string(value);
    line.map(|line| printable_json(&line).into_owned() + "\n")
        .map_err(|error| Failure::because(Exit::Failed, "cannot write JSON".to_owned(), error))
}

/// Prints data. On a terminal with colours and without other control characters, elsewhere without colours. A closed pipe
/// (`| head`) is not a failure.
fn print(data: &str) -> Result<(), Failure> {
    let shown = io::stdout().is_terminal().then(|| coloured(data));
    match write(shown.as_deref().unwrap_or(data).as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(cannot_write(&error)),
        _ => Ok(()),
    }
}

/// Prints the answer of a function: its bytes unchanged or, on a terminal, as harmless text with a line end. A closed
/// pipe is not a failure.
fn print_answer(answer: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = if stdout.is_terminal() {
        writeln!(stdout, "{}", readable(answer).trim_end())
    } else {
        stdout.write_all(answer).and_then(|()| stdout.flush())
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(cannot_write(&error)),
        _ => Ok(()),
    }
}

fn write(data: &[u8]) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(data)?;
    stdout.flush()
}

fn cannot_write(error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot write to standard output: {error}"))
}
