//! Options of `build`.

use std::path::PathBuf;

use clap::Args;

use super::selection::{Packages, Targets};
use super::template::Architecture;

/// Build the services for AWS Lambda: a zip file for each, and a description of what its functions need.
///
/// Builds for arm64 if its target and a linker are installed, and links with cargo-zigbuild if that is installed. Uses the release
/// profile; --cargo-profile names another one. Programs get the feature `eventbridge` of eg-runtime: they emit to the event bus in
/// EVENT_BUS, and send what functions reject to the queue in EVENT_FAILURES_QUEUE. If the stage has secrets, programs also get the
/// feature `secrets`, and read the secrets in EG_SECRETS when they start. Installs nothing and sends nothing.
///
/// Writes SERVICE/bootstrap.zip and artifacts.json below target/eg. Checks first that each program runs on Lambda: its
/// processor, the version of the C library, its size, and that panics unwind. The same sources, compiler and dependencies give the
/// same bytes, so a zip file changes only when its service does.
///
/// `cargo eg template` makes a template for these files. artifacts.json is for Terraform, CDK and scripts; docs/deploying.md
/// describes it.
///
/// PATH and --package work as in `run`. Functions that an eg.toml declares are left out.
#[derive(Debug, Args)]
#[command(after_help = BUILD_EXAMPLES)]
pub(crate) struct BuildServices {
    #[command(flatten)]
    pub(crate) packages: Packages,
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// Processor of the functions [default: arm64 if it can be built here]
    #[arg(long, value_enum)]
    pub(crate) architecture: Option<Architecture>,
    /// Profile of cargo to build with, such as dev [default: release]
    #[arg(long, value_name = "PROFILE")]
    pub(crate) cargo_profile: Option<String>,
    /// Stage of the application, from `[deploy.stages]` in its eg.toml: its features for the build, and its settings for
    /// artifacts.json [default: dev]
    #[arg(long, value_name = "STAGE")]
    pub(crate) stage: Option<String>,
    /// Folder for the zip files and artifacts.json [default: eg in cargo's target directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Print the content of artifacts.json.
    #[arg(long)]
    pub(crate) json: bool,
}

const BUILD_EXAMPLES: &str = "\
Examples:
  cargo eg build
  cargo eg build services/shop --architecture x86_64
  cargo eg build --json | jq '.services[].sha256'";
