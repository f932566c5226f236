//! `cargo eg manifest`: what a binary says about its functions.

use std::path::{Path, PathBuf};

use cargo_eg::manifest::{Manifest, ManifestError};

use super::{current_folder, print};
use crate::builder::build;
use crate::cli;
use crate::exit::{Exit, Failure};
use crate::workspace::{Package, Workspace, canonical};

pub(crate) async fn run(arguments: cli::Manifest) -> Result<(), Failure> {
    // `--json` asks for what is the only form there is.
    let cli::Manifest { of, json: _, release } = arguments;
    let manifest = match of.as_deref() {
        Some(of) if Path::new(of).is_file() => Manifest::read(Path::new(of))?,
        Some(of) if of.contains('/') => {
            let folder = canonical(Path::new(of))?;
            of_package(&folder, |workspace| workspace.around(&folder), release).await?
        }
        Some(name) => of_package(&current_folder()?, |workspace| workspace.named(name), release).await?,
        None => {
            let folder = current_folder()?;
            of_package(&folder, |workspace| workspace.around(&folder), release).await?
        }
    };
    let text = serde_json::to_string_pretty(&manifest)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot write the manifest as JSON: {error}")))?;
    print(&(text + "\n"))
}

async fn of_package(
    folder: &Path,
    find: impl FnOnce(&Workspace) -> Result<&Package, Failure>,
    release: bool,
) -> Result<Manifest, Failure> {
    let workspace = Workspace::of(folder)?;
    let package = find(&workspace)?.clone();
    let built = build(&workspace.root, std::slice::from_ref(&package), release).await?;
    let binaries: Vec<PathBuf> = built.into_iter().map(|built| built.binary).collect();
    let mut manifests = with_functions(&binaries)?;
    match (manifests.pop(), manifests.len()) {
        (Some(manifest), 0) => Ok(manifest),
        (None, _) => {
            let error = match binaries.first() {
                Some(binary) => ManifestError::NoFunctions { path: binary.clone() },
                None => {
                    return Err(Failure::new(
                        Exit::Build,
                        format!("cargo built no binary of {}", package.name),
                    ));
                }
            };
            Err(error.into())
        }
        (Some(_), _) => {
            Err(Failure::new(Exit::Usage, format!("several binaries of {} have functions", package.name))
                .hint("name one of them by its path, for example target/debug/NAME"))
        }
    }
}

/// The manifests of those binaries that have functions. A package may have other tools beside its service.
fn with_functions(binaries: &[PathBuf]) -> Result<Vec<Manifest>, ManifestError> {
    let mut manifests = Vec::new();
    for binary in binaries {
        match Manifest::read(binary) {
            Ok(manifest) => manifests.push(manifest),
            Err(ManifestError::NoFunctions { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(manifests)
}
