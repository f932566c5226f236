//! Records when log lines were written, in a small file beside the log with one entry per second, because Lambda's
//! lines have no times.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::private;

/// The interval of entries in milliseconds, which is also the precision of a search.
const STEP: i64 = 1000;

/// The entries of one log.
#[derive(Debug)]
pub(super) struct Times {
    file: File,
    /// The time of the last entry of this run.
    last: Option<i64>,
}

impl Times {
    pub(super) fn open(log: &Path) -> io::Result<Self> {
        let file = private::append_to(&path_of(log))?;
        Ok(Self { file, last: None })
    }

    /// Adds an entry before a line is added to `log`. A full disk loses entries, never an invocation.
    pub(super) fn note(&mut self, log: &File, now: SystemTime) {
        let now = millis(now);
        if self.last.is_some_and(|last| (last..last + STEP).contains(&now)) {
            return;
        }
        if let Ok(metadata) = log.metadata() {
            let _ = writeln!(self.file, "{now} {}", metadata.len());
            self.last = Some(now);
        }
    }
}

/// Returns the offset of the lines printed since `time` (milliseconds since 1970), up to a second earlier.
///
/// # Errors
/// If the log or the file with its times cannot be read.
pub fn offset_since(log: &Path, time: i64) -> io::Result<u64> {
    let end = log.metadata()?.len();
    let times = times(log)?;
    if times.is_empty() {
        return Ok(0);
    }
    let first = times.into_iter().find(|(at, _)| *at > time.saturating_sub(STEP));
    Ok(first.map_or(end, |(_, offset)| offset.min(end)))
}

/// Returns the entries of a log: a time in milliseconds since 1970, and the offset of the lines printed from then on.
/// Empty if the log has no times.
///
/// # Errors
/// If the file with the times cannot be read.
pub fn times(log: &Path) -> io::Result<Vec<(i64, u64)>> {
    let entries = match std::fs::read_to_string(path_of(log)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let entry = |line: &str| {
        let (at, offset) = line.split_once(' ')?;
        Some((at.parse().ok()?, offset.parse().ok()?))
    };
    Ok(entries.lines().filter_map(entry).collect())
}

fn path_of(log: &Path) -> PathBuf {
    log.with_extension("times")
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_log_is_found_by_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.create.log");
        let mut log = private::append_to(&path).unwrap();
        assert_eq!(offset_since(&path, 0).unwrap(), 0, "no times yet");
        let mut times = Times::open(&path).unwrap();
        for second in [100, 100, 102, 200] {
            times.note(&log, SystemTime::UNIX_EPOCH + Duration::from_secs(second));
            log.write_all(b"0123456789").unwrap();
        }
        for (since, expected) in
            [(0, 0), (100_500, 0), (101_500, 20), (103_000, 30), (200_500, 30), (300_000, 40)]
        {
            assert_eq!(offset_since(&path, since).unwrap(), expected, "{since}");
        }
    }
}
