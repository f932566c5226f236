//! Provides the Python programs that tests need: moto, boto3, Lambda's own runtime, and AWS's tools for templates.
//! They are installed from PyPI into one environment below `target`.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Output};

/// The packages to install. moto includes boto3, cfn-lint and openapi-spec-validator; parliament checks policies of IAM.
const PACKAGES: [&str; 6] = [
    "moto[server]==5.2.*",
    "awslambdaric==4.2.*",
    "boto3==1.*",
    "cfn-lint==1.*",
    "parliament==1.*",
    "openapi-spec-validator==0.9.*",
];

/// Runs a program in Python. Returns `None` if this machine has no Python.
///
/// # Panics
/// If Python cannot be started.
#[must_use]
pub fn python(program: &str, args: &[&str]) -> Option<Output> {
    let python = environment()?.join("bin/python");
    Some(Command::new(python).arg("-c").arg(program).args(args).output().expect("python can be started"))
}

/// Returns the folder of the environment, which contains `bin/python` and the programs of the packages. The first
/// call creates it, and the first one after a change of the packages creates it anew. Prints a note and returns `None` if this machine has no Python.
///
/// # Panics
/// If the packages cannot be installed.
#[must_use]
pub fn environment() -> Option<PathBuf> {
    let dir = target().join("tmp/python");
    let complete = dir.join("complete");
    std::fs::create_dir_all(target().join("tmp")).expect("a place for test files");
    // Creating it takes a while and happens once: other tests wait, even in other processes.
    let making = File::create(target().join("tmp/python.lock")).expect("a lock file");
    making.lock().expect("a lock");
    let packages = PACKAGES.join("\n");
    if std::fs::read_to_string(&complete).is_ok_and(|installed| installed == packages) {
        return Some(dir);
    }
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: there is no python3 on this machine");
        return None;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir));
    run(Command::new(dir.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", "uv"]));
    // uv downloads in parallel and takes a quarter of pip's time.
    let mut install = Command::new(dir.join("bin/uv"));
    run(install.args(["pip", "install", "--quiet", "--python"]).arg(dir.join("bin/python")).args(PACKAGES));
    std::fs::write(complete, packages).expect("room for a file");
    Some(dir)
}

/// Returns the target directory: this test is `target/<profile>/deps/<test>`.
fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    test.ancestors().nth(3).expect("tests are three levels below").to_owned()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
