//! Finds, builds and checks the services of a folder: crates that cargo builds and functions that an `eg.toml`
//! declares. Starting them is left to `run`.

pub(crate) mod builder;
pub(crate) mod cargo;
pub(crate) mod declared;
pub(crate) mod sample;
pub(crate) mod services;
pub(crate) mod workspace;

use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};
use crate::watch::Sources;

use builder::{Built, build};
use services::Service;
use workspace::{Selection, places, selections};

/// The services at the paths that the user named, before they are built.
#[derive(Debug)]
pub(crate) struct Project {
    selections: Vec<Selection>,
    /// The `eg.toml` files.
    declared: Vec<PathBuf>,
    searched: Vec<PathBuf>,
}

impl Project {
    /// Finds the services at `paths` or in the current directory.
    pub(crate) fn find(current: &Path, paths: &[PathBuf]) -> Result<Self, Failure> {
        let places = places(current, paths)?;
        let mut declared: Vec<PathBuf> = places.iter().flat_map(|place| place.declared.clone()).collect();
        declared.sort();
        declared.dedup();
        let searched = places.iter().map(|place| place.searched.clone()).collect();
        Ok(Self { selections: selections(places), declared, searched })
    }

    /// Returns the folder for the state directory: the workspace of the current directory, where `logs` looks too, or
    /// else the first workspace that was named.
    pub(crate) fn home(&self, current: &Path) -> PathBuf {
        let roots = || self.selections.iter().map(|selection| &selection.root);
        let around = roots().find(|root| current.starts_with(root)).or_else(|| roots().next());
        let declared = || self.searched.first();
        around.or_else(declared).cloned().unwrap_or_else(|| current.to_owned())
    }

    /// Returns the source files of the services.
    pub(crate) fn sources(&self) -> Sources {
        let mut sources = Sources::default();
        for selection in &self.selections {
            sources.add(selection.sources.clone());
        }
        sources.trees.extend(self.searched.iter().cloned());
        sources.trees.extend(self.declared.iter().filter_map(|file| file.parent()).map(Path::to_owned));
        sources
    }

    /// Returns the folders that the source paths in manifests are relative to.
    pub(crate) fn roots(&self) -> Vec<PathBuf> {
        let roots = self.selections.iter().map(|selection| &selection.root);
        let declared = self.declared.iter().filter_map(|file| file.parent()).map(Path::to_path_buf);
        roots.cloned().chain(declared).collect()
    }

    /// Builds the services, reads their manifests and checks that the services can run together.
    pub(crate) async fn services(&self, release: bool) -> Result<Vec<Service>, Failure> {
        let services = self.load(release).await?;
        services::check(&services)?;
        Ok(services)
    }

    /// Like [`services`](Self::services), but does not check whether they can run together.
    pub(crate) async fn load(&self, release: bool) -> Result<Vec<Service>, Failure> {
        // Reads the declarations first, so that mistakes in them are reported before the build.
        let declared =
            self.declared.iter().map(|file| declared::read(file)).collect::<Result<Vec<_>, _>>()?;
        let (mut packages, mut built) = (Vec::new(), Vec::new());
        for selection in &self.selections {
            built.extend(build(&selection.root, &selection.packages, release).await?);
            packages.extend(selection.packages.iter().cloned());
        }
        check_binaries(&built)?;
        let mut services = services::load(&packages, built)?;
        services.extend(declared.into_iter().map(Service::from));
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
