//! Copies the write-ahead log into the database on a thread of its own, so that nobody's write waits for it. `writer` runs
//! the writes.
//!
//! SQLite begins its log anew only when a copy has reached the end of it. While writes go on, the thread never gets there.
//! So the writer copies what was written since the thread was done, which are few pages.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::StoreError;
use super::schema::CHECKPOINT_PAGES;

/// The length of the log at which the writer does not leave the copy to the thread any more.
const LONGEST: u32 = 4 * CHECKPOINT_PAGES;

/// The pause between two copies. A reader that needs an old part of the log keeps the thread from reaching the end.
const PAUSE: Duration = Duration::from_millis(20);

/// The log of an open store, as its writer sees it.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// The pages in the log after the last commit.
    pages: Arc<AtomicU32>,
    /// Whether the thread has copied all that was in the log when it began.
    copied: Arc<AtomicBool>,
    /// Held by the thread while it copies.
    copying: Arc<Mutex<()>>,
    /// Wakes the thread. `None` while this is dropped.
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts the thread for the database at `path`, to which `writer` is connected.
    pub(super) fn start(writer: &mut Connection, path: &Path) -> Result<Self, StoreError> {
        let (pages, copied) = (Arc::<AtomicU32>::default(), Arc::<AtomicBool>::default());
        let counted = Arc::clone(&pages);
        // Takes the place of SQLite's own hook, which copies during the commit.
        let hook = move |_: &mut Wal, pages: i32| {
            counted.store(u32::try_from(pages).unwrap_or_default(), Ordering::Relaxed);
            Ok(())
        };
        writer.wal_hook(Some(hook))?;
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let (wake, woken) = sync_channel(1);
        let (copying, done) = (Arc::<Mutex<()>>::default(), Arc::clone(&copied));
        let held = Arc::clone(&copying);
        let thread = thread::Builder::new().name("store-checkpoint".to_owned());
        let thread = thread.spawn(move || run(&connection, &woken, &held, &done));
        let thread = thread.map_err(|error| StoreError::Failed(format!("cannot start a thread: {error}")))?;
        Ok(Self { pages, copied, copying, wake: Some(wake), thread: Some(thread) })
    }

    /// Copies the log if it is long. The writer calls this when all callers have their answers.
    pub(super) fn committed(&self, writer: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < CHECKPOINT_PAGES {
            return;
        }
        let longest = pages >= LONGEST;
        if self.copied.swap(false, Ordering::Acquire) || longest {
            // So that the log does not grow without end, the writer waits for a thread that is too slow.
            let _copied = longest.then(|| self.copying.lock().unwrap_or_else(PoisonError::into_inner));
            if let Err(error) = copy(writer) {
                tracing::error!(%error, "the log of the store cannot be copied into the database");
            }
        } else if let Some(wake) = &self.wake {
            // If the channel is full, the thread is about to begin anyway.
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            // Fails only if the thread panicked, which the panic hook has reported.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>, copying: &Mutex<()>, copied: &AtomicBool) {
    for () in woken {
        let copying = copying.lock().unwrap_or_else(PoisonError::into_inner);
        let result = copy(connection);
        drop(copying);
        match result {
            Ok(whole) => copied.store(whole, Ordering::Release),
            Err(error) => tracing::error!(%error, "the log of the store cannot be copied into the database"),
        }
        thread::sleep(PAUSE);
    }
}

/// Copies as much of the log as possible without waiting for anybody. Returns whether that was all of it.
fn copy(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        let [busy, log, copied]: [i64; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
        Ok(busy == 0 && log == copied)
    })
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    /// SQLite copied the log during a commit, and everybody waited.
    #[test]
    fn the_log_is_copied_beside_the_writes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let mut writer = schema::open(&path).unwrap();
        writer.pragma_update(None, "synchronous", "OFF").unwrap();
        writer.execute_batch("CREATE TABLE t (content BLOB)").unwrap();
        let checkpoints = Checkpoints::start(&mut writer, &path).unwrap();
        let page: u32 = writer.query_row("PRAGMA page_size", [], |row| row.get(0)).unwrap();
        let (mut rows, mut longest) = (0, 0);
        // Until the log has begun anew several times.
        let mut anew = 0;
        while anew < 3 {
            let before = checkpoints.pages.load(Ordering::Relaxed);
            writer.execute("INSERT INTO t VALUES (zeroblob(200000))", []).unwrap();
            rows += 1;
            checkpoints.committed(&writer);
            let pages = checkpoints.pages.load(Ordering::Relaxed);
            longest = longest.max(pages);
            anew += u32::from(pages < before);
        }
        assert!((CHECKPOINT_PAGES..LONGEST + 100).contains(&longest), "{longest} pages");
        let log = std::fs::metadata(path.with_file_name("db-wal")).unwrap().len();
        assert!(log < u64::from(LONGEST + 100) * u64::from(page + 24) + 32, "{log} bytes");
        drop(checkpoints);
        let found: u32 = writer.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(found, rows);
    }
}
