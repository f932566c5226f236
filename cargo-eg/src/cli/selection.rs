//! Options that select services and say how to build them, as cargo's own options do.

use std::path::PathBuf;

use clap::Args;

use crate::project::{Build, Wanted};

/// The services that a command works on, and how they are built.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    #[command(flatten)]
    pub(crate) packages: Packages,
    #[command(flatten)]
    pub(crate) build: BuildOptions,
}

/// The services that a command works on.
#[derive(Debug, Args)]
pub(crate) struct Packages {
    /// Packages or folders with packages [default: those of the current directory]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Package of the workspace of the current directory, by its name. Can be repeated.
    #[arg(short, long = "package", value_name = "NAME")]
    pub(crate) packages: Vec<String>,
}

/// How services are built.
#[derive(Debug, Args)]
pub(crate) struct BuildOptions {
    #[command(flatten)]
    targets: Targets,
    /// Build with the release profile.
    #[arg(short, long)]
    release: bool,
}

/// What of the packages is built.
#[derive(Debug, Args)]
pub(crate) struct Targets {
    /// Build this binary only, if a package has several. Can be repeated.
    #[arg(long = "bin", value_name = "NAME")]
    bins: Vec<String>,
    /// Features to activate, separated by spaces or commas. Can be repeated.
    #[arg(short = 'F', long, value_name = "FEATURES")]
    features: Vec<String>,
    /// Activate all features of the packages.
    #[arg(long)]
    all_features: bool,
    /// Do not activate the default features of the packages.
    #[arg(long)]
    no_default_features: bool,
}

impl From<Selection> for Wanted {
    fn from(selection: Selection) -> Self {
        let Selection { packages: Packages { paths, packages }, build } = selection;
        Self { paths, packages, build: build.into() }
    }
}

impl From<BuildOptions> for Build {
    fn from(options: BuildOptions) -> Self {
        let BuildOptions { targets, release } = options;
        Self { release, ..targets.into() }
    }
}

impl From<Targets> for Build {
    fn from(targets: Targets) -> Self {
        let Targets { bins, features, all_features, no_default_features } = targets;
        Self { bins, features, all_features, no_default_features, ..Self::default() }
    }
}
