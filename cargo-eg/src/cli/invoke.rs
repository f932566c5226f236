//! Options of `cargo eg emit` and `cargo eg invoke`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::gateway::{Gateway, LocalLambda};

/// Emit an event, ask the function that answers it, or put messages into a local queue.
///
/// Prints what was emitted and the event's id. The gateway has it on disk then. A local gateway also says who got it.
#[derive(Debug, Args)]
#[command(after_help = EMIT_EXAMPLES)]
pub(crate) struct Emit {
    /// Type of the event, for example user.created.
    #[arg(long, value_name = "TYPE", required_unless_present = "queue")]
    pub(crate) event: Option<String>,
    /// Payload: JSON, @FILE, or - for standard input.
    #[arg(
        long,
        value_name = "JSON|@FILE|-",
        allow_hyphen_values = true,
        required_unless_present = "sample",
        conflicts_with = "sample"
    )]
    pub(crate) data: Option<String>,
    /// Make the payload from the event's schema in the services of the app that runs here, else of the workspace.
    #[arg(long)]
    pub(crate) sample: bool,
    /// Who emits: a URI or an absolute path.
    #[arg(long, value_name = "URI", default_value = "/cli/cargo-eg")]
    pub(crate) source: String,
    /// What the event is about.
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// Id of the event; without it, a new one.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Wait for the function with a sync subscription, and print its answer.
    #[arg(long)]
    pub(crate) sync: bool,
    /// The path that the event is posted to.
    #[arg(long, default_value = "/", requires = "sync")]
    pub(crate) path: String,
    /// Put the payload into this queue of the local app, in place of emitting an event.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["event", "sample", "subject", "id", "sync"])]
    pub(crate) queue: Option<String>,
    /// The message group, which every message of a FIFO queue has.
    #[arg(long, value_name = "NAME", requires = "queue")]
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) lambda: LocalLambda,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

const EMIT_EXAMPLES: &str = "\
Examples:
  cargo eg emit --event user.created --data '{\"id\":\"10\",\"email\":\"donald.duck@disney.com\"}'
  cargo eg emit --event user.created --data @user.json --subject users/10
  jq .user dump.json | cargo eg emit --event user.created --data -
  cargo eg emit --event user.created --sample
  cargo eg emit --event price.asked --data '{\"product\":7}' --sync
  cargo eg emit --queue orders --data '{\"order\":1}'";

/// Invoke one function of the local app, as AWS's tools would.
///
/// Prints the function's result on stdout and its log on stderr. The payload goes to the function as it is: an event, a
/// request as the gateway or AWS sends it, or messages of a queue. Without one, a sample for its first trigger is sent.
#[derive(Debug, Args)]
#[command(after_help = INVOKE_EXAMPLES)]
pub(crate) struct Invoke {
    /// Name or id of the function, for example create_user or users-create_user.
    #[arg(value_name = "FUNCTION")]
    pub(crate) function: String,
    /// Payload: JSON, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// Make the payload from the function's triggers and schemas; with --data, that is its body, data or message.
    #[arg(long, value_name = "KIND")]
    pub(crate) sample: Option<SampleKind>,
    /// Print the payload in place of sending it.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not show the function's log.
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) lambda: LocalLambda,
    /// Packages or folders with packages that have the function; they are built for their manifests [default: those of the
    /// app that runs here, else the current directory]
    #[arg(long = "in", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

/// What a sample payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SampleKind {
    /// A request through API Gateway.
    Http,
    /// A CloudEvent.
    Event,
    /// A batch of one message.
    Sqs,
    /// The clock's event.
    Schedule,
}

const INVOKE_EXAMPLES: &str = "\
Examples:
  cargo eg invoke send_welcome_email
  cargo eg invoke users-create_user --sample http --data '{\"id\":\"10\"}'
  cargo eg invoke send_welcome_email --data @event.json
  cargo eg invoke create_user --sample http --dry-run";
