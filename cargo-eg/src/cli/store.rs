//! Options of the commands that ask the gateway's store: `events`, `show`, `replay`, `dead-letters`.

use clap::{Args, Subcommand};
use time::OffsetDateTime;

use super::gateway::{Gateway, LocalLambda, moment};

/// List the events that the gateway has accepted, the newest first.
///
/// What became of one of them says `cargo eg show`.
#[derive(Debug, Args)]
#[command(after_help = EVENTS_EXAMPLES)]
pub(crate) struct Events {
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
    /// Only events accepted since then: 10m, 2h, 1d, or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<OffsetDateTime>,
    /// Only events accepted until then.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<OffsetDateTime>,
    /// The most events to list.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: usize,
    /// Print one JSON object per event and line, payload included.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

const EVENTS_EXAMPLES: &str = "\
Examples:
  cargo eg events
  cargo eg events --type user.created --since 10m
  cargo eg events --text donald.duck@disney.com --limit 5
  cargo eg events --json | jq .event.data";

/// Show what became of an event at each subscription, and why.
///
/// For every subscription: whether its filter let the event through and which clause did not, each attempt with its
/// duration and error, when the next one is due, or why there is none.
#[derive(Debug, Args)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct Show {
    /// Id of the event, or enough of its beginning or end to be the only one.
    #[arg(value_name = "EVENT")]
    pub(crate) event: String,
    /// The source of the event, to tell equal ids apart.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  cargo eg show 0199a5c3
  cargo eg show f3ee5fc1          the end of an id, as `cargo eg run` shows it
  cargo eg show order-1 --source /services/shop --json";

/// Deliver stored events once more.
///
/// Goes to the subscriptions that would get the events today, or to those of one function. Functions can tell a replay by the
/// extension `replay`. Needs an EVENT or --since, so that it is not everything.
#[derive(Debug, Args)]
#[command(after_help = REPLAY_EXAMPLES)]
pub(crate) struct Replay {
    /// Id of an event, or enough of its beginning or end to be the only one.
    #[arg(value_name = "EVENT", required_unless_present = "since")]
    pub(crate) event: Option<String>,
    /// Only events of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) ty: Option<String>,
    /// Only events from this source.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Events accepted since then: 10m, 2h, 1d, or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "event")]
    pub(crate) since: Option<OffsetDateTime>,
    /// Events accepted until then.
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "event")]
    pub(crate) until: Option<OffsetDateTime>,
    /// Only to this function, by name or id.
    #[arg(long, value_name = "FUNCTION")]
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

/// List what could not be delivered; show, retry or discard it.
///
/// Those are the gateway's deliveries, which were rejected or failed too often. With --queue NAME: the messages that a
/// #[queue] function of the local app did not handle; they wait in the queue NAME-dead-letters.
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
  cargo eg dead-letters retry --all
  cargo eg dead-letters discard 17
  cargo eg dead-letters --queue orders
  cargo eg dead-letters retry --queue orders";

#[derive(Debug, Subcommand)]
pub(crate) enum LetterAction {
    List(ListLetters),
    Show(ShowLetter),
    Retry(RetryLetters),
    Discard(DiscardLetters),
}

/// List dead letters, the newest first.
#[derive(Debug, Args)]
pub(crate) struct ListLetters {
    /// Only those for this function, by name or id.
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// Only events of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) ty: Option<String>,
    /// List deliveries that reached the limit of their age instead.
    #[arg(long)]
    pub(crate) expired: bool,
    /// The most dead letters to list.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: usize,
    /// Print one JSON object per dead letter and line.
    #[arg(long)]
    pub(crate) json: bool,
    /// List those of this queue of the local app instead.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["function", "ty", "expired"])]
    pub(crate) queue: Option<String>,
    #[command(flatten)]
    pub(crate) lambda: LocalLambda,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

/// Show one with its event and every attempt.
#[derive(Debug, Args)]
pub(crate) struct ShowLetter {
    /// Its number, as the list shows it.
    #[arg(value_name = "NUMBER")]
    pub(crate) id: i64,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

/// Deliver one again, or all of them.
#[derive(Debug, Args)]
pub(crate) struct RetryLetters {
    /// Its number, as the list shows it.
    #[arg(value_name = "NUMBER", required_unless_present_any = ["all", "queue"])]
    pub(crate) id: Option<i64>,
    /// All dead letters of the space.
    #[arg(long, conflicts_with = "id")]
    pub(crate) all: bool,
    /// Another payload in place of the event's: JSON, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true, conflicts_with = "all")]
    pub(crate) data: Option<String>,
    /// All of this queue of the local app instead: they go back into it.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["id", "all", "data"])]
    pub(crate) queue: Option<String>,
    #[command(flatten)]
    pub(crate) lambda: LocalLambda,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

/// Take one off the list, or all of them. They stay in the history of their events.
#[derive(Debug, Args)]
pub(crate) struct DiscardLetters {
    /// Its number, as the list shows it.
    #[arg(value_name = "NUMBER", required_unless_present_any = ["all", "queue"])]
    pub(crate) id: Option<i64>,
    /// All dead letters of the space.
    #[arg(long, conflicts_with = "id")]
    pub(crate) all: bool,
    /// All of this queue of the local app instead: they are gone then.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["id", "all"])]
    pub(crate) queue: Option<String>,
    #[command(flatten)]
    pub(crate) lambda: LocalLambda,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}
