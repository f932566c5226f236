//! Checks where the files of modules are. Of the code, it reads only `#[path]`; what the modules contain is left to
//! `modules`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The files that include a module from another place with `#[path]`, and the reasons.
const BORROWERS: [(&str, &str); 4] = [
    ("cargo-eg/benches/start.rs", "starts the applications of the tests"),
    ("tests/tests/it/fuzz.rs", "runs the fuzz targets, whose package is not a member, on their seeds"),
    ("tests/throughput/src/main.rs", "starts PostgreSQL as the tests do, without their dependencies"),
    ("tests/tests/architecture/layout.rs", "is this file"),
];

/// Collects all Rust files below `folder`, except build output.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("folders of the workspace can be read") {
        let path = entry.expect("its entries too").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    sources(folder, &mut files);
    files
}

/// Returns whether the folder with the same name next to this file contains modules.
fn has_children_beside(file: &Path) -> bool {
    let is_rust = |entry: fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "rs");
    fs::read_dir(file.with_extension("")).is_ok_and(|entries| entries.filter_map(Result::ok).any(is_rust))
}

#[test]
fn a_module_with_children_is_the_mod_rs_of_their_folder() {
    let root = super::metadata().workspace_root;
    let files = rust_files(root.as_std_path());
    assert!(files.len() > 100, "the walk finds the workspace: {}", files.len());
    let misplaced: Vec<&PathBuf> = files.iter().filter(|file| has_children_beside(file)).collect();
    assert!(misplaced.is_empty(), "move them into their folders, as `mod.rs`: {misplaced:?}");
}

#[test]
fn modules_are_where_their_names_say() {
    let root = super::metadata().workspace_root;
    let borrowers: BTreeSet<&Path> = BORROWERS.iter().map(|(file, _)| Path::new(*file)).collect();
    let mut found = BTreeSet::new();
    let files = rust_files(root.as_std_path());
    for file in &files {
        let text = fs::read_to_string(file).expect("Rust files are text");
        if text.contains("#[path") {
            found.insert(file.strip_prefix(&root).expect("they are inside"));
        }
    }
    assert_eq!(found, borrowers, "a module lies where its name says, or BORROWERS says why not");
}
