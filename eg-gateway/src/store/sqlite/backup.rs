//! Copies the database of an open store into a file of its own. `writer` copies it between writes, and `salvage` makes a
//! store of such a file again.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, params};

use super::faults::file_error;
use super::open::private_file;
use super::{SqliteStore, StoreError};
use crate::timestamp::Timestamp;

/// The name of the copy in the directory of the store, until it is complete.
pub(super) const COPY: &str = "event-gateway.backup";

/// A backup that is being made. Whatever ends it, its copy is removed, and another one may begin.
struct Making<'a> {
    is_made: &'a AtomicBool,
    copy: &'a Path,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        // A finished copy has no name any more.
        let _ = fs::remove_file(self.copy);
        self.is_made.store(false, Ordering::Release);
    }
}

impl SqliteStore {
    pub(in crate::store) async fn backup(&self, now: Timestamp) -> Result<File, StoreError> {
        if self.backing_up.swap(true, Ordering::Acquire) {
            return Err(StoreError::Busy);
        }
        let path = self.dir.join(COPY);
        let _making = Making { is_made: &self.backing_up, copy: &path };
        private_file(&path).map_err(|error| file_error(&path, &error))?;
        self.writer.copy(path.clone()).await?;
        let copy = path.clone();
        let finish = move || finish(&copy, now);
        tokio::task::spawn_blocking(finish).await.map_err(|error| StoreError::Disk(error.to_string()))?
    }
}

/// Marks a copy as a backup, and takes its name away.
fn finish(path: &Path, now: Timestamp) -> Result<File, StoreError> {
    let copy = Connection::open(path)?;
    // Without a write-ahead log, the backup is one file.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    let backup = "INSERT OR REPLACE INTO counters (space, name, value) VALUES ('', 'backup', ?1)";
    copy.execute(backup, params![now])?;
    drop(copy);
    let file = File::open(path).map_err(|error| file_error(path, &error))?;
    fs::remove_file(path).map_err(|error| file_error(path, &error))?;
    Ok(file)
}
