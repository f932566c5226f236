//! Reads what a cargo workspace contains, as cargo reports it. Which of its packages a command works on is decided in
//! `places`, building them is left to `builder`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand, TargetKind};

use crate::exit::{Exit, Failure};
use crate::watch::{Sources, find};

use super::{cargo, declared};

/// The crate that a service depends on.
const RUNTIME: &str = "eg-runtime";

/// A cargo workspace, or a package without one.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Cargo's target directory.
    pub(super) target: PathBuf,
    pub(super) packages: Vec<Package>,
}

/// A member of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// The folder of its `Cargo.toml`.
    pub(crate) folder: PathBuf,
    pub(super) binaries: Vec<Binary>,
    /// The name under which it depends on `eg-runtime` itself, for more than its tests.
    pub(super) runtime: Option<String>,
    /// The folders of its path dependencies.
    pub(super) depends_on: Vec<PathBuf>,
}

/// A binary of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binary {
    pub(crate) name: String,
    /// The features without which cargo does not build it.
    pub(crate) required_features: Vec<String>,
}

impl Package {
    pub(super) fn is_service(&self) -> bool {
        !self.binaries.is_empty() && self.runtime.is_some()
    }

    /// Returns the failure for a build that made none of the package's binaries.
    pub(crate) fn without_binary(&self) -> Failure {
        let name = &self.name;
        let needing = self.binaries.iter().find(|binary| !binary.required_features.is_empty());
        match needing {
            Some(Binary { name: binary, required_features }) => {
                let features = required_features.join(",");
                let message =
                    format!("cargo did not build binary `{binary}` of `{name}`: it requires features");
                Failure::new(Exit::Build, message).hint(format!("add --features {features}"))
            }
            None => Failure::new(Exit::Build, format!("cargo built no binary of `{name}`"))
                .hint("--bin names a binary of another package, or `cargo build` itself fails"),
        }
    }
}

impl Workspace {
    /// Returns the workspace that contains `folder`.
    pub(crate) fn of(folder: &Path) -> Result<Self, Failure> {
        let metadata = MetadataCommand::new().current_dir(folder).no_deps().exec().map_err(|error| {
            if let cargo_metadata::Error::Io(error) = &error {
                return cargo::missing(error);
            }
            let reason = match &error {
                cargo_metadata::Error::CargoMetadata { stderr } => stderr.trim().to_owned(),
                other => other.to_string(),
            };
            let reason = reason.strip_prefix("error: ").unwrap_or(&reason);
            match manifest_around(folder) {
                Some(manifest) => {
                    let message = format!("cargo cannot read {}: {reason}", manifest.display());
                    Failure::new(Exit::Usage, message).hint(match taken_for_member(&manifest, reason) {
                        Some(folder) => format!(
                            "a folder with an eg.toml is no package: add `exclude = [\"{}\"]` to [workspace]",
                            folder.display()
                        ),
                        None => "correct the file that the message names".to_owned(),
                    })
                }
                None => nowhere(folder),
            }
        })?;
        let packages = metadata.workspace_packages().into_iter().map(package).collect();
        let target = metadata.target_directory.into_std_path_buf();
        Ok(Self { root: metadata.workspace_root.into_std_path_buf(), target, packages })
    }

    /// Returns the member with that name, which must have a binary.
    pub(crate) fn named(&self, name: &str) -> Result<&Package, Failure> {
        let Some(package) = self.packages.iter().find(|package| package.name == name) else {
            let names: Vec<&str> = self.packages.iter().map(|package| package.name.as_str()).collect();
            let message =
                format!("`{name}` is neither a file nor a package of the workspace {}", self.root.display());
            return Err(
                Failure::new(Exit::NotFound, message).hint(format!("its packages are {}", names.join(", ")))
            );
        };
        with_binary(package)
    }

    /// Returns the member whose folder contains `folder`, if one does.
    pub(super) fn member(&self, folder: &Path) -> Option<&Package> {
        let around = self.packages.iter().filter(|package| folder.starts_with(&package.folder));
        around.max_by_key(|package| package.folder.components().count())
    }

    /// Returns the member whose folder contains `folder`, which must have a binary.
    pub(crate) fn around(&self, folder: &Path) -> Result<&Package, Failure> {
        match self.member(folder) {
            Some(package) => with_binary(package),
            None => Err(Failure::new(Exit::Usage, format!("{} is not in a package", folder.display()))
                .hint("name one: cargo eg manifest PACKAGE")),
        }
    }

