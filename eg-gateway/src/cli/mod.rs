//! The command line of `event-gateway`: flags (those of the original and our own), logs, signals and exit codes. The
//! library contains the gateway itself.

mod access;
mod calls;
mod download;
mod limits;
mod maintenance;
mod store;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::{BoolishValueParser, OsStringValueParser, TypedValueParser as _};
use clap::{ArgAction, Parser, ValueEnum};
use eg_gateway::{Api, DeliveryPolicy, Gateway, ListenAddr, Options, StartError, StoreError, TlsFiles};
use eg_grammar::parse_duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

/// The gateway could not start.
const FAILED: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// A port is in use.
const PORT_IN_USE: u8 = 3;
/// The store is damaged or incomplete.
const DAMAGED: u8 = 4;
/// Another program uses the store.
const IN_USE: u8 = 5;
/// The disk of the store is full.
const NO_ROOM: u8 = 6;
/// The process may not use the store.
const NO_RIGHTS: u8 = 7;
/// Other gateways have taken over the deliveries of this one.
const TAKEN_OVER: u8 = 8;

const EXIT_CODES: &str = "\
Exit codes:
  0  stopped by SIGTERM or Ctrl-C
  1  could not start for another reason than those below
  2  invalid command line
  3  a port is already in use
  4  the store is damaged or incomplete; nothing was changed in it
  5  another gateway or another program uses the store
  6  the disk of the store is full
  7  the files of the store belong to somebody else, or cannot be written
  8  other gateways of the store in PostgreSQL have taken over from this one; start it again

You can write flags with one dash or two, and separate the value with = or a space.";

/// Delivers events to functions. Every event that it accepts with a 202 is stored first, and delivered at least once.
#[derive(Debug, Parser)]
#[command(name = "event-gateway", disable_version_flag = true, after_help = EXIT_CODES,
          args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<maintenance::Command>,
    /// Development mode: write logs as text, and allow functions at private addresses
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
          value_parser = BoolishValueParser::new(), action = ArgAction::Set, hide_possible_values = true, hide_default_value = true)]
    dev: bool,
    /// Port of the Events API
    #[arg(long, value_name = "PORT", default_value_t = 4000)]
    events_port: u16,
    /// Port of the Config API
    #[arg(long, value_name = "PORT", default_value_t = 4001)]
    config_port: u16,
    /// Address to listen on instead of loopback, for example 0.0.0.0 for all interfaces; set --access-key as well
    #[arg(long, value_name = "ADDRESS")]
    host: Option<IpAddr>,
    /// Directory of the store; created if it does not exist, readable by its owner only [default: default.eg]
    #[arg(long, value_name = "DIR")]
    embed_data_dir: Option<PathBuf>,
    #[command(flatten)]
    store: store::Store,
    /// Least severe level of log lines to write
    #[arg(long, value_enum, ignore_case = true, default_value_t = Level::Info)]
    log_level: Level,
    /// Format of the log on stderr [default: json, or text with --dev]
    #[arg(long, value_enum)]
    log_format: Option<Format>,
    /// Maximum number of concurrent deliveries
    #[arg(long, value_name = "N", default_value = "400", value_parser = clap::value_parser!(u32).range(1..))]
    workers: u32,
    /// Number of attempts before a delivery becomes a dead letter
    #[arg(long, value_name = "N", default_value = "16", value_parser = clap::value_parser!(u32).range(1..))]
    retry_attempts: u32,
    /// Maximum backoff after the first failed attempt; it doubles with each further attempt
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    retry_min_backoff: Duration,
    /// Maximum backoff between any two attempts
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    retry_max_backoff: Duration,
    /// Age at which an unsuccessful delivery expires
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    retry_max_age: Duration,
    /// Timeout of a call to a function that is not on Lambda; a function's own timeout takes precedence
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    http_timeout: Duration,
    /// Timeout of a call to a Lambda function; a function's own timeout takes precedence
    #[arg(long, value_name = "DURATION", default_value = "910s", value_parser = parse_duration)]
    lambda_timeout: Duration,
    /// Endpoint of the Lambda API [default: $AWS_ENDPOINT_URL_LAMBDA, or the function's AWS region]
    #[cfg(feature = "aws")]
    #[arg(long, value_name = "URL")]
    lambda_endpoint: Option<String>,
    /// Endpoint of all AWS APIs [default: $AWS_ENDPOINT_URL, or the function's AWS region]
    #[cfg(feature = "aws")]
    #[arg(long, value_name = "URL")]
    aws_endpoint: Option<String>,
    /// Port of the original's Connections API, which lists no connections; some deployment tools query it
    #[arg(long, value_name = "PORT")]
    connector_port: Option<u16>,
    /// Certificate chain of the Events API (PEM)
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true,
          value_parser = OsStringValueParser::new().map(PathBuf::from))]
    events_tls_cert: PathBuf,
    /// Private key of the Events API (PEM)
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true,
          value_parser = OsStringValueParser::new().map(PathBuf::from))]
    events_tls_key: PathBuf,
    /// Certificate chain of the Config API (PEM)
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true,
          value_parser = OsStringValueParser::new().map(PathBuf::from))]
    config_tls_cert: PathBuf,
    /// Private key of the Config API (PEM)
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true,
          value_parser = OsStringValueParser::new().map(PathBuf::from))]
    config_tls_key: PathBuf,
    /// Maximum number of connections to each API; when all are open, idle ones make room
    #[arg(long, value_name = "N", default_value = "4096", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,
    /// Use the machine's clock at once, even if it was set since the gateway last ran; deliveries older than their limit by
    /// that clock expire
    #[arg(long)]
    trust_clock: bool,
    /// Behave like the original: its rules for routes and spaces, and 202 for every request without a route; encode JSON
    /// with a charset, and JSON that is not an object, as base64; treat only status 500 as a failure
    #[arg(long)]
    strict_compat: bool,
    #[command(flatten)]
    access: access::Access,
    /// URL of the OpenTelemetry collector that receives spans (OTLP/HTTP) [default: $OTEL_EXPORTER_OTLP_ENDPOINT, or none]
    #[cfg(feature = "otlp")]
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Print the version
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
          value_parser = BoolishValueParser::new(), action = ArgAction::Set, hide_possible_values = true, hide_default_value = true)]
    version: bool,
    #[command(flatten)]
    calls: calls::Calls,
    #[command(flatten)]
    limits: limits::Limits,
    #[command(flatten)]
    original: Original,
}

