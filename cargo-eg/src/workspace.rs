//! Which packages are services. Asks cargo for the workspace, then decides by rules; builds nothing.

use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand, TargetKind};

use crate::exit::{Exit, Failure};

/// The crate that a service depends on.
const RUNTIME: &str = "eg-runtime";

/// A cargo workspace, or a package without one.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    packages: Vec<Package>,
}

/// A member of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// The folder of its `Cargo.toml`.
    pub(crate) folder: PathBuf,
    has_binary: bool,
    /// Whether it depends on `eg-runtime` itself, for more than its tests.
    has_runtime: bool,
}

/// What a command is about: packages of one workspace.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) root: PathBuf,
    pub(crate) packages: Vec<Package>,
}

impl Package {
    fn is_service(&self) -> bool {
        self.has_binary && self.has_runtime
    }
}

impl Workspace {
    /// The workspace that `folder` is in.
    pub(crate) fn of(folder: &Path) -> Result<Self, Failure> {
        let metadata = MetadataCommand::new().current_dir(folder).no_deps().exec().map_err(|error| {
            let reason = match &error {
                cargo_metadata::Error::CargoMetadata { stderr } => stderr.trim().to_owned(),
                other => other.to_string(),
            };
            let reason = reason.strip_prefix("error: ").unwrap_or(&reason);
            let message = format!("{} is in no workspace that cargo can read: {reason}", folder.display());
            Failure::new(Exit::Usage, message).hint("run it in the folder of your workspace, or name a PATH")
        })?;
        let packages = metadata.workspace_packages().into_iter().map(package).collect();
        Ok(Self { root: metadata.workspace_root.into_std_path_buf(), packages })
    }

    /// The member with that name, which must have a binary.
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

    /// The member whose folder contains `folder`.
    pub(crate) fn around(&self, folder: &Path) -> Result<&Package, Failure> {
        let deepest = self
            .packages
            .iter()
            .filter(|package| folder.starts_with(&package.folder))
            .max_by_key(|package| package.folder.components().count());
        match deepest {
            Some(package) => with_binary(package),
            None => Err(Failure::new(Exit::Usage, format!("{} is not in a package", folder.display()))
                .hint("name one: cargo eg manifest PACKAGE")),
        }
    }

    /// The services below `folder`, an existing path.
    fn services(&self, folder: &Path, choice: Choice) -> Vec<Package> {
        choose(&self.packages, &self.root, folder, choice)
    }
}

/// How a folder came to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// The user named it.
    Named,
    /// It is the current directory.
    Current,
}

/// What to run: the services at `paths`, or, if there are none, those of the current directory.
pub(crate) fn select(current: &Path, paths: &[PathBuf]) -> Result<Vec<Selection>, Failure> {
    if paths.is_empty() {
        let workspace = Workspace::of(current)?;
        let packages = workspace.services(&canonical(current)?, Choice::Current);
        if packages.is_empty() {
            return Err(nothing(current));
        }
        return Ok(vec![Selection { root: workspace.root, packages }]);
    }
    let mut selections: Vec<Selection> = Vec::new();
    for path in paths {
        let folder = canonical(&current.join(path))?;
        let folder = if folder.is_file() { folder.parent().unwrap_or(&folder).to_owned() } else { folder };
        let workspace = Workspace::of(&folder)?;
        let packages = workspace.services(&folder, Choice::Named);
        if packages.is_empty() {
            return Err(nothing(path));
        }
        match selections.iter_mut().find(|selection| selection.root == workspace.root) {
            None => selections.push(Selection { root: workspace.root, packages }),
            Some(selection) => {
                for package in packages {
                    if !selection.packages.contains(&package) {
                        selection.packages.push(package);
                    }
                }
            }
        }
    }
    Ok(selections)
}

/// The services among `packages` that are below `folder`. The root of a workspace also contains what
/// nobody means by "the app": if nobody named it, `services/` alone counts there, or all but `examples/`.
fn choose(packages: &[Package], root: &Path, folder: &Path, choice: Choice) -> Vec<Package> {
    let services = root.join("services");
    let wanted = |package: &Package| {
        if choice == Choice::Named || folder != root {
            return true;
        }
        if packages.iter().any(|package| package.folder.starts_with(&services)) {
            return package.folder.starts_with(&services);
        }
        !package.folder.starts_with(root.join("examples"))
    };
    packages
        .iter()
        .filter(|package| package.is_service() && package.folder.starts_with(folder) && wanted(package))
        .cloned()
        .collect()
}

fn with_binary(package: &Package) -> Result<&Package, Failure> {
    if package.has_binary {
        return Ok(package);
    }
    Err(Failure::new(Exit::Usage, format!("package {} has no binary, so it has no manifest", package.name)))
}

fn nothing(path: &Path) -> Failure {
    let message = format!("no services in {}", path.display());
    Failure::new(Exit::NotFound, message)
        .hint("a service is a package that depends on eg-runtime and has a main.rs; name its folder as PATH")
}

/// The absolute path of something that exists.
pub(crate) fn canonical(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize()
        .map_err(|error| Failure::new(Exit::NotFound, format!("cannot find {}: {error}", path.display())))
}

fn package(package: &cargo_metadata::Package) -> Package {
    let manifest = package.manifest_path.as_std_path();
    Package {
        name: package.name.to_string(),
        folder: manifest.parent().unwrap_or(manifest).to_owned(),
        has_binary: package.targets.iter().any(|target| target.kind.contains(&TargetKind::Bin)),
        has_runtime: package
            .dependencies
            .iter()
            .any(|dependency| dependency.name == RUNTIME && dependency.kind == DependencyKind::Normal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str, has_binary: bool, has_runtime: bool) -> Package {
        let folder = PathBuf::from(folder);
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        Package { name, folder, has_binary, has_runtime }
    }

    #[track_caller]
    fn check(packages: &[Package], folder: &str, choice: Choice, expected: &[&str]) {
        let chosen = choose(packages, Path::new("/app"), Path::new(folder), choice);
        let names: Vec<&str> = chosen.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, expected, "{folder} {choice:?}");
    }

    #[test]
    fn a_workspace_with_services_runs_those() {
        let packages = [
            package("/app/services/users", true, true),
            package("/app/services/events", false, true),
            package("/app/services/tool", true, false),
            package("/app/examples/hello", true, true),
            package("/app/admin", true, true),
        ];
        check(&packages, "/app", Choice::Current, &["users"]);
        check(&packages, "/app/services", Choice::Current, &["users"]);
        check(&packages, "/app/examples/hello", Choice::Current, &["hello"]);
        check(&packages, "/app/examples/hello/src", Choice::Current, &[]);
        check(&packages, "/app", Choice::Named, &["users", "hello", "admin"]);
        check(&packages, "/app/examples", Choice::Named, &["hello"]);
    }

    #[test]
    fn a_workspace_without_services_runs_all_but_examples() {
        let packages = [package("/app/examples/hello", true, true), package("/app/users", true, true)];
        check(&packages, "/app", Choice::Current, &["users"]);
        let single = [package("/app", true, true)];
        check(&single, "/app", Choice::Current, &["app"]);
    }
}
