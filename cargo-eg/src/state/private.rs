//! Creates files and folders that only their owner can read, and finds symbolic links. Which files there are is left to
//! the callers.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Creates a folder and its parents, unless they exist.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Lets only the owner into a folder.
pub(super) fn close(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))
}

/// Writes a file as a whole: readers see either its old content or the new one.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.persist(path)?;
    Ok(())
}

/// Returns `path` if it is a symbolic link.
pub(super) fn link_at(path: &Path) -> io::Result<Option<PathBuf>> {
    Ok(fs::symlink_metadata(path)?.is_symlink().then(|| path.to_owned()))
}

/// Returns a symbolic link in a folder or in one of the folders in it, if there is one.
pub(super) fn link_in(folder: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            return Ok(Some(entry.path()));
        }
        if !kind.is_dir() {
            continue;
        }
        for entry in fs::read_dir(entry.path())? {
            let entry = entry?;
            if entry.file_type()?.is_symlink() {
                return Ok(Some(entry.path()));
            }
        }
    }
    Ok(None)
}
