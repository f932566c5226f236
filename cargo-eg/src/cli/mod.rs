//! The command line: commands, options and their help. Validates arguments; leaves everything else to `commands`.

mod aws;
mod build;
#[cfg_attr(not(feature = "aws"), allow(dead_code, reason = "without AWS's clients, nobody reads them"))]
mod deploy;
mod gateway;
mod invoke;
mod look;
mod new;
mod selection;
mod store;
mod template;

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anstyle::AnsiColor;
use clap::builder::Styles;
use clap::{Args, Parser, Subcommand};
use eg_gateway::StoreUrl;
use eg_grammar::{Mistake, OwnNames};

pub(crate) use self::aws::{AwsAccess, OnAws};
pub(crate) use self::build::BuildServices;
pub(crate) use self::deploy::{Consent, Deploy, Remove, Rollback};
pub(crate) use self::gateway::{BehindGateway, Gateway, GatewayKey, LocalLambda};
pub(crate) use self::invoke::{Emit, Invoke};
pub(crate) use self::look::{
    Check, Completions, Dashboard, Doctor, Graph, GraphFormat, Logs, Man, Manifest, Mcp, Shell, Stats,
};
pub(crate) use self::new::New;
pub(crate) use self::selection::{Packages, Selection, Targets};
pub(crate) use self::store::{
    Chosen, DeadLetters, DiscardLetters, Events, JobAction, Jobs, LetterAction, ListJobs, ListLetters,
    OneEvent, Replay, Retry, RetryLetters, Show, ShowLetter,
};
pub(crate) use self::template::{Architecture, Template};
use crate::exit;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Build event-driven applications in Rust: create services, run them locally, and trace every event.
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
    Retry(Retry),
    Replay(Replay),
    DeadLetters(DeadLetters),
    Jobs(Jobs),
    Stats(Stats),
    Dashboard(Dashboard),
    Check(Check),
    Graph(Graph),
    Manifest(Manifest),
    Build(BuildServices),
    Template(Template),
    Deploy(Deploy),
    Rollback(Rollback),
    Remove(Remove),
    Doctor(Doctor),
    Mcp(Mcp),
    Completions(Completions),
    Man(Man),
}

