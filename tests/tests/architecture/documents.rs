//! The documents: every file that they name exists. Leaves what the files contain to other tests.

use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 17] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/deploying.md",
    "docs/glossary.md",
    "docs/operating.md",
    "cargo-eg/README.md",
    "eg-dashboard/README.md",
    "eg-gateway/README.md",
    "eg-grammar/README.md",
    "eg-local/README.md",
    "eg-macros/README.md",
    "eg-runtime/README.md",
    "services/registration/README.md",
    "services/shop/README.md",
    "services/storage/README.md",
];

/// The folders at whose names a path in backticks begins.
const FOLDERS: [&str; 10] = [
    "eg-grammar/",
    "eg-macros/",
    "eg-sdk/",
    "eg-runtime/",
    "eg-gateway/",
    "eg-dashboard/",
    "eg-local/",
    "cargo-eg/",
    "services/",
    "tests/",
];

#[test]
fn every_file_that_a_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder");
    for document in DOCUMENTS {
        let file = root.join(document);
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{document}: {e}"));
        let folder = file.parent().expect("documents are in folders");
        let named =
            links(&text).map(|link| folder.join(link)).chain(paths(&text).map(|path| root.join(path)));
        let missing: Vec<PathBuf> = named.filter(|path| !path.exists()).collect();
        assert!(missing.is_empty(), "{document} names files that do not exist: {missing:?}");
    }
}

/// The targets of links inside the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://"))
}

/// The paths of the repository in backticks.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|code| FOLDERS.iter().any(|folder| code.starts_with(folder)) && !code.contains([' ', '\n']))
}
