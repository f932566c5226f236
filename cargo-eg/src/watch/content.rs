//! Detects changed files by their content: writing the same text again is not a change. `sources` decides which files
//! count.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Larger files are compared by size and time, in bytes.
const LARGE: u64 = 16 * 1024 * 1024;

/// Returns a number that changes with the content of a file. `None` if there is no such file.
pub(super) fn of_content(file: &Path) -> Option<u64> {
    let data = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    if data.len() > LARGE {
        return Some(of_file(file));
    }
    let mut hash = DefaultHasher::new();
    std::fs::read(file).ok()?.hash(&mut hash);
    Some(hash.finish())
}

/// Returns a number that changes with the names and contents of files.
pub(crate) fn fingerprint(files: &BTreeSet<PathBuf>) -> u64 {
    let mut hash = DefaultHasher::new();
    for file in files {
        (file, of_content(file)).hash(&mut hash);
    }
    hash.finish()
}

/// Returns a number that changes when a file is written or replaced, even with the same content: for binaries, which
/// are large and written by the linker only.
pub(crate) fn of_file(file: &Path) -> u64 {
    let mut hash = DefaultHasher::new();
    file.hash(&mut hash);
    if let Ok(data) = file.metadata() {
        (data.ino(), data.len(), data.mtime(), data.mtime_nsec()).hash(&mut hash);
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::super::sources::program_files;
    use super::*;

    #[test]
    fn a_fingerprint_follows_content_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let fingerprint = || fingerprint(&program_files(folder.path()));
        write("app.py", "one");
        let first = fingerprint();
        write("app.py", "one");
        assert_eq!(fingerprint(), first, "the same text");
        write("app.pyc", "compiled");
        write("out.json", "{}");
        assert_eq!(fingerprint(), first, "no part of the program");
        write("app.py", "two");
        let second = fingerprint();
        assert_ne!(second, first);
        write("more.py", "");
        assert_ne!(fingerprint(), second);
    }
}
