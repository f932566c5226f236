//! Notices when somebody deletes or replaces the files of the open store. The process could go on writing to them, but
//! what it writes would end with it. `writer` asks before each transaction.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::StoreError;

/// The files of an open store, and what identified them when it was opened.
#[derive(Debug)]
pub(super) struct Place(Vec<(PathBuf, Identity)>);

/// Device and inode.
type Identity = (u64, u64);

impl Place {
    /// Remembers the files. Those that do not exist are not watched.
    pub(super) fn new(files: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(files.into_iter().filter_map(|file| identity(&file).map(|identity| (file, identity))).collect())
    }

    /// Checks that the files are where they were.
    ///
    /// # Errors
    /// Names the first one that is not.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.0.iter().find(|(file, known)| identity(file) != Some(*known)) {
            Some((file, _)) => Err(StoreError::Gone(file.clone())),
            None => Ok(()),
        }
    }
}

fn identity(file: &Path) -> Option<Identity> {
    fs::metadata(file).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_deleted_or_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two, moved] = ["one", "two", "moved"].map(|name| dir.path().join(name));
        fs::write(&one, "").unwrap();
        fs::write(&two, "").unwrap();
        let place = Place::new([one.clone(), two.clone(), dir.path().join("absent")]);
        let gone = |file: &Path| format!("{:?}", Err::<(), _>(StoreError::Gone(file.to_owned())));
        let check = || format!("{:?}", place.check());
        assert_eq!(check(), "Ok(())");
        fs::write(&one, "longer").unwrap();
        assert_eq!(check(), "Ok(())");
        fs::rename(&two, &moved).unwrap();
        assert_eq!(check(), gone(&two));
        fs::write(&two, "").unwrap();
        assert_eq!(check(), gone(&two), "another file");
        fs::rename(&moved, &two).unwrap();
        assert_eq!(check(), "Ok(())");
        fs::remove_file(&one).unwrap();
        assert_eq!(check(), gone(&one));
    }
}