/// Flags of the original that this gateway does not need.
#[derive(Debug, clap::Args)]
struct Original {
    #[arg(long, hide = true)]
    db_hosts: Option<String>,
    #[arg(long, hide = true)]
    embed_cli_addr: Option<String>,
    #[arg(long, hide = true)]
    embed_peer_addr: Option<String>,
    #[arg(long, hide = true)]
    workers_backlog: Option<String>,
    #[arg(long, hide = true)]
    plugin: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    Debug,
    Info,
    #[value(alias = "warning")]
    Warn,
    #[value(alias = "dpanic", alias = "panic", alias = "fatal")]
    Error,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the program with these arguments. The first one is the name of the program.
pub(crate) fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = Cli::parse_from(args.map(two_dashes));
    if cli.version {
        println!("Event Gateway version: {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    if let Some(command) = cli.command {
        return command.run();
    }
    if let Some(flag) = cli.original.refused() {
        eprintln!("error: {flag} is not supported: this gateway has no plugins");
        return ExitCode::from(USAGE);
    }
    start_logs(&cli);
    for flag in cli.original.ignored() {
        tracing::warn!("--{flag} has no effect in this gateway");
    }
    let options = match cli.options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    block_on(run(options))
}

/// Runs a future to its end. It has waited for the tasks that may finish; the others are not waited for.
fn block_on(future: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start threads: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(future);
    runtime.shutdown_background();
    code
}

async fn run(options: Options) -> ExitCode {
    // Registered first, so that a signal right after the start is not lost.
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (mut terminate, mut interrupt) = match signals {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("error: cannot listen for signals: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let mut stopped = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let gateway = match Gateway::start_unless(options, stopped()).await {
        Ok(Some(gateway)) => gateway,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => return explain(&error),
    };
    let (events, config) = (gateway.events_url(), gateway.config_url());
    let dashboard = format!("{}{}", config.trim_end_matches('/'), eg_dashboard::ROOT);
    tracing::info!(events, config, dashboard = &*dashboard, "event gateway is running");
    let failed = tokio::select! {
        () = stopped() => None,
        error = gateway.failed() => Some(error),
    };
    match failed {
        None => {
            tracing::info!("stopping");
            gateway.shutdown().await;
            ExitCode::SUCCESS
        }
        Some(error) => {
            eprintln!("error: {error}");
            gateway.shutdown_or_abort(std::future::ready(())).await;
            ExitCode::from(code(&error))
        }
    }
}

fn explain(error: &StartError) -> ExitCode {
    match error {
        StartError::PortInUse { api, .. } => {
            let flag = match api {
                Api::Events => "--events-port",
                Api::Config => "--config-port",
            };
            eprintln!("error: {error}; stop the other program or choose another port with {flag}");
            ExitCode::from(PORT_IN_USE)
        }
        error => {
            eprintln!("error: {error}");
            ExitCode::from(if let StartError::Store(error) = error { code(error) } else { FAILED })
        }
    }
}

/// Returns the exit code for a store that cannot be used.
fn code(error: &StoreError) -> u8 {
    match error {
        StoreError::Damaged { .. } | StoreError::Corrupt(_) => DAMAGED,
        StoreError::InUse(_) | StoreError::Locked(_) | StoreError::Occupied => IN_USE,
        StoreError::NoRoom { .. } => NO_ROOM,
        StoreError::NoRights { .. } => NO_RIGHTS,
        StoreError::LeaseLost => TAKEN_OVER,
        _ => FAILED,
    }
}

impl Cli {
    fn options(self) -> Result<Options, String> {
        let access_keys = self.access.keys()?;
        let private_targets = self.access.private_targets(self.dev)?;
        let listen = |port| match self.host {
            Some(host) => ListenAddr::Exact(SocketAddr::new(host, port)),
            None => ListenAddr::Loopback(port),
        };
        let has_directory = self.embed_data_dir.is_some();
        let mut options = Options::new(self.embed_data_dir.unwrap_or_else(|| "default.eg".into()));
        options.events_addr = listen(self.events_port);
        options.config_addr = listen(self.config_port);
        options.workers = usize::try_from(self.workers).unwrap_or(usize::MAX);
        options.http_timeout = self.http_timeout;
        options.lambda_timeout = self.lambda_timeout;
        #[cfg(feature = "aws")]
        {
            options.lambda_endpoint =
                self.lambda_endpoint.or_else(|| endpoint_of_environment("AWS_ENDPOINT_URL_LAMBDA"));
            options.aws_endpoint = self.aws_endpoint.or_else(|| endpoint_of_environment("AWS_ENDPOINT_URL"));
        }
        options.connector_addr = self.connector_port.map(listen);
        options.max_connections = usize::try_from(self.max_connections).unwrap_or(usize::MAX);
        options.strict_compat = self.strict_compat;
        options.trust_clock = self.trust_clock;
        options.events_tls = tls("events", self.events_tls_cert, self.events_tls_key)?;
        options.config_tls = tls("config", self.config_tls_cert, self.config_tls_key)?;
        options.domain = self.access.domain.clone();
        options.allowed_hosts = self.access.allowed_host.clone();
        options.access_keys = access_keys;
        options.private_targets = private_targets;
        options.retry = DeliveryPolicy {
            attempts: self.retry_attempts,
            min_backoff: self.retry_min_backoff,
            max_backoff: self.retry_max_backoff,
            max_age: self.retry_max_age,
        };
        #[cfg(feature = "otlp")]
        {
            options.otlp_endpoint =
                self.otlp_endpoint.or_else(|| endpoint_of_environment("OTEL_EXPORTER_OTLP_ENDPOINT"));
        }
        self.limits.apply(&mut options, self.dev);
        // A flag counts more than a variable.
        self.store.apply(&mut options, |name| std::env::var(name).ok().filter(|_| !has_directory))?;
        self.calls.apply(&mut options, |name| std::env::var(name).ok())?;
        Ok(options)
    }
}

/// Returns the files for the TLS of an API. As in the original, an empty name means no file. Half a pair is refused,
/// because it would mean plain HTTP.
fn tls(api: &str, cert: PathBuf, key: PathBuf) -> Result<Option<TlsFiles>, String> {
    let empty = |path: &PathBuf| path.as_os_str().is_empty();
    match (empty(&cert), empty(&key)) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(TlsFiles { cert, key })),
        (false, true) => Err(format!("--{api}-tls-cert needs --{api}-tls-key")),
        (true, false) => Err(format!("--{api}-tls-key needs --{api}-tls-cert")),
    }
}

