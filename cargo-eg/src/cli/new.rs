//! Options of `cargo eg new`.

use std::path::PathBuf;

use clap::Args;

/// Make a new service, with functions and tests that work.
///
/// The service has one HTTP route, one event that it emits, one function that is subscribed to it, and tests that need
/// no server. In a workspace it becomes a member. Nothing that exists is overwritten.
///
/// eg-runtime is taken from: the workspace's dependencies, if they name it; --eg-path; the sources that this cargo-eg
/// was built from, if they are still there; else the registry.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct New {
    /// The service's name, or the folder to make; then its last part is the name.
    #[arg(value_name = "NAME")]
    pub(crate) path: PathBuf,
    /// Make a workspace: two services in services/, and a crate of the events that they exchange.
    #[arg(long)]
    pub(crate) workspace: bool,
    /// A clone of Event Gateway for Rust; its eg-runtime is depended on by path.
    #[arg(long, value_name = "DIR")]
    pub(crate) eg_path: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  cargo eg new orders
  cargo eg new services/orders
  cargo eg new shop --workspace";
