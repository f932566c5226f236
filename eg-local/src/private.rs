//! Creates files and folders that only their owner can read: logs and messages may contain secrets. Leaves their contents
//! to the callers.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Creates a folder and its parents, unless they exist.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file to append to it. Creates it if it does not exist.
pub(crate) fn append_to(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    // Versions before this one created it with the mode of other files.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}
