//! The command line: commands, options and their help. Checks what can be checked without looking around.

use std::ffi::OsString;
use std::path::PathBuf;

use anstyle::AnsiColor;
use clap::builder::Styles;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Event-driven applications in Rust: run them locally, emit events, read logs.
#[derive(Debug, Parser)]
#[command(name = "cargo-eg", bin_name = "cargo eg", version, styles = STYLES, after_help = exit::CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Run),
    Emit(Emit),
    Logs(Logs),
    Manifest(Manifest),
    Template(Template),
}

/// Build the services and run them with a local event gateway and a local Lambda.
///
/// Builds each service, reads the manifest in its binary, starts its functions as Lambda would, and
/// registers functions, event types and subscriptions at the gateway. What has disappeared from the code
/// disappears from the gateway; what others registered stays. Runs until Ctrl-C.
///
/// Without PATH: the packages of the workspace below the current directory that depend on eg-runtime and
/// have a binary; in the workspace's root only those in services/, if there is such a folder, else all
/// but those in examples/. With PATH: those packages there, or in the folders below.
///
/// Functions see your environment, without AWS_*, CARGO*, EVENT_GATEWAY_*, PORT and EVENT_BUS, and with
/// Lambda's variables, EVENT_GATEWAY_URL, EVENT_GATEWAY_CONFIG_URL and EG_DATA_DIR, a folder that survives
/// restarts. They run in their package's folder.
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
    #[command(flatten)]
    pub(crate) state: StateDir,
}

const RUN_EXAMPLES: &str = "\
Examples:
  cargo eg run
  cargo eg run services/users examples/hello-http
  cargo eg run --port 8080 --config-port 8081 --lambda-port 8082";

/// Emit an event.
///
/// Prints what was emitted and the event's id. The gateway has it on disk then.
#[derive(Debug, Args)]
#[command(after_help = EMIT_EXAMPLES)]
pub(crate) struct Emit {
    /// Type of the event, for example user.created.
    #[arg(long, value_name = "TYPE")]
    pub(crate) event: String,
    /// Payload: JSON, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    pub(crate) data: String,
    /// Who emits: a URI or an absolute path.
    #[arg(long, value_name = "URI", default_value = "/cli/cargo-eg")]
    pub(crate) source: String,
    /// What the event is about.
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// Id of the event; without it, a new one.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// The gateway's Events API.
    #[arg(long, env = "EVENT_GATEWAY_URL", default_value = "http://localhost:4000")]
    pub(crate) url: String,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

const EMIT_EXAMPLES: &str = "\
Examples:
  cargo eg emit --event user.created --data '{\"id\":\"10\",\"email\":\"donald.duck@disney.com\"}'
  cargo eg emit --event user.created --data @user.json --subject users/10
  jq .user dump.json | cargo eg emit --event user.created --data -";

/// Show what a function printed, with Lambda's START, END and REPORT lines.
///
/// Reads the log of this and earlier runs, whether the app is running or not.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Name or id of the function, for example create_user or users-create_user.
    #[arg(long, value_name = "NAME")]
    pub(crate) function: String,
    /// Go on with what is added, until Ctrl-C.
    #[arg(long)]
    pub(crate) tail: bool,
    #[command(flatten)]
    pub(crate) state: StateDir,
}

/// Print the manifest of a service: its functions, what triggers them, what they emit, and its events' JSON Schemas.
///
/// Reads it from the binary without running it, also if it was stripped or made for another machine.
#[derive(Debug, Args)]
pub(crate) struct Manifest {
    /// A package (or its folder), which is built first, or a binary; else the current directory's package.
    #[arg(value_name = "PACKAGE|BINARY")]
    pub(crate) of: Option<String>,
    /// Print JSON: the default, for scripts that want to be explicit.
    #[arg(long)]
    pub(crate) json: bool,
    /// Build with optimisations.
    #[arg(long)]
    pub(crate) release: bool,
}

/// Print an AWS SAM template of the services: EventBridge, Lambda, an HTTP API, queues.
///
/// Made from the manifests in the binaries. Each function gets a role that allows what its signature and its triggers
/// say (to emit these event types under its own source, to read these queues) and nothing else; each that is called
/// asynchronously has a queue for what failed, as its on-failure destination and as its rules' dead-letter queue. What
/// the manifests ask for and AWS does not have is told on standard error.
///
/// PATH as in `run`. The code of a service is expected in target/lambda/SERVICE/bootstrap, where `cargo lambda build`
/// puts it. Functions that emit need the feature `eventbridge` of eg-runtime.
#[derive(Debug, Args)]
#[command(after_help = TEMPLATE_EXAMPLES)]
pub(crate) struct Template {
    /// Packages or folders with packages.
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// File to write to, instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// JSON instead of YAML.
    #[arg(long)]
    pub(crate) json: bool,
    /// What the functions' machines are.
    #[arg(long, value_enum, default_value_t = Architecture::Arm64)]
    pub(crate) architecture: Architecture,
    /// Build with optimisations.
    #[arg(long)]
    pub(crate) release: bool,
}

/// What Lambda runs on.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Architecture {
    #[value(name = "arm64")]
    Arm64,
    #[value(name = "x86_64")]
    X86_64,
}

const TEMPLATE_EXAMPLES: &str = "\
Examples:
  cargo eg template --output template.yaml
  cargo eg template services/users services/emails --architecture x86_64
  cargo eg template --json | jq '.Resources | keys'";

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
