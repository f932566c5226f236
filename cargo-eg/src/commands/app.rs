//! The services that a command is about: found, built, and their manifests read.

use std::path::PathBuf;

use super::current_folder;
use crate::builder::build;
use crate::exit::Failure;
use crate::services::{self, Service};
use crate::workspace::select;

/// Services, and the roots of the workspaces that they are in.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) roots: Vec<PathBuf>,
    pub(super) services: Vec<Service>,
}

impl Loaded {
    /// The services at `paths`, or, if there are none, those of the current directory.
    pub(super) async fn build(paths: &[PathBuf], release: bool) -> Result<Self, Failure> {
        let selections = select(&current_folder()?, paths)?;
        let (mut roots, mut packages, mut built) = (Vec::new(), Vec::new(), Vec::new());
        for selection in selections {
            built.extend(build(&selection.root, &selection.packages, release).await?);
            packages.extend(selection.packages);
            roots.push(selection.root);
        }
        Ok(Self { roots, services: services::load(&packages, built)? })
    }
}
