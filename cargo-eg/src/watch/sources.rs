//! Decides which files are sources, and lists them. Watching them is left to the parent module.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
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

/// Suffixes of the files that make a program in another language: code, templates and settings. Data (`.json`, `.csv`,
/// `.txt`) is left out, because functions may write it.
const PROGRAMS: [&str; 33] = [
    ".py", ".js", ".mjs", ".cjs", ".ts", ".mts", ".jsx", ".tsx", ".rb", ".php", ".pl", ".lua", ".sh", ".go",
    ".java", ".jar", ".class", ".kt", ".cs", ".dll", ".so", ".wasm", ".html", ".css", ".j2", ".tmpl", ".hbs",
    ".sql", ".graphql", ".toml", ".yaml", ".yml", ".ini",
];

/// The names of files that make a folder a service.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "eg.toml"];

/// The maximum number of files that are listed.
const MOST_FILES: usize = 20_000;

/// The files and folders to watch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// Single files.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Files that a build has read, and folders whose files it has read. Those in `ignored` were generated.
    pub(crate) read: BTreeSet<PathBuf>,
    /// Folders in which every file may be a source.
    pub(crate) trees: BTreeSet<PathBuf>,
    /// Folders of programs in other languages.
    pub(crate) programs: BTreeSet<PathBuf>,
    /// Folders in which new services may appear.
    pub(crate) searched: BTreeSet<PathBuf>,
    /// Folders that never contain sources: the state directory and cargo's target directory.
    pub(crate) ignored: BTreeSet<PathBuf>,
}

impl Sources {
    /// Adds the files and folders of `other`.
    pub(crate) fn add(&mut self, other: Self) {
        let Self { files, read, trees, programs, searched, ignored } = other;
        self.files.extend(files);
        self.read.extend(read);
        self.trees.extend(trees);
        self.programs.extend(programs);
        self.searched.extend(searched);
        self.ignored.extend(ignored);
    }

    /// Replaces every path by the one that the operating system reports for it: without symbolic links in folders. A file
    /// that is itself a link counts together with its target.
    pub(super) fn resolved(self) -> Self {
        let folder = |path: PathBuf| path.canonicalize().unwrap_or(path);
        let file = |path: PathBuf| -> Vec<PathBuf> {
            let target = path.canonicalize().ok();
            let place = path.parent().and_then(|parent| parent.canonicalize().ok());
            let place =
                place.zip(path.file_name()).map_or_else(|| path.clone(), |(place, name)| place.join(name));
            [Some(place), target].into_iter().flatten().collect()
        };
        let ignored: BTreeSet<PathBuf> = self.ignored.into_iter().map(folder).collect();
        let mut files: BTreeSet<PathBuf> = self.files.into_iter().flat_map(file).collect();
        let mut trees: BTreeSet<PathBuf> = self.trees.into_iter().map(folder).collect();
        for path in self.read.into_iter().flat_map(file) {
            if ignored.iter().any(|ignored| path.starts_with(ignored)) {
                continue;
            }
            if path.is_dir() {
                trees.insert(path)
            } else {
                files.insert(path)
            };
        }
        Self {
            files,
            read: BTreeSet::new(),
            trees,
            programs: self.programs.into_iter().map(folder).collect(),
            searched: self.searched.into_iter().map(folder).collect(),
            ignored,
        }
    }

    /// Whether `path`, a file, is a source.
    pub(super) fn matter(&self, path: &Path) -> bool {
        if self.files.contains(path) {
            return true;
        }
        if self.ignored.iter().any(|ignored| path.starts_with(ignored)) || is_output(path) {
            return false;
        }
        let is_below = |folders: &BTreeSet<PathBuf>| {
            folders.iter().any(|folder| path.strip_prefix(folder).is_ok_and(is_source_path))
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        is_below(&self.trees)
            || (is_program(&name) && is_below(&self.programs))
            || (MANIFESTS.contains(&&*name) && is_below(&self.searched))
    }

    /// Returns every folder to watch: all folders of trees, and the parent folder of each single file, because
    /// editors replace files instead of writing to them.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        let parents = self.files.iter().filter_map(|file| file.parent().map(Path::to_owned));
        let mut folders: BTreeSet<PathBuf> = parents.collect();
        self.walk_all(&mut |folder, is_folder| {
            if is_folder {
                folders.insert(folder.to_owned());
            }
        });
        folders
    }

    /// Returns every source that exists.
    pub(super) fn list(&self) -> BTreeSet<PathBuf> {
        let mut list: BTreeSet<PathBuf> = self.files.iter().filter(|file| file.exists()).cloned().collect();
        self.walk_all(&mut |path, is_folder| {
            if !is_folder && list.len() < MOST_FILES && self.matter(path) {
                list.insert(path.to_owned());
            }
        });
        list
    }

