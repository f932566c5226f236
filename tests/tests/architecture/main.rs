//! Checks the parts and their dependencies as drawn in ARCHITECTURE.md, and the knots of modules inside them. `knots`
//! finds the knots.

mod documents;
mod knots;
mod layout;
mod modules;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, Target};

/// Part → the parts that it may depend on.
const ARROWS: [(&str, &[&str]); 11] = [
    ("eg-grammar", &[]),
    ("eg-macros", &["eg-grammar"]),
    ("eg-sdk", &["eg-grammar", "eg-macros"]),
    ("eg-runtime", &["eg-grammar", "eg-macros", "eg-sdk"]),
    ("eg-dashboard", &["eg-grammar", "eg-sdk"]),
    ("eg-gateway", &["eg-dashboard", "eg-grammar", "eg-sdk"]),
    ("eg-local", &["eg-grammar"]),
    ("cargo-eg", &["eg-dashboard", "eg-gateway", "eg-grammar", "eg-local", "eg-sdk"]),
    ("eg-tests", &["eg-runtime", "eg-sdk"]),
    ("eg-guide", &[]),
    ("eg-ui", &[]),
];

/// The backends of the gateway's store, and the crates that only they may name.
const BACKENDS: [(&str, &[&str]); 2] = [
    ("sqlite", &["rusqlite"]),
    ("postgres", &["deadpool_postgres", "refinery", "tokio_postgres", "tokio_postgres_rustls"]),
];

/// The maximum number of siblings that may need each other in a circle; see `knots`.
const LARGEST_KNOT: usize = 3;

fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().expect("cargo metadata of this workspace")
}

/// Returns package → the workspace packages that its programs and libraries depend on.
fn arrows(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let members: BTreeSet<_> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let of = |package: &cargo_metadata::Package| {
        let normal =
            package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        normal.map(|dependency| dependency.name.clone()).filter(|name| members.contains(name)).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), of(package))).collect()
}

#[test]
fn parts_build_only_on_the_parts_they_may() {
    let arrows = arrows(&metadata());
    for (part, allowed) in ARROWS {
        let found = arrows.get(part).unwrap_or_else(|| panic!("the workspace has no part `{part}`"));
        let allowed: BTreeSet<_> = allowed.iter().map(ToString::to_string).collect();
        assert!(found.is_subset(&allowed), "{part} depends on {found:?}, but may depend on {allowed:?} only");
    }
}

#[test]
fn services_and_examples_use_what_users_use() {
    let metadata = metadata();
    let arrows = arrows(&metadata);
    for package in &metadata.packages {
        let folder =
            package.manifest_path.strip_prefix(&metadata.workspace_root).expect("members are inside");
        if !(folder.starts_with("services") || folder.starts_with("examples")) {
            continue;
        }
        for part in
            ["eg-dashboard", "eg-gateway", "eg-grammar", "eg-local", "cargo-eg", "eg-macros", "eg-tests"]
        {
            assert!(!arrows[package.name.as_str()].contains(part), "{} depends on {part}", package.name);
        }
    }
}

#[test]
fn every_member_is_a_part_a_service_or_an_example() {
    let metadata = metadata();
    for package in &metadata.packages {
        let folder =
            package.manifest_path.strip_prefix(&metadata.workspace_root).expect("members are inside");
        let part = ARROWS.iter().any(|(part, _)| package.name == *part);
        assert!(
            part || folder.starts_with("services") || folder.starts_with("examples"),
            "what is {folder}?"
        );
    }
}

/// Cargo unites the features of everything that is built together: if a test's library enabled these features, all
/// parts would be tested with JSON that users do not get.
#[test]
fn no_library_changes_how_json_is_read_and_written() {
    let metadata = MetadataCommand::new()
        .features(CargoOpt::AllFeatures)
        .exec()
        .expect("cargo metadata of this workspace");
    let nodes = &metadata.resolve.as_ref().expect("dependencies are resolved unless asked otherwise").nodes;
    let serde_json = nodes.iter().filter(|node| metadata[&node.id].name == "serde_json");
    for feature in serde_json.flat_map(|node| &node.features).map(ToString::to_string) {
        let changes = ["arbitrary_precision", "preserve_order"].contains(&feature.as_str());
        assert!(
            !changes,
            "serde_json is built with `{feature}`: `cargo tree -e features -i serde_json` says by whom"
        );
    }
}

#[test]
fn modules_are_not_knotted() {
    let metadata = metadata();
    let mut too_large = Vec::new();
    for (part, _) in ARROWS {
        let package =
            metadata.packages.iter().find(|package| package.name == part).expect("a part of the workspace");
        let programs = |target: &&Target| target.is_lib() || target.is_proc_macro() || target.is_bin();
        for target in package.targets.iter().filter(programs) {
            let modules = modules::of_crate(target.src_path.as_std_path(), &|file: &Path| {
                fs::read_to_string(file).ok()
            });
            let knots = knots::of(&modules).into_iter().filter(|knot| knot.members.len() > LARGEST_KNOT);
            too_large.extend(knots.map(|knot| format!("in {part}, where {LARGEST_KNOT} may:\n{knot}")));
        }
    }
    assert!(too_large.is_empty(), "modules need each other in a circle {}", too_large.join("\n"));
}

/// The rest of the gateway works with each backend only as long as it knows none of them.
#[test]
fn only_the_seam_of_the_store_names_its_backends() {
    let metadata = metadata();
    let gateway = metadata.packages.iter().find(|package| package.name == "eg-gateway").expect("a part");
    let library = gateway.targets.iter().find(|target| target.is_lib()).expect("the gateway is a library");
    let modules =
        modules::of_crate(library.src_path.as_std_path(), &|file: &Path| fs::read_to_string(file).ok());
    for (backend, crates) in BACKENDS {
        let names_backend = |path: &&Vec<String>| path.iter().any(|name| name == backend);
        let names_crate = |path: &&Vec<String>| crates.iter().any(|name| path[0] == *name);
        let (mut named, mut strangers) = (BTreeSet::new(), BTreeSet::new());
        for module in &modules {
            let is_inside = module.file.starts_with(&["store".to_owned(), backend.to_owned()]);
            let may_name = is_inside || module.file == ["store"];
            let paths = || module.named.iter();
            let found = paths().filter(names_backend).map(|path| (path, may_name));
            for (path, allowed) in found.chain(paths().filter(names_crate).map(|path| (path, is_inside))) {
                let names = if allowed { &mut named } else { &mut strangers };
                names.insert(format!("{} names {}", module.file.join("::"), path.join("::")));
            }
        }
        assert!(!named.is_empty(), "the gateway has no backend `{backend}`");
        assert!(strangers.is_empty(), "only `store` may know `{backend}`: {strangers:#?}");
    }
}
