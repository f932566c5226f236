//! Options of `cargo eg new`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Create a service with working functions and tests.
///
/// The service has an HTTP route, an event, a function that subscribes to the event, and tests that need no server. Inside
/// a workspace it becomes a member. Existing files are never overwritten.
///
/// The service depends on eg-runtime from the first of these: the workspace's dependencies; --eg-path; the sources from
/// which this cargo-eg was built, if they still exist; the registry.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct New {
    /// Name of the service, or the folder to create, whose last part is the name.
    #[arg(value_name = "NAME", required_unless_present = "ci")]
    pub(crate) path: Option<PathBuf>,
    /// Create a workspace: two services in services/, and a crate for the events that they share.
    #[arg(long, requires = "path")]
    pub(crate) workspace: bool,
    /// Write .github/workflows/deploy.yml, a workflow that deploys the application to AWS. Without NAME, only adds it to the
    /// repository of the current directory.
    #[arg(long, value_enum, value_name = "PROVIDER")]
    pub(crate) ci: Option<Ci>,
    /// A clone of Event Gateway for Rust whose eg-runtime the service uses by path.
    #[arg(long, value_name = "DIR", requires = "path")]
    pub(crate) eg_path: Option<PathBuf>,
}

/// Where workflows run.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Ci {
    /// GitHub Actions: plans on pull requests, deploys on `main`, with a role of AWS and without keys.
    #[value(name = "github")]
    GitHub,
}

const EXAMPLES: &str = "\
Examples:
  cargo eg new orders
  cargo eg new services/orders
  cargo eg new shop --workspace --ci github
  cargo eg new --ci github";
