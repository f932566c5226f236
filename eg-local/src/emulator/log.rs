//! Writes a function's log file, and keeps the tail that callers and error messages quote. Does not interpret lines;
//! `printed` passes them on.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::log_times::Times;
use super::printed::{OutputObserver, Stream};
use crate::private;

/// The size of the log tail for `X-Amz-Log-Type: Tail`, in bytes.
const TAIL: usize = 4 * 1024;

/// The number of last stderr lines that explain a failed start.
const LAST_WORDS: usize = 12;

/// The log file of one function, shared by all its processes. Keeps the lines of earlier runs.
#[derive(Debug)]
pub(super) struct FunctionLog {
    /// The function's id.
    id: String,
    file: Mutex<(File, Times)>,
    output: OutputObserver,
}

/// The log of one process.
#[derive(Debug)]
pub(super) struct ProcessLog {
    function: Arc<FunctionLog>,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    /// The last bytes since the start of the invocation, at most [`TAIL`].
    tail: Vec<u8>,
    last_words: VecDeque<String>,
}

impl FunctionLog {
    /// Opens the log of the function `id`. What it prints is also reported to `output`.
    pub(super) fn open(path: &Path, id: String, output: OutputObserver) -> io::Result<Self> {
        let file = private::append_to(path)?;
        let times = Times::open(path)?;
        Ok(Self { id, file: Mutex::new((file, times)), output })
    }

    /// Reports a line to the observer of the output.
    pub(super) fn report(&self, stream: Stream, line: &[u8]) {
        self.output.report(&self.id, stream, line);
    }

    /// Appends lines. A full disk loses log lines, never an invocation.
    fn write(&self, lines: &[u8]) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, times) = &mut *file;
        times.note(file, SystemTime::now());
        let _ = file.write_all(lines);
    }
}

impl ProcessLog {
    pub(super) fn new(function: Arc<FunctionLog>) -> Self {
        Self { function, recent: Mutex::default() }
    }

    /// Writes a line of Lambda, without line end.
    pub(super) fn line(&self, text: &str) {
        self.lines(&[text]);
    }

    /// Writes several lines of Lambda together, without line ends.
    pub(super) fn lines(&self, lines: &[&str]) {
        self.append(lines.join("\n").as_bytes());
    }

    /// Writes a line that the process printed, without line end.
    pub(super) fn printed(&self, stream: Stream, line: &[u8]) {
        self.append(line);
        self.function.report(stream, line);
        if stream == Stream::Stderr {
            let mut recent = self.recent();
            if recent.last_words.len() == LAST_WORDS {
                recent.last_words.pop_front();
            }
            recent.last_words.push_back(String::from_utf8_lossy(line).into_owned());
        }
    }

    /// Writes the first line of an invocation and starts its tail.
    pub(super) fn begin(&self, first: &str) {
        self.recent().tail.clear();
        self.line(first);
    }

    /// Returns the last lines since [`begin`](Self::begin), at most 4 KB.
    pub(super) fn tail(&self) -> Vec<u8> {
        self.recent().tail.clone()
    }

    /// Returns the last lines that the process printed on stderr.
    pub(super) fn last_words(&self) -> Vec<String> {
        self.recent().last_words.iter().cloned().collect()
    }

    fn append(&self, lines: &[u8]) {
        let mut whole = Vec::with_capacity(lines.len() + 1);
        whole.extend_from_slice(lines);
        whole.push(b'\n');
        self.function.write(&whole);
        let mut recent = self.recent();
        recent.tail.extend_from_slice(&whole);
        let surplus = recent.tail.len().saturating_sub(TAIL);
        recent.tail.drain(..surplus);
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_four_kilobytes_of_one_invocation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.log");
        std::fs::write(&path, "from an earlier run\n").unwrap();
        let reported = Arc::new(Mutex::new(Vec::new()));
        let output = OutputObserver::new({
            let reported = reported.clone();
            move |printed| {
                let line = (printed.function.to_owned(), printed.stream, printed.line.to_owned());
                reported.lock().unwrap().push(line);
            }
        });
        let log = ProcessLog::new(Arc::new(FunctionLog::open(&path, "f".to_owned(), output).unwrap()));

        log.line("before");
        log.begin("the start");
        log.printed(Stream::Stdout, &[b'x'; 5000]);
        log.printed(Stream::Stderr, b"the end");

        let tail = log.tail();
        assert_eq!(tail.len(), TAIL);
        assert!(tail.ends_with(b"x\nthe end\n"));
        assert_eq!(log.last_words(), ["the end"]);
        let file = std::fs::read_to_string(&path).unwrap();
        assert!(file.starts_with("from an earlier run\nbefore\nthe start\nxxx"));
        let of = |stream, line: &[u8]| ("f".to_owned(), stream, line.to_owned());
        assert_eq!(
            *reported.lock().unwrap(),
            [of(Stream::Stdout, &[b'x'; 5000]), of(Stream::Stderr, b"the end")],
            "only what the function prints is reported"
        );
    }
}
