//! Options of the commands on the gateway's history: `events`, `show`, `retry`, `replay`, `dead-letters`, `jobs`.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{ArgGroup, Args, Subcommand};
use eg_sdk::history::DeliveryState;
use time::OffsetDateTime;

use super::aws::OnAws;
use super::gateway::{Gateway, LocalLambda, at_least_one, moment};

/// List the events that the gateway accepted, newest first.
///
/// Use `cargo eg show` to see how an event was delivered. The gateway's own events, such as eventgateway.event.received, are
/// left out unless you pass --system or ask for an id, type, source, state or function.
///
/// With --stage, lists the events of a stage on AWS: those in the history of its gateway or, if its functions have an event bus, in the
/// bus's archive, which `archive` in `[deploy]` of eg.toml turns on. EventBridge replays the archive for this, which takes some
/// minutes, and archives an event up to ten minutes after it was emitted. Without --since, lists the events of the last hour, or of the
/// hour before --until.
#[derive(Debug, Args)]
#[command(after_help = EVENTS_EXAMPLES)]
pub(crate) struct Events {
    /// Only events with this id.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Only events of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) ty: Option<String>,
    /// Only events from this source.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Only events about this subject.
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// Only events that contain this text.
    #[arg(long)]
    pub(crate) text: Option<String>,
    /// Only events with a delivery in this state; with --function: with one to that function.
    #[arg(long, value_parser = PossibleValuesParser::new(DeliveryState::ALL.iter().map(|state| state.as_str())).try_map(|name| name.parse::<DeliveryState>()))]
    pub(crate) state: Option<DeliveryState>,
    /// Only events with a delivery to this function (name or id).
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// Only events accepted since then: 10m, 2h, 1d, or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<OffsetDateTime>,
    /// Only events accepted before this time.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<OffsetDateTime>,
    /// Also list the gateway's own events.
    #[arg(long)]
    pub(crate) system: bool,
    /// Maximum number of events.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = at_least_one)]
    pub(crate) limit: usize,
    /// Print one JSON object per line and event, including the payload.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    #[command(flatten)]
    pub(crate) aws: OnAws,
}

const EVENTS_EXAMPLES: &str = "\
Examples:
  cargo eg events
  cargo eg events --type user.created --since 10m
  cargo eg events --text donald.duck@disney.com --limit 5
  cargo eg events --state dead --function send_welcome_email
  cargo eg events --json | jq .event.data
  cargo eg events --stage dev --since 2h --type order.placed";

/// Names one event.
#[derive(Debug, Args)]
pub(crate) struct OneEvent {
    /// Id of the event, or a unique prefix or suffix of it.
    #[arg(value_name = "EVENT")]
    pub(crate) event: String,
    /// Source of the event, to distinguish equal ids.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Type of the event, to distinguish equal ids from one source.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) ty: Option<String>,
}

/// Show how an event was delivered to each subscription, and why.
///
/// For each subscription: whether its filter matched, or which clause did not; each attempt with its duration and error;
/// when the next attempt is due, or why there is none.
#[derive(Debug, Args)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) event: OneEvent,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  cargo eg show 0199a5c3
  cargo eg show f3ee5fc1          the end of an id, as shown by `cargo eg run`
  cargo eg show order-1 --source /services/shop --json";