/// Reads an environment variable that the tools of AWS or OpenTelemetry read too.
#[cfg(any(feature = "aws", feature = "otlp"))]
fn endpoint_of_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|url| !url.is_empty())
}

impl Original {
    /// Returns the given flags that have no effect.
    fn ignored(&self) -> impl Iterator<Item = &'static str> {
        let flags = [
            ("db-hosts", self.db_hosts.is_some()),
            ("embed-cli-addr", self.embed_cli_addr.is_some()),
            ("embed-peer-addr", self.embed_peer_addr.is_some()),
            ("workers-backlog", self.workers_backlog.is_some()),
        ];
        flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag)
    }

    /// Returns the first given flag whose absence would leave out protection or behaviour that the user expects.
    fn refused(&self) -> Option<&'static str> {
        (!self.plugin.is_empty()).then_some("--plugin")
    }
}

fn start_logs(cli: &Cli) {
    let level = match cli.log_level {
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
    };
    // Libraries log errors only.
    let filter = Targets::new().with_default(LevelFilter::ERROR);
    let filter = filter.with_target("eg_gateway", level).with_target("event_gateway", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = match cli.log_format.unwrap_or(if cli.dev { Format::Text } else { Format::Json }) {
        Format::Text => {
            lines.with_ansi(std::io::stderr().is_terminal()).fmt_fields(eg_gateway::log_fields()).boxed()
        }
        Format::Json => {
            lines.with_writer(|| eg_gateway::JsonLines(std::io::stderr())).json().flatten_event(true).boxed()
        }
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

/// Turns `-events-port=1`, the spelling of Go programs, into `--events-port=1`.
fn two_dashes(arg: OsString) -> OsString {
    match arg.to_str().and_then(|text| text.strip_prefix('-')) {
        Some(flag) if flag.len() > 1 && flag.starts_with(|c: char| c.is_ascii_lowercase()) => {
            OsString::from(format!("--{flag}"))
        }
        _ => arg,
    }
}

#[cfg(test)]
mod tests;
