//! Provides the Python programs that tests need: moto, boto3, Lambda's own runtime, AWS's tools for templates, and SAM's command
//! line. They are installed from PyPI below `target`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The packages to install. moto includes boto3, cfn-lint and openapi-spec-validator; parliament checks policies of IAM.
///
/// cfn-lint and parliament have exact versions, because each release of them contains new schemas and actions of AWS: with another
/// one, a test can fail although nothing has changed here.
const PACKAGES: [&str; 7] = [
    "moto[server]==5.2.*",
    "awslambdaric==4.2.*",
    "boto3==1.*",
    "cfn-lint==1.58.0",
    "parliament==1.6.4",
    "openapi-spec-validator==0.9.*",
    "standardwebhooks==1.1.*",
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

/// SAM's command line. It contains AWS's emulator of the Runtime API, and needs other versions of boto3 than moto.
const SAM: [&str; 1] = ["aws-sam-cli==1.170.*"];

/// Returns the folder of the environment, which contains `bin/python` and the programs of the packages. The first
/// call creates it, and the first one after a change of the packages creates it anew. Prints a note and returns `None` if this machine has no Python.
///
/// # Panics
/// If the packages cannot be installed.
#[must_use]
pub fn environment() -> Option<PathBuf> {
    installed("python", &PACKAGES, "python3", |dir| {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(dir));
        run(Command::new(dir.join("bin/pip")).args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "uv",
        ]));
        // uv downloads in parallel and takes a quarter of pip's time.
        let mut install = Command::new(dir.join("bin/uv"));
        run(install
            .args(["pip", "install", "--quiet", "--python"])
            .arg(dir.join("bin/python"))
            .args(PACKAGES));
    })
}

/// Returns AWS's emulator of the Runtime API, `aws-lambda-rie`. It listens on every interface whatever it is told at first, so start
/// it in a network namespace of its own. Returns `None` if this machine has no Python.
///
/// # Panics
/// If it cannot be installed.
#[must_use]
pub fn lambda_emulator() -> Option<PathBuf> {
    Some(emulator_in(&sam_package()?))
}

/// Returns the folder with the sample events of SAM's command line: `event-mapping.json` describes the files in `events`. Returns
/// `None` if this machine has no Python.
///
/// # Panics
/// If it cannot be installed.
#[must_use]
pub fn sam_events() -> Option<PathBuf> {
    Some(sam_package()?.join("samcli/lib/generated_sample_events"))
}

/// Returns the folder of SAM's command line, without what it depends on.
fn sam_package() -> Option<PathBuf> {
    let uv = environment()?.join("bin/uv");
    installed("lambda-emulator", &SAM, "python3", |dir| {
        run(Command::new(uv).args(["pip", "install", "--quiet", "--no-deps", "--target"]).arg(dir).args(SAM));
        let program = emulator_in(dir);
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(program, executable).expect("the emulator is in the package");
    })
}

fn emulator_in(dir: &Path) -> PathBuf {
    let processor = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    dir.join(format!("samcli/local/rapid/aws-lambda-rie-{processor}"))
}

/// Returns SAM's command line, `sam`, in an environment of its own. Returns `None` if this machine has no Python.
///
/// # Panics
/// If it cannot be installed.
#[must_use]
pub fn sam() -> Option<PathBuf> {
    let uv = environment()?.join("bin/uv");
    let dir = installed("sam", &SAM, "python3", |dir| {
        run(Command::new(&uv).args(["venv", "--quiet", "--clear"]).arg(dir));
        let python = dir.join("bin/python");
        run(Command::new(&uv).args(["pip", "install", "--quiet", "--python"]).arg(python).args(SAM));
    })?;
    Some(dir.join("bin/sam"))
}

/// Returns a folder in which packages are installed. Runs `install`, which needs a program, if it does not exist yet, or has other
/// packages.
pub(crate) fn installed(
    name: &str,
    packages: &[&str],
    needs: &str,
    install: impl FnOnce(&Path),
) -> Option<PathBuf> {
    let dir = target().join("tmp").join(name);
    let complete = dir.join("complete");
    std::fs::create_dir_all(target().join("tmp")).expect("a place for test files");
    // Creating it takes a while and happens once: other tests wait, even in other processes.
    let making = File::create(target().join(format!("tmp/{name}.lock"))).expect("a lock file");
    making.lock().expect("a lock");
    let packages = packages.join("\n");
    if std::fs::read_to_string(&complete).is_ok_and(|installed| installed == packages) {
        return Some(dir);
    }
    if Command::new(needs).arg("--version").output().is_err() {
        eprintln!("skipped: there is no {needs} on this machine");
        return None;
    }
    install(&dir);
    std::fs::write(complete, packages).expect("room for a file");
    Some(dir)
}

/// Returns the target directory: this test is `target/<profile>/deps/<test>`.
fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    test.ancestors().nth(3).expect("tests are three levels below").to_owned()
}

pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
