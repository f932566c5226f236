//! Decides which services a command works on, from the current directory and the arguments, as cargo does for
//! packages: packages of a workspace and `eg.toml` files. Building them is left to `builder`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};
use crate::watch::Sources;

use super::workspace::{Package, Workspace, manifest_around, nowhere};
use super::{Wanted, declared};

/// The packages of one workspace that a command works on.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) root: PathBuf,
    /// Cargo's target directory.
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
    /// Their source files, as far as they are known before a build.
    pub(crate) sources: Sources,
}

/// The services at one path.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) selection: Option<Selection>,
    /// The `eg.toml` files.
    pub(super) declared: Vec<PathBuf>,
    /// Where new `Cargo.toml` and `eg.toml` files would be found.
    pub(super) searched: PathBuf,
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
pub(super) fn selections(places: Vec<Place>) -> Vec<Selection> {
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

/// Returns the services that are wanted or, if the user named none, those of the current directory. Finding no service
/// is an error.
pub(super) fn places(current: &Path, wanted: &Wanted) -> Result<Vec<Place>, Failure> {
    let mut places = Vec::new();
    if !wanted.packages.is_empty() {
        places.push(packages(&canonical(current)?, &wanted.packages)?);
    }
    for path in &wanted.paths {
        let folder = canonical(&current.join(path))?;
        let folder = if folder.is_file() { folder.parent().unwrap_or(&folder).to_owned() } else { folder };
        places.push(place(&folder, path, Choice::Named)?);
    }
    if places.is_empty() {
        places.push(place(&canonical(current)?, current, Choice::Current)?);
    }
    Ok(places)
}

/// Returns the packages with these names in the workspace of `current`.
fn packages(current: &Path, names: &[String]) -> Result<Place, Failure> {
    let workspace = Workspace::of(current)?;
    let mut packages = Vec::new();
    for name in names {
        let package = workspace.named(name)?;
        if !package.is_service() {
            return Err(nothing(&format!("package `{name}` is not a service")));
        }
        packages.push(package.clone());
    }
    // New services do not count: the names say which ones do.
    let searched = packages.first().map_or_else(|| current.to_owned(), |package| package.folder.clone());
    Ok(Place { selection: Some(selected(&workspace, packages)), declared: Vec::new(), searched })
}

fn place(folder: &Path, shown: &Path, choice: Choice) -> Result<Place, Failure> {
    if manifest_around(folder).is_none() {
        return declared_place(folder, shown, choice);
    }
    let workspace = Workspace::of(folder)?;
    let Found { packages, declared, searched } = workspace.services(folder, choice);
    if packages.is_empty() && declared.is_empty() {
        let member = workspace.member(folder).filter(|_| folder != workspace.root);
        return Err(nothing(&match member {
            Some(member) => format!("package `{}` is not a service", member.name),
            None => format!("no services in {}", shown.display()),
        }));
    }
    let selection = (!packages.is_empty()).then(|| selected(&workspace, packages));
    Ok(Place { selection, declared, searched })
}

/// Returns the place of `eg.toml` files outside any cargo workspace, which need no cargo.
fn declared_place(folder: &Path, shown: &Path, choice: Choice) -> Result<Place, Failure> {
    if choice == Choice::Named {
        let declared = declared::find(folder);
        if !declared.is_empty() {
            return Ok(Place { selection: None, declared, searched: folder.to_owned() });
        }
    }
    let Some(around) =
        folder.ancestors().find(|folder| declared::declares_service(&folder.join(declared::FILE)))
    else {
        return Err(match choice {
            Choice::Named => nothing(&format!("no services in {}", shown.display())),
            Choice::Current => nowhere(folder),
        });
    };
    let declared = of_root(around, &around.join("services"));
    Ok(Place { selection: None, declared, searched: around.to_owned() })
}

/// The services that a folder of a workspace selects.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    packages: Vec<Package>,
    declared: Vec<PathBuf>,
    searched: PathBuf,
}

impl Workspace {
    /// Returns the services that `folder` selects: those in it and below or, inside a service, that one. The root, like any
    /// folder outside a package, selects those in `services/` or, without such a folder, all packages except `examples/`.
    fn services(&self, folder: &Path, choice: Choice) -> Found {
        if choice == Choice::Named || folder != self.root {
            let packages = below(&self.packages, folder);
            let declared = declared::find(folder);
            if !packages.is_empty() || !declared.is_empty() {
                return Found { packages, declared, searched: folder.to_owned() };
            }
            if let Some(found) = self.inside(folder) {
                return found;
            }
        }
        let services = self.root.join("services");
        // A named folder without services, or a package that is none, does not select the others.
        let is_other_package = self.member(folder).is_some_and(|member| member.folder != self.root);
        if choice == Choice::Named || is_other_package {
            return Found { packages: Vec::new(), declared: Vec::new(), searched: folder.to_owned() };
        }
        let declared = of_root(&self.root, &services);
        let in_services = below(&self.packages, &services);
        let searched = if services.is_dir() { services } else { self.root.clone() };
        if !in_services.is_empty() {
            return Found { packages: in_services, declared, searched };
        }
        let examples = self.root.join("examples");
        let mut packages = below(&self.packages, &self.root);
        packages.retain(|package| !package.folder.starts_with(&examples));
        Found { packages, declared, searched }
    }

