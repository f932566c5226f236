//! Copies what a process prints to its log, line by line. Leaves it to the invocation when the log must be complete.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;

use super::log::ProcessLog;
use super::printed::Stream;

/// Longer lines are cut, in bytes: a process that never ends its line must not fill the memory.
const LONGEST_LINE: usize = 256 * 1024;

/// The most that [`Output::catch_up`] reads from one pipe, in bytes. Far more than a pipe holds, so only a process that
/// prints faster than we read can reach it.
const CATCH_UP: usize = 4 * 1024 * 1024;

/// Both pipes of a process.
#[derive(Debug)]
pub(super) struct Output {
    stdout: Pipe,
    stderr: Pipe,
    log: Arc<ProcessLog>,
}

#[derive(Debug)]
struct Pipe {
    receiver: Receiver,
    stream: Stream,
    /// The unfinished line. Locked while bytes are read, so that they stay in order.
    line: Mutex<Vec<u8>>,
}

/// The result of one read.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Bytes(usize),
    NothingNow,
    End,
}

impl Output {
    /// Takes the pipes of `child`, which must have been started with both piped.
    pub(super) fn of(child: &mut Child, log: Arc<ProcessLog>) -> io::Result<Self> {
        let missing = || io::Error::other("the process was started without pipes");
        let stdout = child.stdout.take().ok_or_else(missing)?.into_owned_fd()?;
        let stderr = child.stderr.take().ok_or_else(missing)?.into_owned_fd()?;
        Ok(Self {
            stdout: Pipe::new(Receiver::from_owned_fd(stdout)?, Stream::Stdout),
            stderr: Pipe::new(Receiver::from_owned_fd(stderr)?, Stream::Stderr),
            log,
        })
    }

    /// Copies lines as they are printed, until both pipes end.
    pub(super) async fn follow(&self) {
        tokio::join!(self.stdout.follow(&self.log), self.stderr.follow(&self.log));
    }

    /// Copies what the process has printed up to now, including a line that has not ended: a function may print half a
    /// line and answer.
    pub(super) fn catch_up(&self) {
        self.stdout.catch_up(&self.log);
        self.stderr.catch_up(&self.log);
    }
}

impl Pipe {
    fn new(receiver: Receiver, stream: Stream) -> Self {
        Self { receiver, stream, line: Mutex::default() }
    }

    async fn follow(&self, log: &ProcessLog) {
        while self.receiver.readable().await.is_ok() {
            if self.read(log, |buffer| self.receiver.try_read(buffer)) == Found::End {
                return;
            }
        }
    }

    /// Reads the pipe itself, because tokio may not have seen yet that there is something to read.
    fn catch_up(&self, log: &ProcessLog) {
        let mut total = 0;
        while total < CATCH_UP {
            match self.read(log, |buffer| Ok(rustix::io::read(&self.receiver, buffer)?)) {
                Found::Bytes(count) => total += count,
                Found::NothingNow | Found::End => break,
            }
        }
        self.flush(log, &mut self.line());
    }

    /// Reads once, with `read`, and copies the lines that are complete.
    fn read(&self, log: &ProcessLog, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> Found {
        let mut line = self.line();
        let mut buffer = [0; 8 * 1024];
        match read(&mut buffer) {
            Ok(count) if count > 0 => {
                self.take(&buffer[..count], log, &mut line);
                Found::Bytes(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Found::NothingNow,
            Ok(_) | Err(_) => {
                self.flush(log, &mut line);
                Found::End
            }
        }
    }

    fn take(&self, mut bytes: &[u8], log: &ProcessLog, line: &mut Vec<u8>) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            line.extend_from_slice(&bytes[..end]);
            log.printed(self.stream, line);
            line.clear();
            bytes = &bytes[end + 1..];
        }
        line.extend_from_slice(bytes);
        if line.len() >= LONGEST_LINE {
            self.flush(log, line);
        }
    }

    fn flush(&self, log: &ProcessLog, line: &mut Vec<u8>) {
        if !line.is_empty() {
            log.printed(self.stream, line);
            line.clear();
        }
    }

    fn line(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