/// Attempt the deliveries of an event now that wait for their next attempt.
///
/// A delivery that failed waits longer after each failure. Once its function is repaired, there is nothing to wait for. Its attempts
/// are counted anew. Retry what was given up with `cargo eg dead-letters retry`, and what succeeded with `cargo eg replay`.
#[derive(Debug, Args)]
#[command(after_help = RETRY_EXAMPLES)]
pub(crate) struct Retry {
    #[command(flatten)]
    pub(crate) event: OneEvent,
    /// Only to this function (name or id).
    // As the other commands call it.
    #[arg(long, value_name = "FUNCTION", alias = "function")]
    pub(crate) to: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

const RETRY_EXAMPLES: &str = "\
Examples:
  cargo eg retry f3ee5fc1
  cargo eg retry f3ee5fc1 --to send_welcome_email";

/// Deliver stored events again.
///
/// Delivers to the subscriptions that match the events today, or to those of one function. Functions run again, also if
/// they handled the events before: replayed events carry the extension `replay`, which makes them new to the runtime's
/// `Idempotency`. Many events take the gateway a while: the command shows the progress, and Ctrl-C only ends the waiting
/// (see `cargo eg jobs`). Requires EVENT or --since, to avoid replaying the whole history by accident.
#[derive(Debug, Args)]
#[command(after_help = REPLAY_EXAMPLES, group = ArgGroup::new("which").args(["event", "since"]).required(true))]
pub(crate) struct Replay {
    /// Id of an event, or a unique prefix or suffix of it.
    #[arg(value_name = "EVENT")]
    pub(crate) event: Option<String>,
    /// Only events of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) ty: Option<String>,
    /// Only events from this source.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Only events accepted since then: 10m, 2h, 1d, or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<OffsetDateTime>,
    /// Only events accepted before this time.
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "event")]
    pub(crate) until: Option<OffsetDateTime>,
    /// Only to this function (name or id).
    // As the other commands call it.
    #[arg(long, value_name = "FUNCTION", alias = "function")]
    pub(crate) to: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

const REPLAY_EXAMPLES: &str = "\
Examples:
  cargo eg replay f3ee5fc1
  cargo eg replay f3ee5fc1 --to send_welcome_email
  cargo eg replay --type user.created --since 1h";

/// List, show, retry or discard failed deliveries.
///
/// Dead letters are deliveries that a function rejected, or that failed too often. With --queue NAME: the messages that a
/// `#[queue]` function of the local app failed to handle. With --stage: what functions on AWS rejected or failed to handle, from
/// the failures queues of the stage.
#[derive(Debug, Args)]
#[command(after_help = LETTERS_EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    pub(crate) action: Option<LetterAction>,
    #[command(flatten)]
    pub(crate) list: ListLetters,
}

const LETTERS_EXAMPLES: &str = "\
Examples:
  cargo eg dead-letters
  cargo eg dead-letters show 17
  cargo eg dead-letters retry 17 --data @fixed.json
  cargo eg dead-letters discard 18
  cargo eg dead-letters retry --all --function send_welcome_email
  cargo eg dead-letters retry --all
  cargo eg dead-letters --queue orders
  cargo eg dead-letters retry --queue orders 9f8a4c1e --data '{\"order\":1}'
  cargo eg dead-letters retry --queue orders --all
  cargo eg dead-letters --stage dev
  cargo eg dead-letters retry --all --stage dev";

#[derive(Debug, Subcommand)]
pub(crate) enum LetterAction {
    List(ListLetters),
    Show(ShowLetter),
    Retry(RetryLetters),
    Discard(DiscardLetters),
}

/// List dead letters, newest first.
///
/// The newest are those that were given up last. With --stage and more than --limit dead letters, AWS chooses which ones are
/// shown.
#[derive(Debug, Args)]
pub(crate) struct ListLetters {
    /// Only dead letters of this function (name or id).
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// Only events of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) ty: Option<String>,
    /// List expired deliveries, which reached their age limit, instead.
    #[arg(long, conflicts_with = "stage")]
    pub(crate) expired: bool,
    /// Maximum number of dead letters.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = at_least_one)]
    pub(crate) limit: usize,
    /// Print one JSON object per line and dead letter.
    #[arg(long)]
    pub(crate) json: bool,
    /// List the failed messages of this queue of the local app instead.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["function", "ty", "expired", "stage"])]
    pub(crate) queue: Option<String>,
    #[command(flatten)]
    pub(crate) lambda: LocalLambda,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    #[command(flatten)]
    pub(crate) aws: OnAws,
}

/// Show a dead letter with its event and all attempts.
#[derive(Debug, Args)]
pub(crate) struct ShowLetter {
    /// Number of the dead letter, as listed; with --queue or --stage, the id of the message or a unique prefix or suffix of it.
    #[arg(value_name = "NUMBER|ID")]
    pub(crate) id: String,
    /// Show a failed message of this queue of the local app instead.
    #[arg(long, value_name = "NAME", conflicts_with = "stage")]
    pub(crate) queue: Option<String>,
    #[command(flatten)]
    pub(crate) lambda: LocalLambda,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    #[command(flatten)]
    pub(crate) aws: OnAws,
}