    /// Returns the sources of `packages` as far as they are known before a build: everything in their folders and in
    /// those of their path dependencies, and cargo's configuration.
    pub(super) fn sources(&self, packages: &[Package]) -> Sources {
        const SETTINGS: [&str; 5] =
            ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "rust-toolchain", ".cargo/config.toml"];
        let mut trees = BTreeSet::new();
        let mut open: Vec<PathBuf> = packages.iter().map(|package| package.folder.clone()).collect();
        while let Some(folder) = open.pop() {
            if !trees.insert(folder.clone()) {
                continue;
            }
            let member = self.packages.iter().find(|package| package.folder == folder);
            open.extend(member.into_iter().flat_map(|package| package.depends_on.iter().cloned()));
        }
        let manifests = trees.iter().map(|folder| folder.join("Cargo.toml"));
        let files = SETTINGS.iter().map(|name| self.root.join(name)).chain(manifests).collect();
        Sources { trees, files, ignored: [self.target.clone()].into(), ..Sources::default() }
    }
}

/// Returns the `Cargo.toml` that cargo finds from `folder`.
pub(super) fn manifest_around(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join("Cargo.toml")).find(|manifest| manifest.is_file())
}

/// Returns the folder of an `eg.toml` that cargo's message is about: `members = ["services/*"]` includes it.
fn taken_for_member(manifest: &Path, reason: &str) -> Option<PathBuf> {
    let root = manifest.parent()?;
    let folders = find(root, declared::FILE).into_iter().filter_map(|file| Some(file.parent()?.to_owned()));
    let mut taken = folders.filter(|folder| reason.contains(&format!("`{}`", folder.display())));
    Some(taken.next()?.strip_prefix(root).ok()?.to_owned())
}

/// Returns the failure for a folder that is in no project.
pub(super) fn nowhere(folder: &Path) -> Failure {
    let message =
        format!("{} has no Cargo.toml and no eg.toml, and neither has a folder above it", folder.display());
    Failure::new(Exit::Usage, message).hint("run it in the folder of your workspace, or name a PATH")
}

fn with_binary(package: &Package) -> Result<&Package, Failure> {
    if !package.binaries.is_empty() {
        return Ok(package);
    }
    Err(Failure::new(Exit::Usage, format!("package `{}` has no binary, so it has no manifest", package.name)))
}

fn package(package: &cargo_metadata::Package) -> Package {
    let manifest = package.manifest_path.as_std_path();
    let binary = |target: &cargo_metadata::Target| Binary {
        name: target.name.clone(),
        required_features: target.required_features.clone(),
    };
    Package {
        name: package.name.to_string(),
        folder: manifest.parent().unwrap_or(manifest).to_owned(),
        binaries: package
            .targets
            .iter()
            .filter(|target| target.kind.contains(&TargetKind::Bin))
            .map(binary)
            .collect(),
        runtime: package
            .dependencies
            .iter()
            .find(|dependency| dependency.name == RUNTIME && dependency.kind == DependencyKind::Normal)
            .map(|dependency| dependency.rename.clone().unwrap_or_else(|| dependency.name.clone())),
        depends_on: package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != DependencyKind::Development)
            .filter_map(|dependency| dependency.path.as_ref())
            .map(|path| path.as_std_path().to_owned())
            .collect(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn package(folder: &str, has_binary: bool, has_runtime: bool) -> Package {
        let folder = PathBuf::from(folder);
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let binary = Binary { name: name.clone(), required_features: Vec::new() };
        let binaries = if has_binary { vec![binary] } else { Vec::new() };
        let runtime = has_runtime.then(|| RUNTIME.to_owned());
        Package { name, folder, binaries, runtime, depends_on: Vec::new() }
    }

    #[test]
    fn sources_follow_paths() {
        let mut users = package("/app/services/users", true, true);
        users.depends_on = vec!["/app/events".into(), "/elsewhere/lib".into()];
        let mut events = package("/app/events", false, false);
        events.depends_on = vec!["/app/base".into()];
        let packages = vec![
            users.clone(),
            events,
            package("/app/base", false, false),
            package("/app/other", true, true),
        ];
        let workspace = Workspace { root: "/app".into(), target: "/app/target".into(), packages };
        let sources = workspace.sources(&[users]);
        let expected =
            ["/app/base", "/app/events", "/app/services/users", "/elsewhere/lib"].map(PathBuf::from);
        assert_eq!(sources.trees, expected.into());
        assert!(sources.files.contains(Path::new("/app/events/Cargo.toml")), "{:?}", sources.files);
    }
}
