//! Reads what a process prints and cuts it into lines. Never waits for a line to be complete when
//! asked to catch up: a function may print half a line and answer.

use std::io;
use std::sync::Arc;

use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};

use super::log::{ProcessLog, Stream};

/// A longer line is cut: a process that never ends its line must not fill the memory.
const LONGEST_LINE: usize = 256 * 1024;

/// The most that is read from one pipe to catch up. Far more than a pipe holds, so only a process
/// that prints faster than we read can reach it.
const CATCH_UP: usize = 4 * 1024 * 1024;

/// Both pipes of a process.
#[derive(Debug)]
pub(super) struct Output {
    stdout: Pipe,
    stderr: Pipe,
}

#[derive(Debug)]
struct Pipe {
    /// `None` after its end.
    receiver: Option<Receiver>,
    stream: Stream,
    /// The line that has begun but not ended.
    begun: Vec<u8>,
}

impl Output {
    /// Takes the pipes of `child`, which must have been started with both piped.
    pub(super) fn of(child: &mut Child) -> io::Result<Self> {
        let missing = || io::Error::other("the process was started without pipes");
        let stdout = child.stdout.take().ok_or_else(missing)?.into_owned_fd()?;
        let stderr = child.stderr.take().ok_or_else(missing)?.into_owned_fd()?;
        Ok(Self {
            stdout: Pipe::new(Receiver::from_owned_fd(stdout)?, Stream::Stdout),
            stderr: Pipe::new(Receiver::from_owned_fd(stderr)?, Stream::Stderr),
        })
    }
}

/// Copies lines to `log` until both pipes end. Each request of `catch_up` is answered when what was
/// in the pipes at that moment is in the log.
pub(super) async fn read_output(
    mut output: Output,
    log: Arc<ProcessLog>,
    mut catch_up: mpsc::Receiver<oneshot::Sender<()>>,
) {
    loop {
        let Output { stdout, stderr } = &mut output;
        if stdout.receiver.is_none() && stderr.receiver.is_none() {
            return;
        }
        tokio::select! {
            () = stdout.readable() => { stdout.read(&log); }
            () = stderr.readable() => { stderr.read(&log); }
            Some(done) = catch_up.recv() => {
                stdout.catch_up(&log);
                stderr.catch_up(&log);
                // The asker may have been cancelled.
                let _ = done.send(());
            }
        }
    }
}

impl Pipe {
    fn new(receiver: Receiver, stream: Stream) -> Self {
        Self { receiver: Some(receiver), stream, begun: Vec::new() }
    }

    /// Waits for bytes or the end; for ever once the end has been seen.
    async fn readable(&self) {
        match &self.receiver {
            // An error shows again in the read that follows.
            Some(receiver) => drop(receiver.readable().await),
            None => std::future::pending().await,
        }
    }

    /// The process wrote its lines before it made the call that we are now handling, so the reactor
    /// has seen them first: reading until nothing is ready reads them all.
    fn catch_up(&mut self, log: &ProcessLog) {
        let mut total = 0;
        while total < CATCH_UP {
            match self.read(log) {
                0 => break,
                count => total += count,
            }
        }
        self.flush(log);
    }

    /// Reads once. 0: nothing there now, or the end.
    fn read(&mut self, log: &ProcessLog) -> usize {
        let Some(receiver) = &self.receiver else { return 0 };
        let mut buffer = [0; 8 * 1024];
        match receiver.try_read(&mut buffer) {
            Ok(count) if count > 0 => {
                self.take(&buffer[..count], log);
                count
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Ok(_) | Err(_) => {
                self.flush(log);
                self.receiver = None;
                0
            }
        }
    }

    fn take(&mut self, mut bytes: &[u8], log: &ProcessLog) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.begun.extend_from_slice(&bytes[..end]);
            log.printed(self.stream, &self.begun);
            self.begun.clear();
            bytes = &bytes[end + 1..];
        }
        self.begun.extend_from_slice(bytes);
        if self.begun.len() >= LONGEST_LINE {
            self.flush(log);
        }
    }

    fn flush(&mut self, log: &ProcessLog) {
        if !self.begun.is_empty() {
            log.printed(self.stream, &self.begun);
            self.begun.clear();
        }
    }
}
