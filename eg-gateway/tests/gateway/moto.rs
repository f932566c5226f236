//! A server that speaks the APIs of AWS: moto, from PyPI, in a Python environment of its own below `target`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

/// Held while the environment is made, which takes a while and happens once.
static MAKING: Mutex<()> = Mutex::new(());

/// A running moto. Killed when the test ends in any way.
pub(crate) struct Moto {
    child: Child,
    pub(crate) url: String,
}

impl Moto {
    /// Starts moto on a free port. `None`, after saying so, when this machine has no Python.
    pub(crate) fn start() -> Option<Self> {
        let mut child = Command::new(environment()?.join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let url = loop {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "moto ended before it was ready");
            if let Some(at) = line.find("http://127.0.0.1:") {
                break line[at..].split_whitespace().next().unwrap().to_owned();
            }
        };
        // The rest is read so that moto never waits for room in the pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Some(Self { child, url })
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program in Python, with moto and boto3 at hand; `None` when this machine has no Python.
pub(crate) fn python(program: &str, args: &[&str]) -> Option<Output> {
    let python = environment()?.join("bin/python");
    Some(Command::new(python).arg("-c").arg(program).args(args).output().unwrap())
}

fn environment() -> Option<PathBuf> {
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto");
    let complete = dir.join("complete");
    if complete.exists() {
        return Some(dir);
    }
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: there is no python3 on this machine, and moto needs one");
        return None;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir));
    run(Command::new(dir.join("bin/pip")).args(["install", "--quiet", "moto[server]==5.2.*"]));
    std::fs::write(complete, "").unwrap();
    Some(dir)
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
