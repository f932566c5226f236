//! What a release consists of: the archives that `deploy/package` makes, and the workflow that makes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use eg_tests::program::built;
use eg_tests::python::python;

use super::promises::workspace;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Makes the archives of this build.
fn package(out: &Path) {
    let folder = built("event-gateway").parent().unwrap().to_owned();
    // The command line is beside it.
    assert!(built("cargo-eg").starts_with(&folder));
    let mut package = Command::new(workspace().join("deploy/package"));
    let output = package.arg(&folder).args(["1.2.3", TARGET]).arg(out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns what `cargo binstall` makes of a template in the manifest of a package.
fn expected(package: &str, key: &str) -> String {
    let manifest = std::fs::read_to_string(workspace().join(package).join("Cargo.toml")).unwrap();
    let line = manifest.lines().find_map(|line| line.strip_prefix(&format!("{key} = \""))).unwrap();
    let bin = if package == "eg-gateway" { "event-gateway" } else { package };
    let values = [
        ("name", package),
        ("version", "1.2.3"),
        ("target", TARGET),
        ("bin", bin),
        ("binary-ext", ""),
        ("repo", "R"),
    ];
    let filled = values
        .iter()
        .fold(line.to_owned(), |text, (name, value)| text.replace(&format!("{{ {name} }}"), value));
    filled.trim_end_matches('"').to_owned()
}

#[test]
fn archives_have_what_users_need_and_are_reproducible() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["a", "b"].map(|name| folder.path().join(name));
    package(&first);
    package(&second);
    for (package, own) in [
        (
            "cargo-eg",
            &[
                "completions/cargo-eg.bash",
                "completions/cargo-eg.fish",
                "completions/cargo-eg.zsh",
                "man/cargo-eg.1",
                "man/cargo-eg-run.1",
            ][..],
        ),
        ("eg-gateway", &["event-gateway.service", "man/event-gateway.1"]),
    ] {
        let url = expected(package, "pkg-url");
        let archive = url.rsplit('/').next().unwrap().to_owned();
        assert_eq!(url, format!("R/releases/download/v1.2.3/{archive}"));
        let listed = printed(Command::new("tar").arg("-tzf").arg(first.join(&archive)));
        let files: BTreeSet<&str> = listed.lines().collect();
        let program = expected(package, "bin-dir");
        assert!(files.contains(program.as_str()), "{program} in {files:?}");
        let inside = Path::new(&program).parent().unwrap().to_str().unwrap();
        for file in own.iter().chain(&["LICENSE-APACHE", "LICENSE-MIT", "README.md", "CHANGELOG.md"]) {
            assert!(files.contains(format!("{inside}/{file}").as_str()), "{file} in {files:?}");
        }
        let sum = format!("{archive}.sha256");
        printed(Command::new("sha256sum").args(["--check", "--strict", &sum]).current_dir(&first));
        let read = |folder: &PathBuf| std::fs::read(folder.join(&sum)).unwrap();
        assert_eq!(read(&first), read(&second), "{archive} differs from run to run");
        let unpacked = folder.path().join(package);
        std::fs::create_dir(&unpacked).unwrap();
        printed(Command::new("tar").arg("-xzf").arg(first.join(&archive)).arg("-C").arg(&unpacked));
        assert!(!printed(Command::new(unpacked.join(&program)).arg("--version")).is_empty());
    }
    let page = |name: &str| {
        let path = folder.path().join(format!("{name}/{name}-1.2.3-{TARGET}/man"));
        std::fs::read_to_string(path.join(if name == "cargo-eg" {
            "cargo-eg-run.1"
        } else {
            "event-gateway.1"
        }))
        .unwrap()
    };
    assert!(
        page("cargo-eg").contains(".TH cargo-eg-run 1")
            && page("cargo-eg").contains("Build the services and run them")
    );
    assert!(
        page("eg-gateway").contains(".TH event-gateway 1") && page("eg-gateway").contains("retry\\-attempts")
    );
}

/// The steps that run something, and the runners.
const READ: &str = "
import sys, yaml
for name in sys.argv[1:]:
    for job in yaml.safe_load(open(name))['jobs'].values():
        for step in job['steps']:
            print(step.get('run') or step['uses'])
";

#[test]
fn the_workflows_run_what_is_tested_here() {
    let files = ["ci.yml", "release.yml"].map(|name| workspace().join(".github/workflows").join(name));
    let names = files.each_ref().map(|path| path.to_str().unwrap());
    let Some(output) = python(READ, &names) else { return };
    let steps = String::from_utf8(output.stdout).unwrap();
    for expected in [
        ".ci/run\n",
        "cargo build --release --locked --package cargo-eg --package eg-gateway\n",
        "deploy/package target/release \"${GITHUB_REF_NAME#v}\" ${{ matrix.target }} dist\n",
    ] {
        assert!(steps.contains(expected), "{expected} in {steps}{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(workspace().join(".ci/run").exists());
}
