//! Options of `cargo eg emit` and `cargo eg invoke`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args};

use super::aws::OnAws;
use super::gateway::{Gateway, LocalLambda};
use crate::project::samples;

/// Emit an event, call a synchronous subscriber, or send a message or a record to a local queue or stream.
///
/// Prints the event's type and id once the gateway has stored the event on disk. A local gateway also lists its subscribers.
/// With --stage, emits to the event bus of a stage on AWS.
#[derive(Debug, Args)]
#[command(
    after_help = EMIT_EXAMPLES,
    group = ArgGroup::new("what").args(["event", "queue", "stream"]).required(true),
    group = ArgGroup::new("payload").args(["data", "sample"]).required(true)
)]
pub(crate) struct Emit {
    /// Event type, for example user.created.
    #[arg(short, long, value_name = "TYPE")]
    pub(crate) event: Option<String>,
    /// Payload: JSON, @FILE, or - for standard input.
    #[arg(short, long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// Generate the payload from the event's schema in the services of the app running here, else of the workspace.
    #[arg(long)]
    pub(crate) sample: bool,
    /// Source of the event: a URI or an absolute path.
    #[arg(long, value_name = "URI", default_value = "/cli/cargo-eg")]
    pub(crate) source: String,
    /// Subject of the event.
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// Id of the event [default: a new UUID]
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Wait for the function with a synchronous subscription, and print its answer.
    #[arg(long, conflicts_with = "stage")]
    pub(crate) sync: bool,
    /// Path to which the event is posted.
    #[arg(long, default_value = "/", requires = "sync")]
    pub(crate) path: String,
    /// Send the payload to this queue of the local app instead of emitting an event.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["sample", "subject", "id", "sync", "stage"])]
    pub(crate) queue: Option<String>,
    /// Message group; required for FIFO queues.
    #[arg(long, value_name = "NAME", requires = "queue")]
    pub(crate) group: Option<String>,
    /// Send the payload as a record of this table, stream or topic to the functions of the local app that read it. For a
    /// table, the payload is the new item, or `{"old": …, "new": …}`.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["sample", "subject", "id", "sync", "stage"])]
    pub(crate) stream: Option<String>,
    /// Key of the record in a stream or topic.
    #[arg(long, value_name = "KEY", requires = "stream")]
    pub(crate) key: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) lambda: LocalLambda,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    #[command(flatten)]
    pub(crate) aws: OnAws,
}

const EMIT_EXAMPLES: &str = "\
Examples:
  cargo eg emit --event user.created --data '{\"id\":\"10\",\"email\":\"donald.duck@disney.com\"}'
  cargo eg emit --event user.created --data @user.json --subject users/10
  jq .user dump.json | cargo eg emit --event user.created --data -
  cargo eg emit --event user.created --sample
  cargo eg emit --event price.asked --data '{\"item\":\"lamp\",\"count\":3}' --sync
  cargo eg emit --queue orders --data '{\"order\":1}'
  cargo eg emit --event user.created --data @user.json --stage dev";

/// Invoke one function of the local app, or of a stage on AWS, through Lambda's Invoke API.
///
/// Prints the function's result on stdout and its log on stderr. The function receives the payload unchanged: an event, a
/// request as sent by the gateway or AWS, or messages of a queue. Without a payload, it receives a sample for its first
/// trigger. `--sample` also knows the payloads of AWS's services, for functions with `#[invoke]` and for all others.
#[derive(Debug, Args)]
#[command(after_help = INVOKE_EXAMPLES)]
pub(crate) struct Invoke {
    /// Name or id of the function, for example create_user or users-create_user.
    #[arg(value_name = "FUNCTION", required_unless_present = "sample")]
    pub(crate) function: Option<String>,
    /// Payload: JSON, @FILE, or - for standard input.
    #[arg(short, long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// Sample payload. http, event, sqs, schedule, eventbridge, dynamodb-stream, kinesis-stream and kafka are made from the
    /// function's triggers and schemas; --data sets their body, data, message, detail or record. `--sample list`, or no name,
    /// lists the payloads of AWS's services; --data changes members of those.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = samples::LIST)]
    #[arg(value_parser = PossibleValuesParser::new(samples::names()), hide_possible_values = true)]
    pub(crate) sample: Option<String>,
    /// Print the payload instead of sending it.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not show the function's log.
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) lambda: LocalLambda,
    /// Packages or folders with packages that contain the function; built to read their manifests [default: those of the
    /// app running here, else the current directory]
    #[arg(long = "in", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    #[command(flatten)]
    pub(crate) aws: OnAws,
}

const INVOKE_EXAMPLES: &str = "\
Examples:
  cargo eg invoke send_welcome_email
  cargo eg invoke users-create_user --sample http --data '{\"id\":\"10\"}'
  cargo eg invoke send_welcome_email --data @event.json
  cargo eg invoke --sample list
  cargo eg invoke create_user --sample http --dry-run
  cargo eg invoke send_welcome_email --data @event.json --stage dev";
