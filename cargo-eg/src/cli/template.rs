//! Options of `template`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::gateway::BehindGateway;
use super::selection::Selection;
use crate::project::toolchain::Machine;

/// Print a CloudFormation template of the services: EventBridge, Lambda, an HTTP API, queues, tables, alarms.
///
/// The template is derived from the manifests in the binaries, and from `[deploy]` in eg.toml. Each function gets a role that allows
/// what its signature, its triggers and eg.toml declare (emitting these event types from its own source, reading these queues,
/// using these tables) and nothing else. Each service gets a queue for what its functions fail to handle. What AWS does
/// differently is reported on stderr; what it would refuse or never do is an error. docs/deploying.md has the details.
///
/// `[deploy]` is in the eg.toml of the services' folder or of one above it. SAM's tools and the AWS CLI deploy the template.
///
/// PATH and --package work as in `run`. The template names the zip files that `cargo eg build` writes, relative to its own folder.
/// Functions that an eg.toml declares with a command or a URL are left out.
#[derive(Debug, Args)]
#[command(after_help = TEMPLATE_EXAMPLES)]
pub(crate) struct Template {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Stage of the application: dev, or one of `[deploy.stages]` in eg.toml [default: dev]
    #[arg(long, value_name = "NAME")]
    pub(crate) stage: Option<String>,
    #[command(flatten)]
    pub(crate) gateway: BehindGateway,
    /// Write to this file instead of stdout. Templates of nested stacks are written beside it.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print JSON instead of YAML.
    #[arg(long)]
    pub(crate) json: bool,
    /// Processor of the functions, as in `cargo eg build` [default: arm64 if it can be built here]
    #[arg(long, value_enum)]
    pub(crate) architecture: Option<Architecture>,
    /// Folder in which `cargo eg build` has put the zip files [default: eg in cargo's target directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) artifacts: Option<PathBuf>,
}

impl From<Architecture> for Machine {
    fn from(architecture: Architecture) -> Self {
        match architecture {
            Architecture::Arm64 => Self::Arm64,
            Architecture::X86_64 => Self::X86_64,
        }
    }
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
  cargo eg template services/registration --output template.yaml
  cargo eg template services/shop --architecture x86_64 --stage dev
  cargo eg template services/shop --json | jq '.Resources | keys'

An eg.toml with [deploy]:
  [deploy]
  stack = \"shop\"
  environment = { LOG = \"info\" }

  [deploy.tables.orders]
  variable = \"ORDER_TABLE\"
  services = [\"order\"]
  partition_key = \"id\"

  [deploy.stages.prod]
  environment = { LOG = \"warn\" }";
