//! `cargo eg logs`: prints the logs of functions from the state directory or from CloudWatch.

#[cfg(feature = "aws")]
mod cloudwatch;
#[cfg(feature = "aws")]
mod live;
mod local;

use std::io;

use time::OffsetDateTime;

use super::{cannot_write, stage, write};
use crate::cli;
use crate::exit::Failure;

pub(crate) async fn run(arguments: cli::Logs) -> Result<(), Failure> {
    if !stage::is_on_aws(&arguments.aws, arguments.stack.as_deref())? {
        return local::run(arguments).await;
    }
    #[cfg(not(feature = "aws"))]
    return Err(super::without_aws("read CloudWatch"));
    #[cfg(feature = "aws")]
    {
        let (config, target) = stage::connected(&arguments.aws, arguments.stack.as_deref()).await?;
        cloudwatch::run(&arguments, &config, target).await
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
