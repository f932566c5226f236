//! Decides which packages of a workspace are services; cargo reports what the workspace contains. Building them is
//! left to `builder`.

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
    target: PathBuf,
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
    /// The folders of its path dependencies.
    depends_on: Vec<PathBuf>,
}

/// The packages of one workspace that a command works on.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) root: PathBuf,
    pub(crate) packages: Vec<Package>,
    /// Their source files.
    pub(crate) sources: Sources,
}

/// The services at one path.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) selection: Option<Selection>,
    /// The `eg.toml` files.
    pub(crate) declared: Vec<PathBuf>,
    /// Where new `eg.toml` files would be found.
    pub(crate) searched: PathBuf,
}

impl Package {
    fn is_service(&self) -> bool {
        self.has_binary && self.has_runtime
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
            let message = format!("{} is in no workspace that cargo can read: {reason}", folder.display());
            Failure::new(Exit::Usage, message).hint("run it in the folder of your workspace, or name a PATH")
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

    /// Returns the member whose folder contains `folder`.
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

    /// Returns the services below `folder`, an existing path.
    fn services(&self, folder: &Path, choice: Choice) -> Vec<Package> {
        choose(&self.packages, &self.root, folder, choice)
    }
}

/// Why a folder is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// The user named it.
    Named,
    /// It is the current directory.
    Current,
}

/// Groups the packages of all places by workspace.
pub(crate) fn selections(places: Vec<Place>) -> Vec<Selection> {
    let mut selections: Vec<Selection> = Vec::new();
    for new in places.into_iter().filter_map(|place| place.selection) {
        match selections.iter_mut().find(|selection| selection.root == new.root) {
            None => selections.push(new),
            Some(selection) => {
                for package in new.packages {
                    if !selection.packages.contains(&package) {
                        selection.packages.push(package);
                    }
                }
                selection.sources.add(new.sources);
            }
        }
    }
    selections
}

/// Returns the services at each of `paths` or, if there are none, in the current directory. Finding no service is an
/// error.
pub(crate) fn places(current: &Path, paths: &[PathBuf]) -> Result<Vec<Place>, Failure> {
    if paths.is_empty() {
        return Ok(vec![place(&canonical(current)?, current, Choice::Current)?]);
    }
    let place = |path: &PathBuf| {
        let folder = canonical(&current.join(path))?;
        let folder = if folder.is_file() { folder.parent().unwrap_or(&folder).to_owned() } else { folder };
        place(&folder, path, Choice::Named)
    };
    paths.iter().map(place).collect()
}

fn place(folder: &Path, shown: &Path, choice: Choice) -> Result<Place, Failure> {
    // A folder that contains only an `eg.toml` needs no cargo.
    let has_workspace = folder.ancestors().any(|folder| folder.join("Cargo.toml").is_file());
    let here = folder.join(declared::FILE);
    let workspace = if has_workspace || !here.is_file() {
        match Workspace::of(folder) {
            Ok(workspace) => Some(workspace),
            Err(failure) if has_workspace || find(folder, declared::FILE).is_empty() => return Err(failure),
            Err(_) => None,
        }
    } else {
        None
    };
    let searched = match &workspace {
        Some(workspace) => workspace.searched(folder, choice),
        None => folder.to_owned(),
    };
    let mut declared = find(&searched, declared::FILE);
    if here.is_file() && !declared.contains(&here) {
        declared.push(here);
    }
    let packages = workspace.as_ref().map(|workspace| workspace.services(folder, choice)).unwrap_or_default();
    if packages.is_empty() && declared.is_empty() {
        return Err(nothing(shown));
    }
    let selection = workspace.filter(|_| !packages.is_empty()).map(|workspace| {
        let sources = workspace.sources(&packages);
        Selection { root: workspace.root, packages, sources }
    });
    Ok(Place { selection, declared, searched })
}

impl Workspace {
    /// Returns the folder that is searched for services, where new ones may appear.
    fn searched(&self, folder: &Path, choice: Choice) -> PathBuf {
        let services = self.root.join("services");
        if choice == Choice::Current && folder == self.root && services.is_dir() {
            return services;
        }
        folder.to_owned()
    }

    /// Returns the sources of `packages`: their folders, those of their path dependencies, and cargo's configuration.
    fn sources(&self, packages: &[Package]) -> Sources {
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
        Sources {
            trees,
            files: SETTINGS.map(|name| self.root.join(name)).into(),
            ignored: [self.target.clone()].into(),
        }
    }
}

/// Returns the services among `packages` that are below `folder`. In the root of a workspace that the user did not
/// name explicitly, only `services/` counts or, without such a folder, everything except `examples/`.
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
        .hint("a service is a package that depends on eg-runtime and has a main.rs, or an eg.toml; name its folder as PATH")
}

/// Returns the absolute path of an existing file or folder.
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
mod tests {
    use super::*;

    fn package(folder: &str, has_binary: bool, has_runtime: bool) -> Package {
        let folder = PathBuf::from(folder);
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        Package { name, folder, has_binary, has_runtime, depends_on: Vec::new() }
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
    }

    #[test]
    fn a_workspace_without_services_runs_all_but_examples() {
        let packages = [package("/app/examples/hello", true, true), package("/app/users", true, true)];
        check(&packages, "/app", Choice::Current, &["users"]);
        let single = [package("/app", true, true)];
        check(&single, "/app", Choice::Current, &["app"]);
    }
}
