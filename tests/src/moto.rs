//! A server that speaks the APIs of AWS: moto, from PyPI, in a Python environment of its own below `target`.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// Without threads, a connection that stays open would keep all others out.
const SERIAL: &str = r#"
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple
WSGIRequestHandler.protocol_version = "HTTP/1.0"
run_simple("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
"#;

/// A running moto. Killed when the test ends in any way.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    /// Where all its services are.
    pub url: String,
}

impl Moto {
    /// Starts moto on a free port. `None`, after saying so, when this machine has no Python.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let mut command = Command::new(environment()?.join("bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", "0"]);
        Some(Self::run(command))
    }

    /// The same, answering one request after the other. So two transactions that meet exclude each other, as DynamoDB's
    /// do; otherwise moto checks the conditions of both and then writes both.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_serial() -> Option<Self> {
        let mut command = Command::new(environment()?.join("bin/python"));
        command.args(["-c", SERIAL]);
        Some(Self::run(command))
    }

    fn run(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("moto can be started");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        let url = loop {
            line.clear();
            assert_ne!(log.read_line(&mut line).expect("a log"), 0, "moto ended before it was ready");
            if let Some(at) = line.find("http://127.0.0.1:") {
                break line[at..].split_whitespace().next().expect("a URL").to_owned();
            }
        };
        // The rest is read so that moto never waits for room in the pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, url }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program in Python, with moto and boto3 at hand; `None` when this machine has no Python.
///
/// # Panics
/// When Python cannot be started.
#[must_use]
pub fn python(program: &str, args: &[&str]) -> Option<Output> {
    let python = environment()?.join("bin/python");
    Some(Command::new(python).arg("-c").arg(program).args(args).output().expect("python can be started"))
}

fn environment() -> Option<PathBuf> {
    let dir = target().join("tmp/moto");
    let complete = dir.join("complete");
    std::fs::create_dir_all(target().join("tmp")).expect("a place for test files");
    // Made once, which takes a while: other tests wait, those in other processes too.
    let making = File::create(target().join("tmp/moto.lock")).expect("a lock file");
    making.lock().expect("a lock");
    if complete.exists() {
        return Some(dir);
    }
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: there is no python3 on this machine, and moto needs one");
        return None;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir));
    run(Command::new(dir.join("bin/pip")).args(["install", "--quiet", "moto[server]==5.2.*"]));
    std::fs::write(complete, "").expect("room for a file");
    Some(dir)
}

/// The directory that this test was built into: it is `target/<profile>/deps/<test>`.
fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    test.ancestors().nth(3).expect("tests are three levels below").to_owned()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
