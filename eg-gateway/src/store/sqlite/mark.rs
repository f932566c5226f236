//! Keeps the position of the store in a small file beside the database, so that a write-ahead log that lost its end, or
//! an older copy of the database, is noticed at the next start. `position` compares the two.
//!
//! # The order of writes
//! 1. A group of writes is committed: SQLite has synced its log.
//! 2. The position after it is written to the mark, and only then the callers get their answers.
//! 3. A thread syncs the mark at most every [`PAUSE`].
//!
//! So the mark never runs ahead of the log. While the machine runs, it covers every write that was acknowledged, however
//! the process ends. If power fails, the mark may lack the groups of the last [`PAUSE`]: they are in the log, which was
//! synced, and only a log that loses them as well would not be noticed.
//!
//! Claims and outcomes of attempts do not change the position. If they are lost with the end of the log, their deliveries
//! are made again, which is what happens after a crash in any case.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::StoreError;
use super::position::Position;
use crate::timestamp::Timestamp;

/// The name of the file in the directory of the store.
pub(super) const NAME: &str = "event-gateway.mark";

/// The name of a new one until it is complete.
pub(super) const NEW: &str = "event-gateway.mark.new";

/// The pause between two syncs of the mark.
const PAUSE: Duration = Duration::from_millis(20);

/// Positions are written to two blocks by turns, so that a torn write leaves the other one.
const BLOCK: u64 = 4096;

const MAGIC: &[u8; 8] = b"egmark 1";

/// Bytes of a position: magic, four numbers, and their checksum.
const LEN: usize = 8 + 4 * 8 + 4;

/// The mark of an open store.
#[derive(Debug)]
pub(crate) struct Mark {
    path: PathBuf,
    file: Arc<File>,
    position: Position,
    /// The block to write next.
    next: u64,
    /// Whether the last position may not be on disk, because writing or syncing failed.
    failed: Arc<AtomicBool>,
    /// Wakes the thread that syncs.
    written: Option<SyncSender<()>>,
}

