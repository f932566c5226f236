//! Finds, builds and checks the services of a folder: crates that cargo builds and functions that an `eg.toml`
//! declares. Starting them is left to `run`.

pub(crate) mod builder;
pub(crate) mod cargo;
pub(crate) mod declared;
mod dep_info;
pub(crate) mod deploy;
mod mistake;
mod places;
pub(crate) mod records;
pub(crate) mod sample;
pub(crate) mod samples;
pub(crate) mod services;
pub(crate) mod toolchain;
mod values;
pub(crate) mod workspace;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};
use crate::watch::Sources;

pub(crate) use places::canonical;

use builder::{Built, build};
use declared::Declaration;
use deploy::Deploy;
use places::{Selection, places, selections};
use services::{Code, Service};
use toolchain::Toolchain;

/// The services that a command works on, as the user named them, and how to build them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    /// Packages or folders with packages.
    pub(crate) paths: Vec<PathBuf>,
    /// Names of packages in the workspace of the current directory.
    pub(crate) packages: Vec<String>,
    pub(crate) build: Build,
}

/// How services are built: options of cargo.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Build {
    /// The names of the binaries to build; all if empty.
    pub(crate) bins: Vec<String>,
    pub(crate) features: Vec<String>,
    pub(crate) all_features: bool,
    pub(crate) no_default_features: bool,
    pub(crate) release: bool,
    /// The tools that build for Lambda, with support for event buses. `None`: the build is for this machine.
    #[serde(skip)]
    pub(crate) lambda: Option<Toolchain>,
    /// The profile of a build for Lambda. `None`: the release profile.
    #[serde(skip)]
    pub(crate) profile: Option<String>,
    /// The stage whose features the build has. `None`: the build is for `cargo eg run` and needs none.
    #[serde(skip)]
    pub(crate) stage: Option<String>,
    /// Whether programs for Lambda read secrets when they start.
    #[serde(skip)]
    pub(crate) secrets: bool,
}

/// The services at the paths that the user named, before they are built.
#[derive(Debug)]
pub(crate) struct Project {
    selections: Vec<Selection>,
    /// The `eg.toml` files.
    declared: Vec<PathBuf>,
    searched: Vec<PathBuf>,
    build: Build,
}

impl Wanted {
    /// Whether the user named services, instead of working on those of the current directory.
    pub(crate) fn names_services(&self) -> bool {
        !self.paths.is_empty() || !self.packages.is_empty()
    }
}

impl Project {
    /// Finds the services that are wanted, seen from the folder `current`.
    pub(crate) fn find(current: &Path, wanted: &Wanted) -> Result<Self, Failure> {
        let places = places(current, wanted)?;
        let mut declared: Vec<PathBuf> = places.iter().flat_map(|place| place.declared.clone()).collect();
        declared.sort();
        declared.dedup();
        let searched = places.iter().map(|place| place.searched.clone()).collect();
        Ok(Self { selections: selections(places), declared, searched, build: wanted.build.clone() })
    }

    /// Finds the services in the nearest folder above `current` that has others than those of `current`. `None` if there
    /// are no others.
    pub(crate) fn beside(current: &Path, build: &Build) -> Result<Option<Self>, Failure> {
        let Some(folder) = places::beside(current) else { return Ok(None) };
        let build = Build { bins: Vec::new(), ..build.clone() };
        let wanted = Wanted { paths: vec![folder], build, ..Wanted::default() };
        Self::find(current, &wanted).map(Some)
    }

    /// Returns the folder for the state directory: the workspace of the current directory, or else the first workspace
    /// that was named.
    pub(crate) fn home(&self, current: &Path) -> PathBuf {
        let roots = || self.selections.iter().map(|selection| &selection.root);
        let around = roots().find(|root| current.starts_with(root)).or_else(|| roots().next());
        let declared = || self.searched.first();
        around.or_else(declared).cloned().unwrap_or_else(|| current.to_owned())
    }