    /// Visits everything below the folders that can be a source.
    fn walk_all(&self, visit: &mut impl FnMut(&Path, bool)) {
        let folders: BTreeSet<&PathBuf> =
            self.trees.iter().chain(&self.programs).chain(&self.searched).collect();
        for folder in &folders {
            let inside = folder.ancestors().skip(1).any(|above| folders.contains(&above.to_owned()));
            // A folder that `walk` leaves out in another one is visited by itself.
            if !inside || !is_source_path(folder) {
                walk(folder, &self.ignored, visit);
            }
        }
    }
}

/// Visits `folder` and everything below it that can be a source.
fn walk(folder: &Path, ignored: &BTreeSet<PathBuf>, visit: &mut impl FnMut(&Path, bool)) {
    if ignored.contains(folder) {
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
            Ok(kind) if kind.is_dir() => walk(&entry.path(), ignored, visit),
            Ok(kind) if kind.is_file() => visit(&entry.path(), false),
            _ => {}
        }
    }
}

/// Whether no part of a path is left out.
fn is_source_path(path: &Path) -> bool {
    path.components().all(|part| is_source(&part.as_os_str().to_string_lossy()))
}

fn is_source(name: &str) -> bool {
    !name.starts_with('.') && !TOOLS.contains(&name) && !WRITTEN.iter().any(|end| name.ends_with(end))
}

/// Whether a file belongs to a program in another language.
fn is_program(name: &str) -> bool {
    PROGRAMS.iter().any(|end| name.ends_with(end)) || matches!(name, "package.json" | "requirements.txt")
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
    walk(folder, &BTreeSet::new(), &mut |path, is_folder| {
        if !is_folder && path.file_name().is_some_and(|file| file == name) {
            found.push(path.to_owned());
        }
    });
    found.sort();
    found
}

/// Returns the files of the program in `folder`.
pub(crate) fn program_files(folder: &Path) -> BTreeSet<PathBuf> {
    Sources { programs: [folder.to_owned()].into(), ..Sources::default() }.list()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_edit_matters() {
        let sources = Sources {
            trees: ["/app/users".into()].into(),
            files: [
                "/app/Cargo.toml".into(),
                "/app/.cargo/config.toml".into(),
                "/app/mail/src/target/mod.rs".into(),
                "/app/mail/src/note.log".into(),
            ]
            .into(),
            programs: ["/app/pictures".into()].into(),
            searched: ["/app".into()].into(),
            ignored: ["/app/users/state".into()].into(),
            ..Sources::default()
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

        // Files that a build has read, whatever their names are, and no others.
        check("/app/mail/src/target/mod.rs", true);
        check("/app/mail/src/note.log", true);
        check("/app/mail/src/other.rs", false);

        check("/app/pictures/app.py", true);
        check("/app/pictures/pages/index.html", true);
        check("/app/pictures/package.json", true);
        check("/app/pictures/out.json", false);
        check("/app/pictures/node_modules/x/index.js", false);

        check("/app/new/Cargo.toml", true);
        check("/app/new/eg.toml", true);
        check("/app/target/package/x/Cargo.toml", false);
    }

    #[test]
    fn folders_of_tools_are_not_visited() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["src/deep", "target/debug", ".git/objects", "node_modules/x", "state"] {
            std::fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        let at = |path: &str| folder.path().join(path);
        let sources = Sources {
            trees: [at("src")].into(),
            searched: [folder.path().to_owned()].into(),
            files: [at("nowhere/file")].into(),
            ignored: [at("state")].into(),
            ..Sources::default()
        };
        let expected = [folder.path().to_owned(), at("nowhere"), at("src"), at("src/deep")];
        assert_eq!(sources.folders(), expected.into());
    }

    #[test]
    fn links_count_with_their_targets() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for path in ["app/src", "elsewhere", "app/target/out", "app/migrations"] {
            std::fs::create_dir_all(root.join(path)).unwrap();
        }
        for file in ["elsewhere/mod.rs", "elsewhere/note.txt", "app/target/out/generated.rs"] {
            std::fs::write(root.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink(root.join("elsewhere"), root.join("app/src/shared")).unwrap();
        std::os::unix::fs::symlink(root.join("elsewhere/note.txt"), root.join("app/src/note.txt")).unwrap();
        let read =
            ["src/shared/mod.rs", "src/note.txt", "src/gone.rs", "target/out/generated.rs", "migrations"];
        let sources = Sources {
            read: read.map(|path| root.join("app").join(path)).into(),
            ignored: [root.join("app/target")].into(),
            ..Sources::default()
        };
        let resolved = sources.resolved();
        let expected = ["app/src/gone.rs", "app/src/note.txt", "elsewhere/mod.rs", "elsewhere/note.txt"];
        assert_eq!(resolved.files, expected.map(|path| root.join(path)).into());
        assert_eq!(resolved.trees, [root.join("app/migrations")].into());
    }
}
