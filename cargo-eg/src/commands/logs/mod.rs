//! `cargo eg logs`: prints the log of one function from the state directory or from CloudWatch.

#[cfg(feature = "aws")]
mod cloudwatch;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use eg_local::emulator::offset_since;
use time::OffsetDateTime;

use super::functions::{self, Problem};
use super::{cannot_write, current_folder, write};
use crate::cli;
use crate::console::signals::Signals;
use crate::exit::{Exit, Failure};
use crate::project::workspace::Workspace;
use crate::state::State;

/// The polling interval of `--tail`.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) async fn run(arguments: cli::Logs) -> Result<(), Failure> {
    match &arguments.stack {
        #[cfg(feature = "aws")]
        Some(stack) => cloudwatch::run(&arguments, stack).await,
        #[cfg(not(feature = "aws"))]
        Some(_) => Err(Failure::new(
            Exit::Usage,
            "this `cargo eg` was built without AWS's clients, so it cannot read CloudWatch",
        )
        .hint("install one that was built with them: cargo install --path cargo-eg")),
        None => local(arguments).await,
    }
}

async fn local(arguments: cli::Logs) -> Result<(), Failure> {
    let state =
        State::locate(arguments.state.state_dir.as_deref(), || Ok(Workspace::of(&current_folder()?)?.root))?;
    let known = state.logged_functions().map_err(|error| unreadable(&state.logs(), &error))?;
    let id = functions::find(&arguments.function, &known).map_err(|problem| match problem {
        Problem::Unknown([]) => {
            let message = format!("no function has a log in {}", state.root().display());
            Failure::new(Exit::NotFound, message)
                .hint("`cargo eg run` starts the app; its functions write logs")
        }
        problem => problem.failure(&arguments.function, "has a log"),
    })?;
    let path = state.log_of(id);
    let mut signals = Signals::listen()?;
    let mut log = File::open(&path).map_err(|error| unreadable(&path, &error))?;
    if let Some(since) = arguments.since {
        let offset = offset_since(&path, millis(since)).map_err(|error| unreadable(&path, &error))?;
        log.seek(SeekFrom::Start(offset)).map_err(|error| unreadable(&path, &error))?;
    }
    while let Reader::Listening = copy_new(&mut log, &path)? {
        if !arguments.tail {
            break;
        }
        tokio::select! {
            () = signals.next() => break,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    Ok(())
}

/// Converts a time to milliseconds since the epoch.
fn millis(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// The state of the reader of standard output.
enum Reader {
    Listening,
    /// The reader has closed the pipe (`| head`).
    Gone,
}

/// Prints what was added since the last call.
fn copy_new(log: &mut File, path: &Path) -> Result<Reader, Failure> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = log.read(&mut buffer).map_err(|error| unreadable(path, &error))?;
        match show(&buffer[..count])? {
            Reader::Listening if count > 0 => {}
            reader => return Ok(reader),
        }
    }
}

/// Prints a piece of a log.
fn show(text: &[u8]) -> Result<Reader, Failure> {
    match write(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(cannot_write(&error)),
        Ok(()) => Ok(Reader::Listening),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot read {}: {error}", path.display()))
}