    /// Returns the source files of the services. Cargo knows which files the last build of `services` has read. While the
    /// sources do not build (`is_built` is false), further files may count: everything in the packages' folders.
    pub(crate) fn sources(&self, services: &[Service], is_built: bool) -> Sources {
        let mut sources = Sources::default();
        for selection in &self.selections {
            let mut all_known = is_built;
            for package in &selection.packages {
                let binaries = services.iter().filter(|service| service.folder == package.folder);
                let binaries = binaries.filter_map(|service| match &service.code {
                    Code::Binary(binary) => Some(binary),
                    Code::Programs(_) => None,
                });
                let known: Vec<_> =
                    binaries.filter_map(|binary| dep_info::read(binary, &selection.root)).collect();
                all_known &= !known.is_empty();
                sources.read.extend(known.into_iter().flatten());
            }
            let mut before = selection.sources.clone();
            if all_known {
                before.trees.clear();
            }
            sources.add(before);
        }
        sources.searched.extend(self.searched.iter().cloned());
        for folder in self.selections.iter().flat_map(|selection| &selection.packages).map(|one| &one.folder)
        {
            let root = self.root_of(folder);
            let around = folder.ancestors().take_while(|folder| folder.starts_with(root));
            sources.files.extend(
                around.flat_map(|folder| [declared::FILE, deploy::SECRETS].map(|name| folder.join(name))),
            );
        }
        for file in &self.declared {
            sources.files.insert(file.clone());
            // A mistake in the file is reported by the build.
            if let Ok(declaration) = declared::read(file) {
                let named =
                    declaration.programs.values().flat_map(|one| one.named_files(&declaration.folder));
                sources.files.extend(named);
                sources.programs.insert(declaration.folder);
            }
        }
        sources
    }

    /// Returns the folder for what is built for Lambda: `eg` in cargo's target directory.
    pub(crate) fn artifacts(&self, current: &Path) -> PathBuf {
        let home = self.home(current);
        let own = self.selections.iter().find(|selection| selection.root == home);
        own.map_or_else(|| home.join("target"), |selection| selection.target.clone()).join("eg")
    }

    /// Returns the folders that the source paths in manifests are relative to.
    pub(crate) fn roots(&self) -> Vec<PathBuf> {
        let roots = self.selections.iter().map(|selection| &selection.root);
        let declared = self.declared.iter().filter_map(|file| file.parent()).map(Path::to_path_buf);
        roots.cloned().chain(declared).collect()
    }

    /// Returns the deployment of the application that consists of `services`. Without `[deploy]`, it has the name of the folder
    /// that [`home`](Self::home) returns.
    ///
    /// # Errors
    /// Fails if the services belong to several applications.
    pub(crate) fn deployment(&self, services: &[Service], current: &Path) -> Result<Deploy, Failure> {
        let file = |service: &Service| service.deploy.as_ref().and_then(|deploy| deploy.file.clone());
        let Some(first) = services.iter().find_map(|service| service.deploy.as_ref()) else {
            return Deploy::unsaid(&self.home(current));
        };
        let Some(other) = services.iter().find(|service| file(service) != first.file) else {
            return Ok(first.clone());
        };
        let here = first.file.as_deref().unwrap_or(&first.folder).display();
        let message = match file(other) {
            Some(file) => format!("{here} and {} describe two applications", file.display()),
            None => {
                let (name, folder) = (&other.manifest.service, other.folder.display());
                format!("service `{name}` in {folder} does not belong to the application of {here}")
            }
        };
        Err(Failure::new(Exit::Usage, message).hint("name the folder of one application as PATH"))
    }

    /// Whether all services of an application are among these: the folder of its `eg.toml` was searched.
    pub(crate) fn has_all_of(&self, deploy: &Deploy) -> bool {
        let folder = &deploy.folder;
        // From the root of a workspace, the services are those in `services`.
        self.searched
            .iter()
            .any(|searched| folder.starts_with(searched) || *searched == folder.join("services"))
    }

