//! Runs commands in a folder as in a terminal: with the real eg-runtime, and outside any workspace.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::app::{Running, Transcript};

/// A folder and the environment variables of its terminal.
pub(crate) struct Shell {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    /// `export NAME=value`.
    pub(crate) fn export(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Runs `cargo eg …` in a folder below.
    pub(crate) fn eg(&self, folder: &str, arguments: &[&str]) -> Transcript {
        Transcript::of(self.eg_command(folder, arguments).output().unwrap())
    }

    /// Runs `cargo …`.
    pub(crate) fn cargo(&self, folder: &str, arguments: &[&str]) -> Transcript {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Transcript::of(self.command(cargo.as_ref(), folder).args(arguments).output().unwrap())
    }

    /// Starts `cargo eg run` on free ports.
    pub(crate) fn run(&self, folder: &str) -> Running {
        self.run_with(folder, &[])
    }

    /// The same, with further arguments.
    pub(crate) fn run_with(&self, folder: &str, arguments: &[&str]) -> Running {
        let ports = ["run", "--port", "0", "--config-port", "0", "--lambda-port", "0"];
        let command = self.eg_command(folder, &[&ports[..], arguments].concat());
        Running::start(command, self.path().join("stderr"))
    }

    /// Runs a line as it was printed. What follows a log is interrupted after a while.
    pub(crate) fn line(&self, folder: &str, line: &str) -> Transcript {
        let program = format!("'{}' eg ", env!("CARGO_BIN_EXE_cargo-eg"));
        let mut line = line.replace("cargo eg ", &program);
        if line.contains(" --tail") {
            line = format!("timeout --preserve-status --signal INT 2 {line}");
        }
        Transcript::of(self.command("sh".as_ref(), folder).args(["-c", &line]).output().unwrap())
    }

    /// Makes the new package use the dependency versions of this repository, which are available without a network.
    pub(crate) fn lock(&self, folder: &str) {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
        std::fs::copy(ours, self.folder.path().join(folder).join("Cargo.lock")).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(path)).unwrap()
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        std::fs::write(self.folder.path().join(path), content).unwrap();
    }

    /// Replaces a text in a file, as in an editor.
    pub(crate) fn edit(&self, path: &str, old: &str, new: &str) {
        let text = self.read(path);
        assert!(text.contains(old), "{old} in {text}");
        self.write(path, &text.replace(old, new));
    }

    fn eg_command(&self, folder: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_cargo-eg")), folder);
        command.arg("eg").args(arguments);
        command
    }

    fn command(&self, program: &Path, folder: &str) -> Command {
        let mut command = Command::new(program);
        super::aws::forget_settings(&mut command);
        command
            .current_dir(self.folder.path().join(folder))
            .stdin(Stdio::null())
            // Shared by the tests and kept between their runs: eg-runtime is built once.
            .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("new"))
            // Nobody debugs it, and without debug information the build is a third shorter.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_TERM_QUIET", "true")
            .env("CARGO_NET_OFFLINE", "true")
            .env_remove("RUST_LOG")
            .env_remove("EVENT_GATEWAY_URL")
            .env_remove("EVENT_GATEWAY_CONFIG_URL")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}
