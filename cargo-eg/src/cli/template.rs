//! Options of `template`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Print an AWS SAM template of the services: EventBridge, Lambda, an HTTP API, queues.
///
/// Made from the manifests in the binaries. Each function gets a role that allows what its signature and its triggers
/// say (to emit these event types under its own source, to read these queues) and nothing else; each that is called
/// asynchronously has a queue for what failed, as its on-failure destination and as its rules' dead-letter queue. What
/// the manifests ask for and AWS does not have is told on standard error.
///
/// PATH as in `run`. The code of a service is expected in target/lambda/SERVICE/bootstrap, where `cargo lambda build`
/// puts it. Functions that emit need the feature `eventbridge` of eg-runtime.
#[derive(Debug, Args)]
#[command(after_help = TEMPLATE_EXAMPLES)]
pub(crate) struct Template {
    /// Packages or folders with packages.
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// File to write to, instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// JSON instead of YAML.
    #[arg(long)]
    pub(crate) json: bool,
    /// What the functions' machines are.
    #[arg(long, value_enum, default_value_t = Architecture::Arm64)]
    pub(crate) architecture: Architecture,
    /// Build with optimisations.
    #[arg(long)]
    pub(crate) release: bool,
}

/// What Lambda runs on.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Architecture {
    #[value(name = "arm64")]
    Arm64,
    #[value(name = "x86_64")]
    X86_64,
}

const TEMPLATE_EXAMPLES: &str = "\
Examples:
  cargo eg template --output template.yaml
  cargo eg template services/shop --architecture x86_64
  cargo eg template --json | jq '.Resources | keys'";
