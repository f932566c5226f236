//! `cargo eg logs`: prints the logs of functions from the state directory or from CloudWatch.

#[cfg(feature = "aws")]
mod cloudwatch;
mod local;

use std::io;

use time::OffsetDateTime;

use super::{cannot_write, write};
use crate::cli;
#[cfg(not(feature = "aws"))]
use crate::exit::Exit;
use crate::exit::Failure;

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
        None => local::run(arguments).await,
    }
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

/// Prints a piece of a log.
fn show(text: &[u8]) -> Result<Reader, Failure> {
    match write(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(cannot_write(&error)),
        Ok(()) => Ok(Reader::Listening),
    }
}