    /// Returns the service whose folder contains `folder`: the innermost package or `eg.toml`.
    fn inside(&self, folder: &Path) -> Option<Found> {
        let member = self.member(folder);
        let within = folder.ancestors().take_while(|folder| folder.starts_with(&self.root));
        let declared = within.map(|folder| folder.join(declared::FILE));
        let declared = declared.into_iter().find(|file| declared::declares_service(file));
        match (member, declared) {
            (Some(member), Some(file)) if !file.starts_with(&member.folder) => self.one(member),
            (_, Some(file)) => {
                let searched = file.parent().unwrap_or(&file).to_owned();
                Some(Found { packages: Vec::new(), declared: vec![file], searched })
            }
            (Some(member), None) => self.one(member),
            (None, None) => None,
        }
    }

    fn one(&self, member: &Package) -> Option<Found> {
        // A folder such as `docs` does not select the root package of a workspace.
        let is_one = member.is_service() && (member.folder != self.root || self.packages.len() == 1);
        is_one.then(|| Found {
            packages: vec![member.clone()],
            declared: Vec::new(),
            searched: member.folder.clone(),
        })
    }

    /// Returns the services beside those in `folder`: in the nearest folder above that contains others, but not beyond
    /// `services/`. An example has none.
    fn beside(&self, folder: &Path) -> Option<PathBuf> {
        let services = self.root.join("services");
        let top = if folder.starts_with(&services) { &services } else { &self.root };
        if folder.starts_with(self.root.join("examples")) {
            return None;
        }
        let count = |folder: &Path| below(&self.packages, folder).len() + declared::find(folder).len();
        let own = count(folder);
        let above = folder.ancestors().skip(1).take_while(|above| above.starts_with(top));
        above.into_iter().find(|above| count(above) > own).map(Path::to_owned)
    }
}

/// Returns the folder that contains the services beside those of the current directory, if there are others.
pub(super) fn beside(current: &Path) -> Option<PathBuf> {
    let folder = canonical(current).ok()?;
    manifest_around(&folder)?;
    let workspace = Workspace::of(&folder).ok()?;
    let Found { searched, .. } = workspace.services(&folder, Choice::Current);
    workspace.beside(&searched)
}

/// Returns the services in `folder` and below.
fn below(packages: &[Package], folder: &Path) -> Vec<Package> {
    let is_below = |package: &&Package| package.is_service() && package.folder.starts_with(folder);
    packages.iter().filter(is_below).cloned().collect()
}

/// Returns the `eg.toml` files that the root of a project selects: its own, and those in `services`.
fn of_root(root: &Path, services: &Path) -> Vec<PathBuf> {
    let own = Some(root.join(declared::FILE)).filter(|file| declared::declares_service(file));
    let all: BTreeSet<PathBuf> = own.into_iter().chain(declared::find(services)).collect();
    all.into_iter().collect()
}

fn selected(workspace: &Workspace, packages: Vec<Package>) -> Selection {
    let sources = workspace.sources(&packages);
    Selection { root: workspace.root.clone(), target: workspace.target.clone(), packages, sources }
}

fn nothing(message: &str) -> Failure {
    Failure::new(Exit::NotFound, message.to_owned())
        .hint("a service is a package that depends on eg-runtime and has a main.rs, or an eg.toml; name its folder as PATH")
}

/// Returns the absolute path of an existing file or folder.
pub(crate) fn canonical(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize()
        .map_err(|error| Failure::new(Exit::NotFound, format!("cannot find {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::super::workspace::tests::package;
    use super::*;

    fn workspace(packages: &[Package]) -> Workspace {
        Workspace { root: "/app".into(), target: "/app/target".into(), packages: packages.to_vec() }
    }

    #[track_caller]
    fn check(packages: &[Package], folder: &str, choice: Choice, expected: &[&str]) {
        let found = workspace(packages).services(Path::new(folder), choice);
        let names: Vec<&str> = found.packages.iter().map(|package| package.name.as_str()).collect();
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
        check(&packages, "/app", Choice::Named, &["users", "hello", "admin"]);
        check(&packages, "/app/examples", Choice::Named, &["hello"]);
    }

    #[test]
    fn a_folder_inside_a_service_selects_it() {
        let packages = [
            package("/app/services/users", true, true),
            package("/app/services/mail", true, true),
            package("/app/events", false, false),
        ];
        for choice in [Choice::Current, Choice::Named] {
            check(&packages, "/app/services/users/src", choice, &["users"]);
            check(&packages, "/app/services/users/src/deep", choice, &["users"]);
            check(&packages, "/app/events/src", choice, &[]);
        }
        check(&packages, "/app/docs", Choice::Current, &["users", "mail"]);
        check(&packages, "/app/docs", Choice::Named, &[]);
    }

    #[test]
    fn a_workspace_without_services_runs_all_but_examples() {
        let packages = [package("/app/examples/hello", true, true), package("/app/users", true, true)];
        check(&packages, "/app", Choice::Current, &["users"]);
        let single = [package("/app", true, true)];
        check(&single, "/app", Choice::Current, &["app"]);
        check(&single, "/app/src", Choice::Current, &["app"]);
    }

    #[test]
    fn the_services_beside_one_are_in_the_nearest_folder_with_others() {
        let packages = [
            package("/app/services/shop/order", true, true),
            package("/app/services/shop/payment", true, true),
            package("/app/services/crm", true, true),
            package("/app/admin", true, true),
            package("/app/examples/hello", true, true),
        ];
        let check = |folder: &str, expected: Option<&str>| {
            let found = workspace(&packages).beside(Path::new(folder));
            assert_eq!(found, expected.map(PathBuf::from), "{folder}");
        };
        check("/app/services/shop/order", Some("/app/services/shop"));
        check("/app/services/shop", Some("/app/services"));
        check("/app/services/crm", Some("/app/services"));
        check("/app/services", None);
        check("/app/admin", Some("/app"));
        check("/app/examples/hello", None);
    }
}
