//! `cargo eg manifest`: prints the manifest of a binary. `eg_sdk::manifest` reads it.

use std::path::{Path, PathBuf};

use eg_sdk::manifest::{Function, Manifest, ManifestError};

use super::{current_folder, json_pretty, print};
use crate::cli;
use crate::console::text::{BOLD, DIM, columns, count, styled};
use crate::exit::{Exit, Failure};
use crate::project::builder::build;
use crate::project::services::describe;
use crate::project::workspace::{Package, Workspace};
use crate::project::{Build, canonical};

pub(crate) async fn run(arguments: cli::Manifest) -> Result<(), Failure> {
    let cli::Manifest { of, json, build } = arguments;
    let options = build.into();
    let manifest = match of.as_deref() {
        Some(of) if Path::new(of).is_file() => Manifest::read(Path::new(of))?,
        Some(of) if of.contains('/') => {
            let folder = canonical(Path::new(of))?;
            of_package(&folder, |workspace| workspace.around(&folder), &options).await?
        }
        Some(name) => of_package(&current_folder()?, |workspace| workspace.named(name), &options).await?,
        None => {
            let folder = current_folder()?;
            of_package(&folder, |workspace| workspace.around(&folder), &options).await?
        }
    };
    if !json {
        return print(&table(&manifest));
    }
    print(&json_pretty(&manifest)?)
}

async fn of_package(
    folder: &Path,
    find: impl FnOnce(&Workspace) -> Result<&Package, Failure>,
    options: &Build,
) -> Result<Manifest, Failure> {
    let workspace = Workspace::of(folder)?;
    let package = find(&workspace)?.clone();
    let built = build(&workspace.root, std::slice::from_ref(&package), options).await?;
    let binaries: Vec<PathBuf> = built.into_iter().map(|built| built.binary).collect();
    let mut manifests = with_functions(&binaries)?;
    match (manifests.pop(), manifests.len()) {
        (Some(manifest), 0) => Ok(manifest),
        (None, _) => {
            let error = match binaries.first() {
                Some(binary) => ManifestError::NoFunctions { path: binary.clone() },
                None => return Err(package.without_binary()),
            };
            Err(error.into())
        }
        (Some(_), _) => {
            Err(Failure::new(Exit::Usage, format!("several binaries of {} have functions", package.name))
                .hint("name one of them with --bin"))
        }
    }
}

/// Renders the manifest as a table with one line per trigger.
fn table(manifest: &Manifest) -> String {
    let rows: Vec<[String; 4]> = manifest.functions.iter().flat_map(rows).collect();
    let functions = count(manifest.functions.len(), "function");
    let indented: String = columns(&rows).lines().map(|row| format!("  {row}\n")).collect();
    format!("{BOLD}{}{BOLD:#} {}: {functions}\n{indented}", manifest.service, manifest.version)
}

/// Returns one row per trigger. The function's id, emitted types and source are in the first row only.
fn rows(function: &Function) -> Vec<[String; 4]> {
    let triggers = function.triggers.iter().map(describe).collect::<Vec<_>>();
    let triggers = if triggers.is_empty() { vec!["no trigger".to_owned()] } else { triggers };
    let emits = if function.emits.is_empty() {
        String::new()
    } else {
        format!("emits {}", function.emits.join(", "))
    };
    let row = |(at, trigger): (usize, String)| match at {
        0 => [styled(BOLD, &function.id), trigger, emits.clone(), styled(DIM, &function.source)],
        _ => [String::new(), trigger, String::new(), String::new()],
    };
    triggers.into_iter().enumerate().map(row).collect()
}

/// Returns the manifests of the binaries that have functions. A package may contain other tools besides its service.
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
