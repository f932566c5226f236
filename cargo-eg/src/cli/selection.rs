//! Options that select services and say how to build them, as cargo's own options do.

use std::path::PathBuf;

use clap::Args;

use crate::project::{Build, Wanted};

/// The services that a command works on.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Packages or folders with packages [default: those of the current directory]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Package of the workspace of the current directory, by its name. Can be repeated.
    #[arg(short, long = "package", value_name = "NAME")]
    pub(crate) packages: Vec<String>,
    #[command(flatten)]
    pub(crate) build: BuildOptions,
}

/// How services are built.
#[derive(Debug, Args)]
pub(crate) struct BuildOptions {
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
    /// Build with the release profile.
    #[arg(short, long)]
    release: bool,
}

impl From<Selection> for Wanted {
    fn from(selection: Selection) -> Self {
        let Selection { paths, packages, build } = selection;
        Self { paths, packages, build: build.into() }
    }
}

impl From<BuildOptions> for Build {
    fn from(options: BuildOptions) -> Self {
        let BuildOptions { bins, features, all_features, no_default_features, release } = options;
        Self { bins, features, all_features, no_default_features, release }
    }
}
