//! Writes the workflow with which GitHub Actions deploys an application. Its steps are in `templates/deploy.yml`.

use std::path::{Path, PathBuf};

use super::templates::File;
use super::{workspace_around, write};
use crate::exit::{Exit, Failure};

/// Where GitHub looks for workflows, in the repository.
const PLACE: &str = ".github/workflows/deploy.yml";

/// Returns the workflow, whose path is relative to the repository.
pub(super) fn file() -> File {
    let text = include_str!("../../../templates/deploy.yml").replace("VERSION", env!("CARGO_PKG_VERSION"));
    File::new(PLACE, text)
}

/// Adds the workflow to the repository that `current` is in, or else to its workspace.
///
/// # Errors
/// If there is one already, or neither repository nor workspace.
pub(super) fn add(current: &Path) -> Result<(), Failure> {
    let root = repository(current).or_else(|| workspace_around(&current.join("service")));
    let Some(root) = root else {
        let message = format!("found no git repository or workspace around {}", current.display());
        return Err(Failure::new(Exit::NotFound, message)
            .hint("run the command in the folder of the application, or name a service to create"));
    };
    let path = root.join(PLACE);
    if path.exists() {
        return Err(Failure::new(Exit::Usage, format!("{} already exists", path.display()))
            .hint("delete it first to write it again"));
    }
    write(&root, &[file()])?;
    let shown = path.strip_prefix(current).unwrap_or(&path);
    eprintln!("wrote {}; the comment at its top lists the setup in AWS and GitHub", shown.display());
    Ok(())
}

/// Returns the root of the repository of git that a folder is in.
fn repository(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|ancestor| ancestor.join(".git").exists()).map(Path::to_path_buf)
}
