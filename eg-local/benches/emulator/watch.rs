//! Installs and starts `cargo lambda watch` from PyPI, and builds the function that both emulators run, below `target`.

use std::error::Error;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The function's package, built when this returns.
pub(crate) fn function() -> Result<PathBuf, Box<dyn Error>> {
    let folder = folder("echo");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("Cargo.toml"), include_str!("function.toml"))?;
    std::fs::write(folder.join("main.rs"), include_str!("function.rs"))?;
    // As `cargo lambda watch` builds it, so that it has nothing left to build.
    let mut build = Command::new(env!("CARGO"));
    run(build.args(["build", "--quiet", "--release"]).current_dir(&folder).env_remove("CARGO_TARGET_DIR"))?;
    Ok(folder)
}

/// The function's program.
pub(crate) fn program(function: &Path) -> PathBuf {
    function.join("target/release/echo")
}

/// Installs `cargo lambda`, where it is not yet.
pub(crate) fn install() -> Result<PathBuf, Box<dyn Error>> {
    let folder = folder("cargo-lambda");
    let program = folder.join("bin/cargo-lambda");
    if !program.exists() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", "cargo-lambda==1.9.2"]))?;
    }
    Ok(program)
}

/// Starts it for the package, with up to `concurrency` processes. What comes back are the process and the address of
/// its Invoke API, which may not listen yet.
pub(crate) fn start(
    cargo_lambda: &Path,
    function: &Path,
    concurrency: usize,
) -> Result<(Child, String), Box<dyn Error>> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let child = Command::new(cargo_lambda)
        .args(["lambda", "watch", "--quiet", "--release", "--ignore-changes"])
        .args(["--invoke-address", "127.0.0.1", "--invoke-port", &port.to_string()])
        .args(["--concurrency", &concurrency.to_string()])
        .current_dir(function)
        .env_remove("CARGO_TARGET_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok((child, format!("http://127.0.0.1:{port}")))
}

/// A folder of its own.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}").into()) }
}
