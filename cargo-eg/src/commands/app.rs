//! Finds and builds the services that a command works on, and reads their manifests. How each is done is left to
//! `project`.

use std::path::PathBuf;

use super::current_folder;
use crate::exit::Failure;
use crate::project::services::Service;
use crate::project::{Project, Wanted};
use crate::state::running::Running;

/// Services and the root folders of their sources.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) roots: Vec<PathBuf>,
    pub(super) services: Vec<Service>,
}

impl Loaded {
    /// Builds the services that are wanted, seen from the current directory.
    pub(super) async fn build(wanted: &Wanted) -> Result<Self, Failure> {
        Self::of(&Project::find(&current_folder()?, wanted)?).await
    }

    /// Builds the services of the application that runs here. If `fits` returns false for them, builds those of the
    /// current directory.
    pub(super) async fn running(fits: impl Fn(&[Service]) -> bool) -> Result<Self, Failure> {
        if let Some(Running { named, .. }) = Running::here() {
            let running = Self::of(&Project::find(&named.folder, &named.wanted)?).await?;
            if fits(&running.services) {
                return Ok(running);
            }
        }
        Self::build(&Wanted::default()).await
    }

    pub(super) async fn of(project: &Project) -> Result<Self, Failure> {
        Ok(Self { roots: project.roots(), services: project.load().await? })
    }
}
