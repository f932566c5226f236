//! Builds packages with cargo and finds the resulting binaries. Cargo prints its progress and messages to the
//! terminal itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use cargo_metadata::{Message, TargetKind};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::exit::{Exit, Failure};

use super::workspace::Package;
use super::{Build, cargo};

/// The features of `eg-runtime` for event buses and for secrets.
const EVENT_BUSES: &str = "eventbridge";
const SECRETS: &str = "secrets";

/// A binary of a package that was just built.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) package: Package,
    pub(crate) binary: PathBuf,
}

/// Builds the binaries of `packages`, members of the workspace at `root`, with one call of cargo.
pub(crate) async fn build(root: &Path, packages: &[Package], options: &Build) -> Result<Vec<Built>, Failure> {
    let mut command = Command::from(cargo::command());
    command
        .current_dir(root)
        // Cargo continues after a failure, so that the binaries missing at the end are those that do not build.
        .arg(options.lambda.as_ref().map_or("build", |tools| tools.subcommand))
        .args(["--keep-going", "--message-format=json-render-diagnostics"])
        .args(packages.iter().flat_map(|package| ["--package", &package.name]))
        .args(arguments(options))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    if let Some(tools) = &options.lambda {
        command.args(["--target", &tools.target]).args(services_of_aws(packages, options.secrets));
        match &options.profile {
            None => command.arg("--release"),
            Some(profile) => command.args(["--profile", profile]),
        };
        command.envs(tools.linker.clone());
    }
    let failed = |error: std::io::Error| cargo::missing(&error);
    let mut build = command.spawn().map_err(failed)?;
    let mut built = Vec::new();
    if let Some(messages) = build.stdout.take() {
        let mut lines = BufReader::new(messages).lines();
        while let Some(line) = lines.next_line().await.map_err(failed)? {
            // Lines of other kinds (from a newer cargo or a compiler wrapper) are ignored.
            if let Ok(Message::CompilerArtifact(artifact)) = serde_json::from_str(&line) {
                built.extend(binary(packages, &artifact));
            }
        }
    }
    let status = build.wait().await.map_err(failed)?;
    if status.success() {
        return Ok(built);
    }
    let missing: Vec<&str> = packages
        .iter()
        .filter(|package| !built.iter().any(|built| built.package == **package))
        .map(|package| package.name.as_str())
        .collect();
    Err(match missing.as_slice() {
        [] => Failure::new(Exit::Build, format!("cargo build ended with {status}")),
        names => Failure::new(Exit::Build, format!("{} not built", names.join(", ")))
            .hint("the compiler's messages are above"),
    })
}

/// Returns the arguments with which programs can emit to event buses and, if wanted, read secrets. Packages may have given
/// `eg-runtime` another name.
fn services_of_aws(packages: &[Package], secrets: bool) -> Vec<String> {
    let names: BTreeSet<&str> = packages.iter().filter_map(|package| package.runtime.as_deref()).collect();
    let features = [EVENT_BUSES].into_iter().chain(secrets.then_some(SECRETS));
    let features = features.flat_map(|feature| names.iter().map(move |runtime| (runtime, feature)));
    features.map(|(runtime, feature)| format!("--features={runtime}/{feature}")).collect()
}

/// Returns cargo's arguments for the options.
fn arguments(options: &Build) -> Vec<&str> {
    let Build {
        bins,
        features,
        all_features,
        no_default_features,
        release,
        lambda: _,
        profile: _,
        stage: _,
        secrets: _,
    } = options;
    let mut arguments = Vec::new();
    if bins.is_empty() {
        arguments.push("--bins");
    }
    arguments.extend(bins.iter().flat_map(|bin| ["--bin", bin]));
    arguments.extend(features.iter().flat_map(|feature| ["--features", feature]));
    let flags = [
        (*all_features, "--all-features"),
        (*no_default_features, "--no-default-features"),
        (*release, "--release"),
    ];
    arguments.extend(flags.into_iter().filter_map(|(is_set, flag)| is_set.then_some(flag)));
    arguments
}

fn binary(packages: &[Package], artifact: &cargo_metadata::Artifact) -> Option<Built> {
    let binary = artifact.executable.as_ref()?;
    if !artifact.target.kind.contains(&TargetKind::Bin) {
        return None;
    }
    let manifest = artifact.manifest_path.as_std_path();
    let package = packages.iter().find(|package| manifest.parent() == Some(&package.folder))?;
    Some(Built { package: package.clone(), binary: binary.as_std_path().to_owned() })
}
