//! A real database on a disk that fails and loses power. What a crash leaves behind is what was synced, and any part of
//! what was being written.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use fastrand::Rng;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::store::{StoreError, deliveries, open_database};

/// How a commit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The disk reports an error; the process goes on.
    Failed,
    /// Power fails before anything is written.
    Before,
    /// Power fails in the middle: a part of the last writes is there, or some of it is garbage.
    Torn,
    /// Power fails after the commit, before anybody hears of it.
    After,
}

/// What a caller sees of a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Commit<T> {
    Done(T),
    Failed,
    /// The process is gone; `recover` starts the next one.
    Crashed,
}

pub(super) struct Disk {
    dir: TempDir,
    generation: u32,
    connection: Option<Connection>,
    /// Switched off when a history comes to its end.
    pub(super) faulty: bool,
}

impl Disk {
    pub(super) fn new() -> Self {
        // In memory where possible: what matters is the order of writes, which the faults play with.
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let mut disk = Self { dir: dir.unwrap(), generation: 0, connection: None, faulty: true };
        fs::create_dir(disk.path()).unwrap();
        disk.open();
        disk
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(self.generation.to_string())
    }

    fn open(&mut self) {
        let connection = open_database(&self.path().join("db")).unwrap();
        // Checkpoints happen when the history says so: between commits, as with one writer they do.
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        self.connection = Some(connection);
    }

    pub(super) fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("open between `recover` and the next crash")
    }

    /// One transaction.
    pub(super) fn commit<T>(
        &mut self,
        rng: &mut Rng,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Commit<T> {
        let fault = match rng.u32(..100) {
            _ if !self.faulty => Fault::None,
            0..3 => Fault::Failed,
            3..5 => Fault::Before,
            5..8 => Fault::Torn,
            8..10 => Fault::After,
            _ => Fault::None,
        };
        let synced = self.log_len();
        let transaction = self.connection.as_mut().expect("open").transaction().unwrap();
        let result = work(&transaction).unwrap();
        match fault {
            Fault::Failed => {
                transaction.rollback().unwrap();
                return Commit::Failed;
            }
            Fault::Before => {
                transaction.rollback().unwrap();
                self.crash();
                return Commit::Crashed;
            }
            Fault::None | Fault::Torn | Fault::After => transaction.commit().unwrap(),
        }
        match fault {
            Fault::None => Commit::Done(result),
            _ => {
                self.crash();
                if fault == Fault::Torn {
                    self.tear(rng, synced);
                }
                Commit::Crashed
            }
        }
    }

    /// Moves the log into the database.
    pub(super) fn checkpoint(&self) {
        self.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }

    /// Ends the process without closing anything: the next one finds a copy of the files as they are.
    pub(super) fn crash(&mut self) {
        let from = self.path();
        self.generation += 1;
        let to = self.path();
        fs::create_dir(&to).unwrap();
        for name in ["db", "db-wal"] {
            if from.join(name).exists() {
                fs::copy(from.join(name), to.join(name)).unwrap();
            }
        }
        self.connection = None;
        fs::remove_dir_all(from).unwrap();
    }

    /// Starts the next process, as `Store::open` does.
    pub(super) fn recover(&mut self, now: i64, repair: bool) -> Result<(), StoreError> {
        self.open();
        if repair {
            deliveries::recover(self.connection.as_mut().expect("just opened"), now)?;
        }
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.path().join("db-wal")
    }

    fn log_len(&self) -> u64 {
        fs::metadata(self.log()).map_or(0, |metadata| metadata.len())
    }

    /// Cuts or spoils what was written after the last sync.
    fn tear(&self, rng: &mut Rng, synced: u64) {
        let written = self.log_len();
        if written <= synced {
            return;
        }
        let at = rng.u64(synced..written);
        if rng.bool() {
            OpenOptions::new().write(true).open(self.log()).unwrap().set_len(at).unwrap();
        } else {
            let mut bytes = fs::read(self.log()).unwrap();
            let at = usize::try_from(at).unwrap();
            bytes[at] ^= 1 << rng.u32(..8);
            fs::write(self.log(), bytes).unwrap();
        }
    }
}
