//! The services that a command is about: found, built, and their manifests read.

use std::path::PathBuf;

use super::current_folder;
use crate::exit::Failure;
use crate::project::Project;
use crate::services::Service;

/// Services, and the folders that their sources are below.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) roots: Vec<PathBuf>,
    pub(super) services: Vec<Service>,
}

impl Loaded {
    /// The services at `paths`, or, if there are none, those of the current directory.
    pub(super) async fn build(paths: &[PathBuf], release: bool) -> Result<Self, Failure> {
        let project = Project::find(&current_folder()?, paths)?;
        Ok(Self { roots: project.roots(), services: project.load(release).await? })
    }
}
