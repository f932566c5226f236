//! Programs of this workspace as processes: built, started, read line by line, and gone when the test ends.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cargo_metadata::Message;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::eventually;

/// The binary `name` of this workspace. The first call builds all binaries, with the features that the tests of the
/// workspace are built with.
///
/// # Panics
/// When they do not build, in which case cargo's messages are on stderr, or when there is no such binary.
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

/// The program that takes cargo's place in tests, and for programs under test.
#[must_use]
pub fn cargo() -> PathBuf {
    workspace().join("tests/cargo.sh")
}

pub(crate) fn workspace() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// A running program. It is killed when this is dropped.
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
    /// When it cannot be started.
    #[must_use]
    pub fn start(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(read(name.to_owned(), child.stdout.take().expect("piped"), lines.clone()));
        tokio::spawn(read(name.to_owned(), child.stderr.take().expect("piped"), lines.clone()));
        Self { name: name.to_owned(), child, lines }
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it has ended already.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_else(|| panic!("{} has ended already", self.name))
    }

    /// What it has printed so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line for which `find` has an answer.
    ///
    /// # Panics
    /// When none comes.
    pub async fn line<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let what = format!("{} to print {what}", self.name);
        eventually(&what, async || self.lines().iter().find_map(|line| find(line))).await
    }

    /// Ends it at once, as `kill -9` does.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap_or_else(|e| panic!("cannot kill {}: {e}", self.name));
    }

    /// Asks it to end, as Ctrl-C does, and returns its exit code.
    ///
    /// # Panics
    /// When it does not end by itself.
    pub async fn interrupt(self) -> i32 {
        self.signal("-INT");
        self.exit_code().await
    }

    /// Asks it to end, as whoever takes away its machine does, and does not wait for it.
    ///
    /// # Panics
    /// When it has ended already.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Stops it in its tracks, as Lambda does between invocations.
    ///
    /// # Panics
    /// When it has ended already.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it has ended already.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// How much memory it has at the moment.
    ///
    /// # Panics
    /// When the system does not say so, as only Linux does.
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

    /// Waits for its end and returns its exit code.
    ///
    /// # Panics
    /// When it does not end, or was killed.
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
