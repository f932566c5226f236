//! Copies the database of an open store into a file of its own. `writer` copies it between writes, and `salvage` makes a
//! store of such a file again.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, params};

use super::open::{file_error, private_file};
use super::{Store, StoreError};
use crate::timestamp::Timestamp;

/// The name of the copy in the directory of the store, until it is complete.
const COPY: &str = "event-gateway.backup";

/// Resets a flag when it is dropped.
struct Reset<'a>(&'a AtomicBool);

impl Drop for Reset<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Store {
    /// Returns a backup: an open file without a name, which contains every write that was acknowledged before the call.
    ///
    /// # Errors
    /// Returns [`StoreError::Busy`] if another backup is being made.
    pub(crate) async fn backup(&self, now: Timestamp) -> Result<File, StoreError> {
        if self.backing_up.swap(true, Ordering::Acquire) {
            return Err(StoreError::Busy);
        }
        let _reset = Reset(&self.backing_up);
        let path = self.dir.join(COPY);
        // The copy of a process that was killed may still be there.
        let _ = fs::remove_file(&path);
        private_file(&path).map_err(|error| file_error(&path, &error))?;
        self.writer.copy(path.clone()).await?;
        let finish = move || finish(&path, now);
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
