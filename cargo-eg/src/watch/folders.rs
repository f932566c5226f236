//! Decides which files are sources, and lists them. Watching them is left to the parent module.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Folders of tools, whose files nobody edits. Hidden folders are always left out.
const TOOLS: [&str; 4] = ["target", "node_modules", "__pycache__", "venv"];

/// Suffixes of files that programs write while they run, and that editors write while the user types.
const WRITTEN: [&str; 10] =
    ["~", ".db", ".db-wal", ".db-shm", ".db-journal", ".sqlite", ".log", ".tmp", ".pyc", ".swp"];

/// The maximum number of files that a fingerprint covers.
const MOST_FILES: usize = 20_000;

/// The files and folders to watch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// Folders with everything below them.
    pub(crate) trees: BTreeSet<PathBuf>,
    /// Single files.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Folders that never contain sources: the state directory and cargo's target directory.
    pub(crate) ignored: BTreeSet<PathBuf>,
}

impl Sources {
    /// Adds the files and folders of `other`.
    pub(crate) fn add(&mut self, other: Self) {
        self.trees.extend(other.trees);
        self.files.extend(other.files);
        self.ignored.extend(other.ignored);
    }

    /// Whether `path` is a source.
    pub(super) fn matter(&self, path: &Path) -> bool {
        if self.files.contains(path) {
            return true;
        }
        if self.ignored.iter().any(|ignored| path.starts_with(ignored)) {
            return false;
        }
        let below = |tree: &PathBuf| {
            path.strip_prefix(tree).is_ok_and(|rest| {
                rest.components().all(|part| is_source(&part.as_os_str().to_string_lossy()))
            })
        };
        self.trees.iter().any(below) && !is_output(path)
    }

    /// Returns every folder to watch: all folders of trees, and the parent folder of each single file, because
    /// editors replace files instead of writing to them.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        let mut folders: BTreeSet<PathBuf> =
            self.files.iter().filter_map(|file| file.parent().map(Path::to_owned)).collect();
        for tree in &self.trees {
            self.walk(tree, &mut |folder, is_folder| {
                if is_folder {
                    folders.insert(folder.to_owned());
                }
            });
        }
        folders
    }

    /// Returns the trees and files themselves.
    pub(super) fn roots(&self) -> impl Iterator<Item = PathBuf> {
        self.trees.iter().chain(&self.files).cloned()
    }

    /// Visits `folder` and everything below it that can be a source.
    fn walk(&self, folder: &Path, visit: &mut impl FnMut(&Path, bool)) {
        if self.ignored.contains(folder) {
            return;
        }
        // The folder may be gone by now.
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        visit(folder, true);
        for entry in entries.filter_map(Result::ok) {
            if !is_source(&entry.file_name().to_string_lossy()) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.walk(&entry.path(), visit),
                Ok(kind) if kind.is_file() && !is_output(&entry.path()) => visit(&entry.path(), false),
                _ => {}
            }
        }
    }
}

fn is_source(name: &str) -> bool {
    !name.starts_with('.') && !TOOLS.contains(&name) && !WRITTEN.iter().any(|end| name.ends_with(end))
}

/// Whether this process writes its output to the file: `cargo eg run 2> log.txt` must not react to its own output.
fn is_output(file: &Path) -> bool {
    static OUTPUTS: OnceLock<Vec<(u64, u64)>> = OnceLock::new();
    let identity = |data: &Metadata| (data.dev(), data.ino());
    let outputs = OUTPUTS.get_or_init(|| {
        let descriptors =
            [io::stdout().as_fd().try_clone_to_owned(), io::stderr().as_fd().try_clone_to_owned()];
        let files = descriptors.into_iter().filter_map(Result::ok).map(File::from);
        files
            .filter_map(|file| file.metadata().ok())
            .filter(Metadata::is_file)
            .map(|data| identity(&data))
            .collect()
    });
    !outputs.is_empty() && file.metadata().is_ok_and(|data| outputs.contains(&identity(&data)))
}

/// Returns every source file named `name` in `folder` or below.
pub(crate) fn find(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    Sources::default().walk(folder, &mut |path, is_folder| {
        if !is_folder && path.file_name().is_some_and(|file| file == name) {
            found.push(path.to_owned());
        }
    });
    found.sort();
    found
}

/// Returns a number that changes when a source file below `folder` changes.
pub(crate) fn fingerprint(folder: &Path) -> u64 {
    let mut files = BTreeSet::new();
    Sources::default().walk(folder, &mut |path, is_folder| {
        if !is_folder && files.len() < MOST_FILES {
            files.insert(path.to_owned());
        }
    });
    let mut hash = DefaultHasher::new();
    for file in files {
        of_file(&file).hash(&mut hash);
    }
    hash.finish()
}

/// Returns a number that changes when a file is written or replaced.
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
    use super::*;

    #[test]
    fn what_people_edit_matters() {
        let sources = Sources {
            trees: ["/app/users".into()].into(),
            files: ["/app/Cargo.toml".into(), "/app/.cargo/config.toml".into()].into(),
            ignored: ["/app/users/state".into()].into(),
        };
        let check = |path: &str, expected: bool| {
            assert_eq!(sources.matter(Path::new(path)), expected, "{path}");
        };
        check("/app/users/src/main.rs", true);
        check("/app/users/src/new/mod.rs", true);
        check("/app/users/pages/index.html", true);
        check("/app/Cargo.toml", true);
        check("/app/.cargo/config.toml", true);
        check("/app/users/Cargo.toml", true);
        check("/app/README.md", false);
        check("/app/other/src/main.rs", false);
        check("/app/users/target/debug/users", false);
        check("/app/users/.git/index", false);
        check("/app/users/src/.main.rs.swp", false);
        check("/app/users/src/main.rs~", false);
        check("/app/users/users.db-wal", false);
        check("/app/users/state/gateway/store.bin", false);
    }

    #[test]
    fn folders_of_tools_are_not_visited() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["src/deep", "target/debug", ".git/objects", "node_modules/x", "state"] {
            std::fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        let at = |path: &str| folder.path().join(path);
        let sources = Sources {
            trees: [folder.path().to_owned()].into(),
            files: [at("nowhere/file")].into(),
            ignored: [at("state")].into(),
        };
        let expected = [folder.path().to_owned(), at("nowhere"), at("src"), at("src/deep")];
        assert_eq!(sources.folders(), expected.into());
    }

    #[test]
    fn a_fingerprint_follows_content_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("app.py", "one");
        let first = fingerprint(folder.path());
        assert_eq!(fingerprint(folder.path()), first);
        write("app.pyc", "compiled");
        assert_eq!(fingerprint(folder.path()), first);
        write("app.py", "three");
        let second = fingerprint(folder.path());
        assert_ne!(second, first);
        write("more.py", "");
        assert_ne!(fingerprint(folder.path()), second);
    }
}
