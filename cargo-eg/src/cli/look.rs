//! Options of `check`, `graph`, `manifest`, `logs`, `stats`, `dashboard`, `doctor`, `mcp`, `completions` and `man`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use time::OffsetDateTime;

use super::StateDir;
use super::aws::OnAws;
use super::gateway::{Gateway, moment};
use super::selection::{BuildOptions, Selection};
use crate::check::{CLASSES, Class};

/// Check all services together: ids, routes, names, schemas, missing emitters, loops
///
/// Builds the services, reads their manifests, and compares them. Runs no code, except with --start,
/// which starts every function once to find missing states.
///
/// PATH and --package work as in `run`. In the folder of one service, `check` compares it with the
/// services beside it, and reports only what concerns it.
///
/// Classes of findings, with the exit code when one of them is an error:
///   duplicate-id      error    20  two functions have the same id
///   route-conflict    error    21  two functions have the same route, or routes conflict
///   schema-mismatch   error    22  an emitted event does not match what a subscriber reads
///   bad-name          error    23  AWS does not allow the name
///   never-emitted     warning  24  no service emits an event that has subscribers
///   loop              warning  25  an event leads back to itself
///   never-subscribed  note     26  no service subscribes to an emitted event
///   cannot-start      error    27  a state is missing, or the service exits at start (with --start)
///   buffered-stream   note     28  a route streams, but the template's HTTP API sends the answer whole
///   unmatched-authorizer
///                     warning  29  no route names the authorizer, or its service lacks the one that
///                                  a route names
///   no-route          note     30  a synchronous subscription has no path, so no HTTP request can
///                                  reach it on AWS
///   gateway-only      note     31  only an event gateway emits a subscribed event, so a stage on AWS
///                                  without one refuses the subscription
///
/// The exit code is that of the first class in this list with an error. Warnings and notes alone
/// exit with 0.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES, verbatim_doc_comment)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Start every function once, with a temporary data folder, without calling it.
    #[arg(long)]
    pub(crate) start: bool,
    /// Ignore findings of this class.
    #[arg(long, value_name = "CLASS", value_parser = PossibleValuesParser::new(CLASSES.map(Class::name)))]
    pub(crate) allow: Vec<String>,
    /// Treat findings of this class as errors; `warnings` selects all warnings.
    #[arg(long, value_name = "CLASS", value_parser = PossibleValuesParser::new(CLASSES.map(Class::name).into_iter().chain(["warnings"])))]
    pub(crate) deny: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  cargo eg check
  cargo eg check services/registration services/shop --deny warnings
  cargo eg check --start
  cargo eg check --allow never-emitted --json | jq '.findings[].message'";

/// Print the map of an application: what leads to which functions, and which events those emit.
///
/// Builds the services and reads their manifests. Marks events that no function emits or subscribes to, functions that nothing
/// calls, and loops. Solid lines are calls for whose answer a client waits; dashed lines are all others. The dashboard draws the
/// same map.
#[derive(Debug, Args)]
#[command(after_help = GRAPH_EXAMPLES)]
pub(crate) struct Graph {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Print only the functions of this service, and what they are directly connected with.
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Format of the output.
    #[arg(long, value_enum, default_value_t = GraphFormat::Mermaid)]
    pub(crate) format: GraphFormat,
}

/// The formats of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// A Mermaid flowchart, which Markdown on many sites shows.
    Mermaid,
    /// The language of Graphviz.
    Dot,
    /// Nodes and edges; an edge names its nodes by their positions.
    Json,
}

const GRAPH_EXAMPLES: &str = "\
Examples:
  cargo eg graph
  cargo eg graph services/shop --format dot > shop.dot
  cargo eg graph --format json | jq -r '.nodes[] | select(.remarks) | .name'";

/// Show the logs of all functions, or of one, with Lambda's START, END and REPORT lines.
///
/// Reads the log of current and earlier local runs, even if the app is not running. With --stage or --stack, reads CloudWatch,
/// where lines are found some seconds after they were printed. --tail uses its Live Tail, for which AWS charges by the minute, if the
/// credentials allow logs:StartLiveTail.
#[derive(Debug, Args)]
#[command(after_help = LOGS_EXAMPLES)]
pub(crate) struct Logs {
    /// Name or id of the function, for example create_user or users-create_user [default: all functions]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// Follow the log until Ctrl-C.
    #[arg(short, long, visible_alias = "follow")]
    pub(crate) tail: bool,
    /// Only lines printed since then: 10m, 2h, 1d, or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<OffsetDateTime>,
    /// Read the logs of this stack from CloudWatch, whichever tool has deployed it.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["stage", "state_dir"])]
    pub(crate) stack: Option<String>,
    #[command(flatten)]
    pub(crate) state: StateDir,
    #[command(flatten)]
    pub(crate) aws: OnAws,
}

