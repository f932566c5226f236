//! Tests the packages that are published: what is in them, and that services and programs build from them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand, Package};

use crate::new::works;
use crate::support::shell::Shell;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Returns the workspace's packages for others: those that are not private.
fn published(metadata: &Metadata) -> Vec<&Package> {
    metadata.workspace_packages().into_iter().filter(|package| package.publish.is_none()).collect()
}

/// Packs all of them, and returns the folder into which they are unpacked, each in `<name>-<version>`.
fn unpacked(metadata: &Metadata, folder: &Path) -> PathBuf {
    let mut command = Command::new("cargo");
    command.args(["package", "--quiet", "--no-verify", "--allow-dirty", "--offline"]).current_dir(root());
    command.arg("--target-dir").arg(folder.join("target"));
    for package in published(metadata) {
        command.args(["--package", &package.name]);
    }
    let output = command.output().unwrap();
    // A warning is about something that users of the registry miss.
    let warnings = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !warnings.contains("warning"), "{warnings}");
    let crates = folder.join("crates");
    fs::create_dir(&crates).unwrap();
    for package in published(metadata) {
        let file = folder.join(format!("target/package/{}-{}.crate", package.name, package.version));
        let status = Command::new("tar").arg("-xzf").arg(file).arg("-C").arg(&crates).status().unwrap();
        assert!(status.success());
    }
    crates
}

/// The lines for a `Cargo.toml` that take the crates from this folder, as a registry would.
fn patch(metadata: &Metadata, crates: &Path) -> String {
    let line = |package: &&Package| {
        let folder = crates.join(format!("{}-{}", package.name, package.version));
        format!("{} = {{ path = {:?} }}\n", package.name, folder.display().to_string())
    };
    format!("\n[patch.crates-io]\n{}", published(metadata).iter().map(line).collect::<String>())
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap()
}

#[test]
fn packages_have_what_others_need_and_services_build_from_them() {
    let (shell, metadata) = (Shell::new(), metadata());
    let crates = unpacked(&metadata, &shell.path());
    let names: Vec<_> = published(&metadata).into_iter().map(|package| package.name.as_str()).collect();
    assert!(names.contains(&"eg-runtime") && names.contains(&"cargo-eg"), "{names:?}");
    for package in published(&metadata) {
        let name = &package.name;
        assert!(package.repository.is_some() && package.description.is_some(), "{name}");
        assert!(!package.keywords.is_empty() && !package.categories.is_empty(), "{name}");
        let folder = crates.join(format!("{name}-{}", package.version));
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "src"] {
            assert!(folder.join(file).exists(), "{name} lacks {file}");
        }
        // They need crates that nobody publishes.
        assert!(!folder.join("tests").exists(), "{name}");
    }

    let made = shell.eg("", &["new", "orders"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let checkout = format!("{{ path = {:?} }}", root().join("eg-runtime").display().to_string());
    let version = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
    shell.edit("orders/Cargo.toml", &checkout, &version);
    let manifest = shell.read("orders/Cargo.toml") + &patch(&metadata, &crates);
    shell.write("orders/Cargo.toml", &manifest);
    works(&shell, "orders", &["src/main.rs"], 2);
}

#[test]
#[ignore = "takes minutes: compiles the command line and the gateway from their packages"]
fn programs_build_from_their_packages() {
    let (shell, metadata) = (Shell::new(), metadata());
    let crates = unpacked(&metadata, &shell.path());
    for (package, program) in [("cargo-eg", "cargo-eg"), ("eg-gateway", "event-gateway")] {
        let folder = format!("crates/{package}-{}", env!("CARGO_PKG_VERSION"));
        let manifest = shell.read(&format!("{folder}/Cargo.toml")) + &patch(&metadata, &crates);
        shell.write(&format!("{folder}/Cargo.toml"), &manifest);
        shell.lock(&folder);
        let installed =
            shell.cargo(&folder, &["install", "--debug", "--path", ".", "--root", "../../installed"]);
        assert_eq!(installed.code, Some(0), "{installed:?}");
        let version =
            Command::new(shell.path().join("installed/bin").join(program)).arg("--version").output();
        assert!(version.unwrap().status.success(), "{program}");
    }
    // Built from a package, it takes the runtime from the registry.
    let eg = shell.path().join("installed/bin/cargo-eg");
    let made = Command::new(eg).args(["eg", "new", "orders"]).current_dir(shell.path()).output().unwrap();
    let printed = String::from_utf8_lossy(&made.stderr);
    assert!(printed.contains(" from the registry; --eg-path takes it from a clone\n"), "{printed}");
    let manifest = shell.read("orders/Cargo.toml");
    assert!(manifest.contains(&format!("eg-runtime = \"{}\"\n", env!("CARGO_PKG_VERSION"))), "{manifest}");
    shell.write("orders/Cargo.toml", &(manifest + &patch(&metadata, &crates)));
    works(&shell, "orders", &["src/main.rs"], 2);
}