    /// Returns the deployment of the application here, without building its services.
    #[cfg(feature = "aws")]
    pub(crate) fn deployment_here(&self, current: &Path) -> Result<Deploy, Failure> {
        for folder in self.selections.iter().flat_map(|selection| &selection.packages).map(|one| &one.folder)
        {
            if let Some(deploy) = declared::deployment(folder, self.root_of(folder))? {
                return Ok(deploy);
            }
        }
        Deploy::unsaid(&self.home(current))
    }

    /// Returns how packages are built. A build for a stage has the features that their deployments name.
    fn build_with<'a>(&self, deployed: impl Iterator<Item = &'a Deploy>) -> Result<Build, Failure> {
        let mut build = self.build.clone();
        let Some(stage) = &self.build.stage else { return Ok(build) };
        for deploy in deployed {
            let stage = deploy.stage(Some(stage))?;
            build.secrets |= stage.has_secrets();
            for feature in &stage.features {
                if !build.features.contains(feature) {
                    build.features.push(feature.clone());
                }
            }
        }
        Ok(build)
    }

    /// Returns the folder up to which the files that apply to a service are looked for.
    fn root_of<'a>(&'a self, folder: &'a Path) -> &'a Path {
        let roots = self.selections.iter().map(|selection| &selection.root).chain(&self.searched);
        roots.map(PathBuf::as_path).find(|root| folder.starts_with(root)).unwrap_or(folder)
    }

    /// Builds the services, reads their manifests and checks that the services can run together.
    pub(crate) async fn services(&self) -> Result<Vec<Service>, Failure> {
        let services = self.load().await?;
        services::check(&services)?;
        Ok(services)
    }

    /// Like [`services`](Self::services), but does not check whether they can run together.
    pub(crate) async fn load(&self) -> Result<Vec<Service>, Failure> {
        // Reads the declarations first, so that mistakes in them are reported before the build.
        let declared =
            self.declared.iter().map(|file| declared::read(file)).collect::<Result<Vec<_>, _>>()?;
        let packaged = self.selections.iter().flat_map(|selection| &selection.packages);
        let folders = packaged.map(|package| &package.folder).chain(declared.iter().map(|one| &one.folder));
        let deployment = |folder: &PathBuf| {
            declared::deployment(folder, self.root_of(folder)).map(|deploy| (folder.clone(), deploy))
        };
        let deployments = folders.map(deployment).collect::<Result<BTreeMap<_, _>, _>>()?;
        let (mut packages, mut built) = (Vec::new(), Vec::new());
        for selection in &self.selections {
            let deployed =
                selection.packages.iter().filter_map(|package| deployments.get(&package.folder)?.as_ref());
            built.extend(build(&selection.root, &selection.packages, &self.build_with(deployed)?).await?);
            packages.extend(selection.packages.iter().cloned());
        }
        check_binaries(&built)?;
        let mut services = services::load(&packages, built)?;
        services.extend(declared.into_iter().filter(Declaration::has_functions).map(Service::from));
        for service in services.iter_mut().filter(|service| service.deploy.is_none()) {
            service.deploy = deployments.get(&service.folder).cloned().flatten();
        }
        services.sort_by(|a, b| (&a.manifest.service, &a.folder).cmp(&(&b.manifest.service, &b.folder)));
        Ok(services)
    }
}

/// Checks that each package has a binary of its own: workspaces that share a target directory overwrite each other's
/// binaries.
fn check_binaries(built: &[Built]) -> Result<(), Failure> {
    for (index, one) in built.iter().enumerate() {
        let same = |other: &&Built| other.binary == one.binary && other.package.folder != one.package.folder;
        if let Some(earlier) = built[..index].iter().find(same) {
            let mut folders = [&earlier.package.folder, &one.package.folder];
            folders.sort();
            let [first, second] = folders.map(|folder| folder.display());
            let message = format!("{first} and {second} build the same file {}", one.binary.display());
            return Err(Failure::new(Exit::Build, message).hint(
                "give each workspace its own target directory: CARGO_TARGET_DIR is set, or `build.target-dir`",
            ));
        }
    }
    Ok(())
}