/// Which failed deliveries a command changes.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["id", "all"]).required(true))]
pub(crate) struct Chosen {
    /// Number of the dead letter, as listed; with --queue or --stage, the id of the message or a unique prefix or suffix of it.
    #[arg(value_name = "NUMBER|ID")]
    pub(crate) id: Option<String>,
    /// Select all dead letters of the space, or of the queue.
    #[arg(long)]
    pub(crate) all: bool,
    /// With --all: select the expired deliveries, which reached their age limit, instead.
    #[arg(long, requires = "all", conflicts_with_all = ["queue", "stage"])]
    pub(crate) expired: bool,
    /// With --all: select only those of this function (name or id).
    #[arg(long, value_name = "NAME", requires = "all", conflicts_with_all = ["queue", "stage"])]
    pub(crate) function: Option<String>,
    /// With --all: select only those of events of this type.
    #[arg(long = "type", value_name = "TYPE", requires = "all", conflicts_with_all = ["queue", "stage"])]
    pub(crate) ty: Option<String>,
}

/// Deliver one dead letter again, or all of them.
///
/// Many dead letters take the gateway a while: the command shows the progress, and Ctrl-C only ends the waiting (see
/// `cargo eg jobs`).
#[derive(Debug, Args)]
pub(crate) struct RetryLetters {
    #[command(flatten)]
    pub(crate) chosen: Chosen,
    /// Replace the event's payload, or the message: JSON, @FILE, or - for standard input.
    #[arg(
        long,
        value_name = "JSON|@FILE|-",
        allow_hyphen_values = true,
        conflicts_with = "all",
        requires = "id"
    )]
    pub(crate) data: Option<String>,
    /// Move failed messages of this queue of the local app back into the queue instead: one, or all.
    #[arg(long, value_name = "NAME", conflicts_with = "stage")]
    pub(crate) queue: Option<String>,
    #[command(flatten)]
    pub(crate) lambda: LocalLambda,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    #[command(flatten)]
    pub(crate) aws: OnAws,
}

/// Discard one dead letter, or all of them.
///
/// The events and their attempts stay in the history. With --queue, the messages are deleted for good.
///
/// Many dead letters take the gateway a while: the command shows the progress, and Ctrl-C only ends the waiting (see
/// `cargo eg jobs`).
#[derive(Debug, Args)]
pub(crate) struct DiscardLetters {
    #[command(flatten)]
    pub(crate) chosen: Chosen,
    /// Delete failed messages of this queue of the local app instead: one, or all.
    #[arg(long, value_name = "NAME", conflicts_with = "stage")]
    pub(crate) queue: Option<String>,
    #[command(flatten)]
    pub(crate) lambda: LocalLambda,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    #[command(flatten)]
    pub(crate) aws: OnAws,
}

/// List, show, cancel or resume the gateway's jobs.
///
/// Jobs are long replays, retries and discards, and the waiting deliveries of deleted subscriptions, which the gateway
/// gives up. They run beside everything else, and continue after a restart of the gateway.
#[derive(Debug, Args)]
#[command(after_help = JOBS_EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Jobs {
    #[command(subcommand)]
    pub(crate) action: Option<JobAction>,
    #[command(flatten)]
    pub(crate) list: ListJobs,
}

const JOBS_EXAMPLES: &str = "\
Examples:
  cargo eg jobs
  cargo eg jobs cancel 3
  cargo eg jobs resume 3";

#[derive(Debug, Subcommand)]
pub(crate) enum JobAction {
    List(ListJobs),
    Show(OneJob),
    /// Stop a job. What it has done stays done.
    Cancel(OneJob),
    /// Continue a cancelled job where it stopped.
    Resume(OneJob),
}

/// List jobs, newest first.
#[derive(Debug, Args)]
pub(crate) struct ListJobs {
    /// Maximum number of jobs.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = at_least_one)]
    pub(crate) limit: usize,
    /// Print one JSON object per line and job.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

/// Show a job and its progress.
#[derive(Debug, Args)]
pub(crate) struct OneJob {
    /// Number of the job, as listed.
    #[arg(value_name = "NUMBER")]
    pub(crate) id: i64,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}
