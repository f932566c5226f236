//! The command line: commands, options and their help. Checks what can be checked without looking around.

mod gateway;
mod invoke;
mod look;
mod new;
mod store;
mod template;

use std::ffi::OsString;
use std::path::PathBuf;

use anstyle::AnsiColor;
use clap::builder::Styles;
use clap::{Args, Parser, Subcommand};

pub(crate) use self::invoke::{Emit, Invoke, SampleKind};
pub(crate) use self::look::{Check, Completions, Logs, Manifest, Shell};
pub(crate) use self::new::New;
pub(crate) use self::store::{
    DeadLetters, DiscardLetters, Events, LetterAction, ListLetters, Replay, RetryLetters, Show, ShowLetter,
};
pub(crate) use self::template::{Architecture, Template};
use crate::exit;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Event-driven applications in Rust: make services, run them locally, see what becomes of every event.
#[derive(Debug, Parser)]
#[command(name = "cargo-eg", bin_name = "cargo eg", version, styles = STYLES, after_help = exit::CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    New(New),
    Run(Run),
    Emit(Emit),
    Invoke(Invoke),
    Logs(Logs),
    Events(Events),
    Show(Show),
    Replay(Replay),
    DeadLetters(DeadLetters),
    Check(Check),
    Manifest(Manifest),
    Template(Template),
    Completions(Completions),
}

/// Build the services and run them with a local event gateway and a local Lambda.
///
/// Builds each service, reads the manifest in its binary, starts its functions as Lambda would, and
/// registers functions, event types and subscriptions at the gateway. What has disappeared from the code
/// disappears from the gateway; what others registered stays. Runs until Ctrl-C.
///
/// Follows the sources: after a change it builds, starts the new versions, and ends the old ones when they have
/// finished what they are doing; no event and no request is lost. What does not build or start leaves the last
/// version running.
///
/// #[schedule] functions are called on time, in UTC. #[queue] functions get what is sent to their queues
/// (`cargo eg emit --queue NAME`, or any AWS SDK with AWS_ENDPOINT_URL_SQS set to the lambda address), in batches
/// as on Lambda; what fails five times is in the queue NAME-dead-letters: see `cargo eg dead-letters --queue NAME`.
///
/// Functions in other languages stand in an eg.toml in a PATH, or below it, and run in its folder. Without PATH, the
/// one in the current directory counts, and those below services/.
///
/// Without PATH: the packages of the workspace below the current directory that depend on eg-runtime and
/// have a binary; in the workspace's root only those in services/, if there is such a folder, else all
/// but those in examples/. With PATH: those packages there, or in the folders below.
///
/// Functions see your environment, without AWS_* but with AWS_ENDPOINT_URL_* (for what plays a service of AWS here),
/// without CARGO*, EVENT_GATEWAY_*, PORT and EVENT_BUS, and with Lambda's variables, EVENT_GATEWAY_URL, EVENT_GATEWAY_CONFIG_URL, AWS_ENDPOINT_URL_SQS and EG_DATA_DIR, a folder
/// that survives restarts. They run in their package's folder.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct Run {
    /// Packages or folders with packages to run.
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Port of the gateway's Events API: HTTP requests and events. 0 takes a free one.
    #[arg(long, default_value_t = 4000)]
    pub(crate) port: u16,
    /// Port of the gateway's Config API. 0 takes a free one.
    #[arg(long, default_value_t = 4001)]
    pub(crate) config_port: u16,
    /// Port of the local Lambda's Invoke API. 0 takes a free one.
    #[arg(long, default_value_t = 9001)]
    pub(crate) lambda_port: u16,
    /// Build with optimisations.
    #[arg(long)]
    pub(crate) release: bool,
    /// Do not follow changes of the sources.
    #[arg(long)]
    pub(crate) no_watch: bool,
    /// Do not call functions by the clock.
    #[arg(long)]
    pub(crate) no_schedules: bool,
    /// Seconds until a message of a queue that was not handled comes again.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) queue_visibility: u32,
    /// First remove what earlier runs left: events, dead letters, messages, logs and the services' data.
    #[arg(long)]
    pub(crate) fresh: bool,
    #[command(flatten)]
    pub(crate) state: StateDir,
}

const RUN_EXAMPLES: &str = "\
Examples:
  cargo eg run
  cargo eg run services/registration examples/hello-http
  cargo eg run --fresh --no-watch
  cargo eg run --port 8080 --config-port 8081 --lambda-port 8082

An eg.toml:
  service = \"pictures\"            # else the name of its folder

  [[function]]
  name = \"resize\"
  command = [\"python3\", \"-m\", \"awslambdaric\", \"app.resize\"]
  environment = { SIZE = \"100\" }  # also: handler, timeout (seconds), memory (MB), doc, emits
  triggers = [
    { event = \"picture.uploaded\", retry = { attempts = 5, max_age = 3600 } },
    { http = \"POST /pictures/{id}\", cors = true },
    { schedule = \"rate(5 minutes)\" },
    { queue = \"pictures\", batch_size = 10 },
  ]

  [[function]]
  name = \"archive\"
  url = \"http://localhost:8080/archive\"  # runs already; gets events and http requests
  triggers = [{ event = \"picture.resized\" }]";

#[derive(Debug, Args)]
pub(crate) struct StateDir {
    /// Folder for the gateway's store, the functions' logs and data [default: .eg in the workspace's root]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// The command line of this process. Ends it when there is nothing to run.
pub(crate) fn parse() -> Cli {
    Cli::parse_from(arguments(std::env::args_os().collect()))
}

/// Cargo calls `cargo-eg eg run` for `cargo eg run`; both spellings mean the same.
fn arguments(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_some_and(|first| first == "eg") {
        arguments.remove(1);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_agree_with_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn cargos_own_argument_is_dropped_once() {
        let check = |given: &[&str], expected: &[&str]| {
            assert_eq!(arguments(given.iter().map(OsString::from).collect()), expected);
        };
        check(&["cargo-eg", "eg", "run"], &["cargo-eg", "run"]);
        check(&["cargo-eg", "run", "eg"], &["cargo-eg", "run", "eg"]);
        check(&["cargo-eg", "eg", "run", "eg"], &["cargo-eg", "run", "eg"]);
        check(&["cargo-eg"], &["cargo-eg"]);
    }
}