/// Build the services and run them with a local event gateway and a local Lambda.
///
/// Builds each service, reads the manifest in its binary, starts its functions as Lambda would, and registers functions,
/// event types and subscriptions at the gateway. When something disappears from the code, it disappears from the gateway.
/// Registrations by other programs stay. Runs until Ctrl-C.
///
/// Shows each request, event and call with its time (in UTC), and each line that a function prints with the function in
/// front.
///
/// Watches the sources: the files that cargo's last build has read, and each Cargo.toml. After a change it builds, starts the
/// new versions, and ends the old ones once they have finished their work, so no event or request is lost. If a service does
/// not build or start, its last version keeps running.
///
/// The ports listen on this machine only, and serve no web page from elsewhere: pages may follow links, and send what `cors` of a
/// route allows. See SECURITY.md.
///
/// Each function runs in processes of its own, as on Lambda: functions share no memory, not even those of one service. Share
/// data through a database or in EG_DATA_DIR.
///
/// Calls `#[schedule]` functions on schedule, in UTC. Delivers messages to `#[queue]` functions in batches, as Lambda does.
/// Send messages with `cargo eg emit --queue NAME`, or with any AWS SDK and AWS_ENDPOINT_URL_SQS set to the lambda
/// address. A message that fails five times moves to the queue NAME-dead-letters; list those with
/// `cargo eg dead-letters --queue NAME`.
///
/// `#[stream]` functions get records from `cargo eg emit --stream NAME`. Where AWS_ENDPOINT_URL_DYNAMODB_STREAMS,
/// AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_KINESIS or AWS_ENDPOINT_URL names a server on this machine, they also get what is
/// written to their table or Kinesis stream there from the start of `run` on. Tables of eg.toml are created with a stream if a
/// function follows it.
///
/// Functions that subscribe to websocket.connect, websocket.message and websocket.disconnect get the events of WebSocket clients,
/// which connect to the websocket address.
///
/// Declare functions in other languages in an eg.toml. They run in its folder, and restart when a program or template in it
/// changes (.py, .js, .html and the like, and files that a command names). Changes of data such as .json or .csv restart
/// nothing, because functions may write it.
///
/// Without PATH and --package, `run` takes the packages below the current directory that depend on eg-runtime and have a
/// binary, and the eg.toml files there. In the root of a workspace it takes only those in services/, or all packages except
/// examples/ and the root's eg.toml if there is no services/. Inside a service, it takes that service. With PATH, it takes the
/// packages and eg.toml files there, or in the folders below.
///
/// Functions run in the folder of their package. They get your environment without the variables CARGO*, RUSTUP_*,
/// EVENT_GATEWAY_*, AWS_*, LAMBDA_*, PORT, EVENT_BUS, EVENT_FAILURES_QUEUE and EG_SECRETS, except AWS_ENDPOINT_URL_*, which
/// names local replacements for AWS services. They also get the variables, secrets, queues and tables of the stage `local` in
/// `[deploy]` of eg.toml; secrets without a value in your environment come from .env beside it. `run` adds Lambda's
/// variables, EVENT_GATEWAY_URL, EVENT_GATEWAY_CONFIG_URL, AWS_ENDPOINT_URL_SQS,
/// AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI, and EG_DATA_DIR, a folder that survives restarts.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Port of the gateway's Events API, for HTTP requests and events. 0 chooses a free port.
    #[arg(long, default_value_t = 4000)]
    pub(crate) port: u16,
    /// Port of the gateway's Config API. 0 chooses a free port.
    #[arg(long, default_value_t = 4001)]
    pub(crate) config_port: u16,
    /// Port of the local Lambda's Invoke API. 0 chooses a free port.
    #[arg(long, default_value_t = 9001)]
    pub(crate) lambda_port: u16,
    /// Further name under which the ports are called, such as dev.example or *.example; repeatable. Requests by other names
    /// than localhost, and of web pages from elsewhere, are refused.
    #[arg(long, value_name = "HOST", value_parser = host)]
    pub(crate) allowed_host: Vec<String>,
    /// Do not show what the functions print. `cargo eg logs` shows it.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Do not watch the sources.
    #[arg(long)]
    pub(crate) no_watch: bool,
    /// Do not call functions on schedule.
    #[arg(long)]
    pub(crate) no_schedules: bool,
    /// Visibility timeout of queues: seconds until an unhandled message is delivered again.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) queue_visibility: u32,
    /// Start with empty state: delete events, dead letters, messages, logs and the services' data of earlier runs.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Keep the gateway's store in a PostgreSQL database: postgres://USER:PASSWORD@HOST/DATABASE. Waits while another gateway works
    /// with it.
    #[arg(long, value_name = "URL", conflicts_with = "fresh")]
    pub(crate) store: Option<StoreUrl>,
    #[command(flatten)]
    pub(crate) state: StateDir,
}

pub(crate) const RUN_EXAMPLES: &str = "\
Examples:
  cargo eg run
  cargo eg run services/registration examples/hello-http
  cargo eg run --package users --features fake-mail
  cargo eg run --fresh --no-watch
  cargo eg run --port 8080 --config-port 8081 --lambda-port 8082

An eg.toml:
  service = \"pictures\"            # default: the name of its folder

  [[function]]
  name = \"resize\"
  command = [\"python3\", \"-m\", \"awslambdaric\", \"app.resize\"]
  environment = { SIZE = \"100\" }
  timeout = \"2m\"                  # also: handler, memory (MB), doc, emits
  triggers = [
    { event = \"picture.uploaded\", retry = { attempts = 5, max_age = \"1h\" } },
    { http = \"POST /pictures/{id}\", cors = true },
    { schedule = \"rate(5 minutes)\" },
    { queue = \"pictures\", batch_size = 10 },
  ]                               # the options are those of the attributes in Rust

  [[function]]
  name = \"archive\"
  url = \"http://localhost:8080/archive\"  # runs elsewhere; gets events and http requests
  triggers = [{ event = \"picture.resized\" }]";

#[derive(Debug, Args)]
pub(crate) struct StateDir {
    /// Folder for the gateway's store, the functions' logs and data [default: .eg in the workspace's root]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// Checks a name of this machine.
fn host(text: &str) -> Result<String, Mistake> {
    OwnNames::new(Ipv4Addr::LOCALHOST.into()).allow(text).map(|_| text.to_owned())
}

/// Parses the command line of this process. Exits after --help, --version or a usage error.
pub(crate) fn parse() -> Cli {
    Cli::parse_from(arguments(std::env::args_os().collect()))
}

/// Drops the `eg` that cargo adds: it calls `cargo-eg eg run` for `cargo eg run`.
fn arguments(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_some_and(|first| first == "eg") {
        arguments.remove(1);
    }
    arguments
}

#[cfg(test)]
mod tests;
