//! Options of the commands that look at code and logs: `check`, `manifest`, `logs`, `completions`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use time::OffsetDateTime;

use super::StateDir;
use super::gateway::moment;
use crate::check::{CLASSES, Class};

/// Check all services together: routes, names, events that nobody emits, loops, schemas.
///
/// Reads the manifests of the services, after building them, and compares them with each other.
/// Runs nothing, except with --start: which states a function needs is not in its manifest, and a
/// service says at its start when one is missing.
///
/// Classes of findings, with the exit code when one of them is an error:
///   duplicate-id      error    20  two functions have the same id
///   route-conflict    error    21  two functions answer the same, or routes exclude each other
///   schema-mismatch   error    22  what is emitted is not what a subscriber reads
///   bad-name          error    23  AWS refuses the name
///   never-emitted     warning  24  subscribed to, but no service emits it
///   loop              warning  25  an event leads back to itself
///   never-subscribed  note     26  emitted, but no service subscribes to it
///   cannot-start      error    27  a state is missing, or the service ends at its start (with --start)
///
/// With errors of several classes, the first of them in this order is the exit code. Warnings and
/// notes alone exit with 0.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES, verbatim_doc_comment)]
pub(crate) struct Check {
    /// Packages or folders with packages to check, as for `cargo eg run`.
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Start every function once, with a data folder that is gone afterwards, and call none.
    #[arg(long)]
    pub(crate) start: bool,
    /// Say nothing about findings of this class.
    #[arg(long, value_name = "CLASS", value_parser = PossibleValuesParser::new(CLASSES.map(Class::name)))]
    pub(crate) allow: Vec<String>,
    /// Make findings of this class errors; `warnings` stands for all that are warnings.
    #[arg(long, value_name = "CLASS", value_parser = PossibleValuesParser::new(CLASSES.map(Class::name).into_iter().chain(["warnings"])))]
    pub(crate) deny: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Build with optimisations.
    #[arg(long)]
    pub(crate) release: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  cargo eg check
  cargo eg check services/users services/emails --deny warnings
  cargo eg check --start
  cargo eg check --allow never-emitted --json | jq '.findings[].message'";

/// Show what a function printed, with Lambda's START, END and REPORT lines.
///
/// Reads the log of this and earlier local runs, whether the app is running or not; with --stack, CloudWatch's.
#[derive(Debug, Args)]
#[command(after_help = LOGS_EXAMPLES)]
pub(crate) struct Logs {
    /// Name or id of the function, for example create_user or users-create_user.
    #[arg(long, value_name = "NAME")]
    pub(crate) function: String,
    /// Go on with what is added, until Ctrl-C.
    #[arg(long)]
    pub(crate) tail: bool,
    /// Only what was printed since then: 10m, 2h, 1d, or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<OffsetDateTime>,
    /// Read from CloudWatch what a function of this deployed stack printed.
    #[arg(long, value_name = "NAME", conflicts_with = "state_dir")]
    pub(crate) stack: Option<String>,
    /// Region of the stack [default: as your AWS configuration says]
    #[arg(long, requires = "stack")]
    pub(crate) region: Option<String>,
    /// CloudWatch's endpoint, for tests and private networks.
    #[arg(long, requires = "stack", value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    #[command(flatten)]
    pub(crate) state: StateDir,
}

const LOGS_EXAMPLES: &str = "\
Examples:
  cargo eg logs --function create_user
  cargo eg logs --function create_user --since 10m --tail
  cargo eg logs --function create_user --stack shop-production --since 1h";

/// Print the manifest of a service: its functions, what triggers them and what they emit.
///
/// Reads it from the binary without running it, also if it was stripped or made for another machine.
#[derive(Debug, Args)]
#[command(after_help = MANIFEST_EXAMPLES)]
pub(crate) struct Manifest {
    /// A package (or its folder), which is built first, or a binary; else the current directory's package.
    #[arg(value_name = "PACKAGE|BINARY")]
    pub(crate) of: Option<String>,
    /// Print the manifest as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Build with optimisations.
    #[arg(long)]
    pub(crate) release: bool,
}

const MANIFEST_EXAMPLES: &str = "\
Examples:
  cargo eg manifest users
  cargo eg manifest target/aarch64-unknown-linux-gnu/release/users
  cargo eg manifest users --json | jq -r '.functions[].id'";

/// Print the script that completes `cargo eg` in a shell.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: Shell,
}

/// Shells that can be told how to complete.
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
  cargo eg completions zsh > ~/.zfunc/_cargo-eg
  cargo eg completions fish > ~/.config/fish/conf.d/cargo-eg.fish";
