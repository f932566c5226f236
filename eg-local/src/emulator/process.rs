//! One process of a function: starts it in a process group of its own, copies its output to the log and makes sure that
//! it ends. Knows nothing of invocations.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::log::ProcessLog;
use super::output::Output;

/// How long the pipes of a killed process may stay open. A descendant that left the process group could hold them
/// forever.
const PIPES_CLOSE: Duration = Duration::from_millis(500);

/// More than the status of a process is long, in bytes, so that it is read at once.
const STATUS: usize = 8 * 1024;

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// The group leader's id. `None` once it was waited for, because the id may be reused then.
    group: Option<Pid>,
    /// The process's status file, if the system has one.
    status: Option<File>,
    output: Arc<Output>,
    /// The task that copies the output.
    reader: JoinHandle<()>,
}

impl Process {
    /// Starts `command`. Its lines go to `log`.
    pub(super) fn start(mut command: Command, log: Arc<ProcessLog>) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in the terminal must not end a function in the middle of a delivery: the
            // emulator stops it when the gateway has finished.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let output = Arc::new(Output::of(&mut child, log)?);
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let status = child.id().and_then(|id| File::open(format!("/proc/{id}/status")).ok());
        let followed = output.clone();
        let reader = tokio::spawn(async move { followed.follow().await });
        Ok(Self { child, group, status, output, reader })
    }

    /// Waits until the process ends by itself. Can be dropped and called again.
    pub(super) async fn exited(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.group = None;
        Ok(status)
    }

    /// Returns its exit status, if it has ended.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok()??;
        self.group = None;
        Some(status)
    }

    /// Copies everything that the process has printed up to now to its log.
    pub(super) fn catch_up(&self) {
        self.output.catch_up();
    }

    /// Returns its peak memory in megabytes. Known on Linux only.
    pub(super) fn peak_memory_mb(&self) -> Option<u64> {
        let mut status = [0; STATUS];
        let length = self.status.as_ref()?.read_at(&mut status, 0).ok()?;
        let status = str::from_utf8(&status[..length]).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kilobytes: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes.div_ceil(1024))
    }

    /// Kills it and its descendants, and waits for its end and its last lines.
    pub(super) async fn kill(&mut self) {
        self.kill_group();
        // Fails only for a process that was already waited for.
        let _ = self.child.wait().await;
        self.group = None;
        if !self.reader.is_finished() {
            let _ = tokio::time::timeout(PIPES_CLOSE, &mut self.reader).await;
        }
    }

    /// Sends SIGTERM to it and its descendants.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Freezes it until it is thawed.
    pub(super) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn kill_group(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // Fails only if the group no longer exists.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_group();
        self.reader.abort();
    }
}
