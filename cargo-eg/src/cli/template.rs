//! Options of `template`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::selection::Selection;

/// Print an AWS SAM template of the services: EventBridge, Lambda, an HTTP API, queues.
///
/// The template is derived from the manifests in the binaries. Each function gets a role that allows what its signature
/// and triggers declare (emitting these event types under its own source, reading these queues) and nothing else. Each
/// asynchronous function gets a queue for failed events: its on-failure destination and the dead-letter queue of its
/// rules. Settings in the manifests that AWS does not support are reported on stderr.
///
/// PATH and --package work as in `run`. The template expects the binary of a service at target/lambda/SERVICE/bootstrap, where
/// `cargo lambda build` puts it. Functions that emit need the feature `eventbridge` of eg-runtime.
#[derive(Debug, Args)]
#[command(after_help = TEMPLATE_EXAMPLES)]
pub(crate) struct Template {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Write to this file instead of stdout.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print JSON instead of YAML.
    #[arg(long)]
    pub(crate) json: bool,
    /// Architecture of the functions.
    #[arg(long, value_enum, default_value_t = Architecture::Arm64)]
    pub(crate) architecture: Architecture,
}

/// Architectures of Lambda.
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