const LOGS_EXAMPLES: &str = "\
Examples:
  cargo eg logs --tail
  cargo eg logs --function create_user
  cargo eg logs --function create_user --since 10m --tail
  cargo eg logs --stage production --tail
  cargo eg logs --function create_user --stack shop-production --since 1h";

/// Show how often functions were called, how long that took and what failed.
///
/// Calls and failures are those of the last 15 minutes, and p50 and p95 those of the last 200 calls of each function: half of the
/// calls, and 95 % of them, took at most as long. The gateway counts in memory, so a restart resets the figures.
#[derive(Debug, Args)]
#[command(after_help = STATS_EXAMPLES)]
pub(crate) struct Stats {
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

const STATS_EXAMPLES: &str = "\
Examples:
  cargo eg stats
  cargo eg stats --json";

/// Serve the dashboard of a gateway: its events, how each was delivered and why, and its dead letters.
///
/// `cargo eg run` and `event-gateway` serve the same pages on the port of their Config API. This command serves them on this
/// machine for any other gateway, until Ctrl-C. With an access key, the printed address logs in the first visitor; later
/// visitors must enter the key.
#[derive(Debug, Args)]
#[command(after_help = DASHBOARD_EXAMPLES)]
pub(crate) struct Dashboard {
    /// Port of the pages. 0 chooses a free port.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// Open the pages in the browser.
    #[arg(long)]
    pub(crate) open: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

const DASHBOARD_EXAMPLES: &str = "\
Examples:
  cargo eg dashboard
  cargo eg dashboard --url https://gateway.example --config-url https://gateway.example:4001";

/// Print the manifest of a service: its functions, their triggers and the events that they emit.
///
/// Reads the manifest from the binary without running it, even if the binary is stripped or cross-compiled.
#[derive(Debug, Args)]
#[command(after_help = MANIFEST_EXAMPLES)]
pub(crate) struct Manifest {
    /// A package or its folder, which is built first, or a binary [default: the package in the current directory]
    #[arg(value_name = "PACKAGE|BINARY")]
    pub(crate) of: Option<String>,
    /// Print the manifest as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) build: BuildOptions,
}

const MANIFEST_EXAMPLES: &str = "\
Examples:
  cargo eg manifest users
  cargo eg manifest target/aarch64-unknown-linux-gnu/release/users
  cargo eg manifest users --json | jq -r '.functions[].id'";

/// Offer the commands to an agent, as tools of the Model Context Protocol.
///
/// Speaks the protocol on standard input and output until the client closes them. An agent starts it; the tools work on the
/// application in its folder: list and explain events, emit, retry and replay them, dead letters, logs, the manifest, the map and
/// `check`. What a tool answers is what its command prints. Texts in events and logs come from outside: an agent should take them as
/// data, not as instructions.
#[derive(Debug, Args)]
#[command(after_help = MCP_EXAMPLES)]
pub(crate) struct Mcp {
    /// Offer only tools that change nothing and call no function. Some of them build the services of the workspace.
    #[arg(long)]
    pub(crate) read_only: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

const MCP_EXAMPLES: &str = "\
Examples:
  cargo eg mcp --read-only
  cargo eg mcp --url https://gateway.example --config-url https://gateway.example:4001

The configuration of an agent:
  { \"mcpServers\": { \"event-gateway\": { \"command\": \"cargo\", \"args\": [\"eg\", \"mcp\"] } } }";

/// Say what keeps `cargo eg` from working on this machine, and what to do.
///
/// Looks at the tools, Lambda's targets, the ports, proxies, limits, the disk, the clock and the versions of the crates here. Changes
/// nothing. Exits with 1 if `cargo eg run` cannot work.
#[derive(Debug, Args)]
#[command(after_help = DOCTOR_EXAMPLES)]
pub(crate) struct Doctor {
    /// Print one JSON object per line and finding.
    #[arg(long)]
    pub(crate) json: bool,
}

const DOCTOR_EXAMPLES: &str = "\
Examples:
  cargo eg doctor
  cargo eg doctor --json";

/// Print a shell completion script for `cargo eg`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: Shell,
}

/// Shells with a completion script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  cargo eg completions bash >> ~/.bashrc
  mkdir -p ~/.zfunc && cargo eg completions zsh > ~/.zfunc/_cargo-eg
  cargo eg completions fish > ~/.config/fish/conf.d/cargo-eg.fish";

/// Write the manual pages of `cargo eg`, one for each command.
#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct Man {
    /// Folder for the pages; created if it does not exist.
    pub(crate) folder: PathBuf,
}

const MAN_EXAMPLES: &str = "\
Examples:
  cargo eg man ~/.local/share/man/man1";
