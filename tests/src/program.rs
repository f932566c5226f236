//! Builds programs of this workspace and runs them as processes, whose output is read line by line. They are killed
//! when the test ends.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cargo_metadata::Message;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::eventually;

/// Returns the path of the binary `name` of this workspace. The first call builds all binaries, with the same
/// features as the workspace's tests.
///
/// # Panics
/// If they do not build (cargo's messages are on stderr), or the binary does not exist.
#[must_use]
pub fn built(name: &str) -> &'static Path {
    static BINARIES: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    BINARIES.get_or_init(build).get(name).unwrap_or_else(|| panic!("the workspace has no binary {name}"))
}

fn build() -> HashMap<String, PathBuf> {
    let mut command = std::process::Command::new(cargo());
    command.args(["build", "--bins", "--message-format=json-render-diagnostics"]).current_dir(workspace());
    let output = command.stderr(Stdio::inherit()).output().expect("cargo can be started");
    assert!(output.status.success(), "the binaries do not build");
    let executables = Message::parse_stream(&*output.stdout).filter_map(|message| match message {
        Ok(Message::CompilerArtifact(artifact)) => Some((artifact.target.name, artifact.executable?.into())),
        _ => None,
    });
    executables.collect()
}

/// Returns the cargo to use in tests and in programs under test.
#[must_use]
pub fn cargo() -> PathBuf {
    workspace().join("tests/cargo.sh")
}

pub(crate) fn workspace() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// A running program. Dropping it kills the process.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts `command` and reads what it prints.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(read(name.to_owned(), child.stdout.take().expect("piped"), lines.clone()));
        tokio::spawn(read(name.to_owned(), child.stderr.take().expect("piped"), lines.clone()));
        Self { name: name.to_owned(), child, lines }
    }

    /// Returns the process id.
    ///
    /// # Panics
    /// If it has already ended.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_else(|| panic!("{} has ended already", self.name))
    }

    /// Returns the output so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line for which `find` returns a value.
    ///
    /// # Panics
    /// If there is no such line.
    pub async fn line<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let what = format!("{} to print {what}", self.name);
        eventually(&what, async || self.lines().iter().find_map(|line| find(line))).await
    }

    /// Kills it, as `kill -9` does.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap_or_else(|e| panic!("cannot kill {}: {e}", self.name));
    }

    /// Interrupts it, as Ctrl-C does, and returns its exit code.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn interrupt(self) -> i32 {
        self.signal("-INT");
        self.exit_code().await
    }

    /// Sends SIGTERM, as a platform does before it removes a machine, and does not wait for the end.
    ///
    /// # Panics
    /// If it has already ended.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Freezes it, as Lambda does between invocations.
    ///
    /// # Panics
    /// If it has already ended.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it continue.
    ///
    /// # Panics
    /// If it has already ended.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Returns its current memory use.
    ///
    /// # Panics
    /// If the system does not report it; only Linux does.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let id = self.child.id().unwrap_or_else(|| panic!("{} has ended already", self.name));
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident size");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") * 1024
    }

    fn signal(&self, signal: &str) {
        let id = self.id();
        let status = std::process::Command::new("kill").args([signal, &id.to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot send {signal} to {}", self.name);
    }

    /// Waits until it ends and returns its exit code.
    ///
    /// # Panics
    /// If it does not end or was killed.
    pub async fn exit_code(mut self) -> i32 {
        let ended = tokio::time::timeout(crate::PATIENCE, self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("{} does not end: {:#?}", self.name, self.lines()));
        let status = status.unwrap_or_else(|e| panic!("cannot wait for {}: {e}", self.name));
        status.code().unwrap_or_else(|| panic!("{} was killed: {status}", self.name))
    }
}

async fn read(name: String, stream: impl AsyncRead + Unpin, lines: Arc<Mutex<Vec<String>>>) {
    let mut reader = BufReader::new(stream).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        // Shown when the test fails.
        println!("[{name}] {line}");
        lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}