impl Mark {
    /// Reads the position in the mark at `path`. Returns `None` if there is no mark.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::InvalidData`] if the mark contains no position.
    pub(super) fn read(path: &Path) -> io::Result<Option<Position>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let read = |block| {
            let mut bytes = [0; LEN];
            file.read_exact_at(&mut bytes, block * BLOCK).ok()?;
            decode(&bytes)
        };
        let positions: Vec<Position> = (0..2).filter_map(read).collect();
        if positions.len() == 1 {
            tracing::warn!("one of the two blocks of {} is damaged; the other one counts", path.display());
        }
        let newest = positions.into_iter().max_by_key(|position| (position.changes, position.event));
        newest.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it contains no position"))
    }

    /// Creates or replaces the mark at `path`. When this returns, it is on disk.
    pub(super) fn create(path: &Path, position: Position) -> io::Result<()> {
        let new = path.with_file_name(NEW);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        for block in 0..2 {
            file.write_all_at(&encode(&position), block * BLOCK)?;
        }
        file.set_len(2 * BLOCK)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Opens the mark at `path` for a run of the gateway that begins at `position`.
    pub(super) fn open(path: &Path, position: Position) -> io::Result<Self> {
        let file = Arc::new(OpenOptions::new().read(true).write(true).open(path)?);
        let mut mark =
            Self { path: path.to_owned(), file, position, next: 0, failed: Arc::default(), written: None };
        mark.write()?;
        mark.file.sync_data()?;
        Ok(mark)
    }

    /// Returns the last position.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Starts the thread that syncs the mark. It ends after the mark is dropped.
    pub(super) fn sync_in_background(&mut self) -> io::Result<()> {
        let (written, changes) = sync_channel(1);
        let (file, failed) = (Arc::clone(&self.file), Arc::clone(&self.failed));
        let sync = move || {
            for () in changes {
                if let Err(error) = file.sync_data() {
                    failed.store(true, Ordering::Relaxed);
                    tracing::error!(%error, "the mark of the store cannot be synced");
                }
                thread::sleep(PAUSE);
            }
        };
        thread::Builder::new().name("store-mark".to_owned()).spawn(sync)?;
        self.written = Some(written);
        Ok(())
    }

    /// Checks that the last position was written. If it was not, writes and syncs it again.
    pub(super) fn check(&mut self) -> Result<(), StoreError> {
        if !self.failed.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        self.write().and_then(|()| self.file.sync_data()).map_err(|error| {
            self.failed.store(true, Ordering::Relaxed);
            StoreError::Disk(format!("{}: {error}", self.path.display()))
        })
    }

    /// Writes the position after a group of writes that is on disk. If that fails, the next [`check`](Self::check)
    /// repeats it before another group is written.
    pub(crate) fn advance(&mut self, position: Position) {
        self.position = position;
        if let Err(error) = self.write() {
            self.failed.store(true, Ordering::Relaxed);
            tracing::error!(%error, "the mark of the store cannot be written");
        }
        if let Some(written) = &self.written {
            // If the channel is full, the thread syncs this position, too.
            let _ = written.try_send(());
        }
    }

    /// Syncs the mark, before the store is closed.
    pub(super) fn close(self) {
        if let Err(error) = self.file.sync_data() {
            tracing::error!(%error, "the mark of the store cannot be synced");
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let block = self.next;
        self.next = 1 - block;
        self.file.write_all_at(&encode(&self.position), block * BLOCK)
    }
}

fn encode(position: &Position) -> [u8; LEN] {
    let Position { run, changes, event, at } = position;
    let mut bytes = [0; LEN];
    bytes[..8].copy_from_slice(MAGIC);
    for (at, number) in (8..).step_by(8).zip([*run, *changes, *event, at.as_millis()]) {
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    let checksum = crc32fast::hash(&bytes[..LEN - 4]);
    bytes[LEN - 4..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; LEN]) -> Option<Position> {
    let (content, checksum) = bytes.split_last_chunk()?;
    if !content.starts_with(MAGIC) || crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let mut numbers = content[8..].as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
    let [run, changes, event, at] = std::array::from_fn(|_| numbers.next().unwrap_or_default());
    Some(Position { run, changes, event, at: Timestamp::from_millis(at) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(event: i64) -> Position {
        Position { run: -5, changes: 3, event, at: Timestamp::from_millis(event * 1000) }
    }

    #[test]
    fn the_newest_position_is_read_even_if_the_other_block_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        assert!(matches!(Mark::read(&path), Ok(None)));
        Mark::create(&path, at(0)).unwrap();
        assert_eq!(Mark::read(&path).unwrap(), Some(at(0)));
        let mut mark = Mark::open(&path, at(1)).unwrap();
        for event in 2..6 {
            mark.advance(at(event));
            assert_eq!(Mark::read(&path).unwrap(), Some(at(event)));
        }
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        for (block, left) in [(0, Some(at(4))), (1, None)] {
            // One bit of the number of changes.
            let mut byte = [0];
            file.read_exact_at(&mut byte, block * BLOCK + 16).unwrap();
            file.write_all_at(&[byte[0] ^ 8], block * BLOCK + 16).unwrap();
            assert_eq!(Mark::read(&path).ok().flatten(), left);
        }
        assert_eq!(Mark::read(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        fs::write(&path, "").unwrap();
        assert_eq!(Mark::read(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_position_that_could_not_be_synced_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        Mark::create(&path, at(0)).unwrap();
        let mut mark = Mark::open(&path, at(1)).unwrap();
        mark.failed.store(true, Ordering::Relaxed);
        mark.file.write_all_at(&[0; LEN], 0).unwrap();
        mark.check().unwrap();
        assert_eq!(Mark::read(&path).unwrap(), Some(at(1)));
        mark.file = Arc::new(File::open(&path).unwrap());
        mark.advance(at(2));
        assert!(matches!(mark.check(), Err(StoreError::Disk(_))), "the file cannot be written");
    }
}
