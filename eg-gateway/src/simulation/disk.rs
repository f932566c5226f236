//! Simulates a disk that fails and loses power, below a real database. A crash leaves what was synced and any part of
//! what was being written.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::Action;
use tempfile::TempDir;

use super::machine::Machine;
use crate::store::sqlite::Idle;
use crate::timestamp::Timestamp;

/// The ways in which a commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The disk reports an error; the process continues.
    Failed,
    /// Power fails before anything is written.
    Before,
    /// Power fails in the middle: the last writes are incomplete, or some of their bytes are garbage.
    Torn,
    /// Power fails after the commit, before anyone is notified.
    After,
}

/// Steps of SQLite's virtual machine between two chances for the disk to fail.
const STEPS_PER_CHANCE: i32 = 1000;

/// The disk as SQLite's hooks see it.
#[derive(Debug, Default)]
struct Hooks {
    /// Whether faults happen; switched off at the end of a history.
    faulty: bool,
    /// How the last commit failed, if it did.
    fault: Option<Fault>,
    /// The deliveries that changed since the last query.
    changed: BTreeSet<i64>,
    /// Whether rows of events were added since the last query, and whether other rows were changed.
    accepted: bool,
    altered: bool,
}

pub(super) struct Disk {
    dir: TempDir,
    generation: u32,
    machine: Arc<Machine>,
    hooks: Arc<Mutex<Hooks>>,
}

impl Disk {
    pub(super) fn new(machine: &Arc<Machine>) -> Self {
        // In memory if possible: only the order of the writes matters, which the faults use.
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self { dir: dir.unwrap(), generation: 0, machine: Arc::clone(machine), hooks: Arc::default() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(self.generation.to_string())
    }

    /// Opens the store as the gateway does, but without the writer thread.
    pub(super) fn open(&self, now: Timestamp) -> Idle {
        let mut idle = crate::store::sqlite::SqliteStore::open_idle(&self.path(), now).unwrap();
        let connection = &mut idle.connection;
        // The history determines the checkpoints. They happen between commits, as they do with a single writer.
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        let (hooks, machine) = (Arc::clone(&self.hooks), Arc::clone(&self.machine));
        // If this hook returns `true`, SQLite rolls the transaction back and reports an error.
        let commit = move || {
            let mut hooks = hooks.lock().unwrap();
            hooks.fault = if hooks.faulty { machine.choose(|rng| fault(rng.u32(..1000))) } else { None };
            matches!(hooks.fault, Some(Fault::Failed | Fault::Before))
        };
        connection.commit_hook(Some(commit)).unwrap();
        let (hooks, machine) = (Arc::clone(&self.hooks), Arc::clone(&self.machine));
        // Ends a statement, and usually its transaction too, as a full disk does.
        let interrupt = move || hooks.lock().unwrap().faulty && machine.choose(|rng| rng.u32(..100) == 0);
        connection.progress_handler(STEPS_PER_CHANCE, Some(interrupt)).unwrap();
        let hooks = Arc::clone(&self.hooks);
        let changed = move |action, _: &str, table: &str, row| {
            let mut hooks = hooks.lock().unwrap();
            if table == "deliveries" {
                hooks.changed.insert(row);
            }
            let added = action == Action::SQLITE_INSERT;
            hooks.accepted |= added && table == "events";
            hooks.altered |= !(added && matches!(table, "events" | "deliveries"));
        };
        connection.update_hook(Some(changed)).unwrap();
        idle
    }

    /// Opens a second connection to the database, to read what is recorded.
    pub(super) fn look(&self) -> Connection {
        let connection = Connection::open(self.path().join("event-gateway.db")).unwrap();
        // As in the store, statements are compiled once.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
        connection
    }

    pub(super) fn set_faulty(&self, faulty: bool) {
        self.hooks.lock().unwrap().faulty = faulty;
    }

    /// Returns how the last commit failed, if it did.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.hooks.lock().unwrap().fault.take()
    }

    /// Returns whether all writes since the last call accepted events, as far as the rows show it.
    pub(super) fn accepts_only(&self) -> bool {
        let mut hooks = self.hooks.lock().unwrap();
        std::mem::take(&mut hooks.accepted) & !std::mem::take(&mut hooks.altered)
    }

    /// Returns the deliveries that changed since the last call.
    pub(super) fn changed(&self) -> BTreeSet<i64> {
        std::mem::take(&mut self.hooks.lock().unwrap().changed)
    }

    /// Ends the process without closing anything: the next one finds a copy of the files as they are. Data written
    /// after `synced` may be partly missing or corrupt.
    pub(super) fn crash(&mut self, synced: Option<u64>) {
        let from = self.path();
        self.generation += 1;
        let to = self.path();
        fs::create_dir(&to).unwrap();
        for name in ["event-gateway.db", "event-gateway.db-wal", "event-gateway.mark"] {
            if from.join(name).exists() {
                fs::copy(from.join(name), to.join(name)).unwrap();
            }
        }
        fs::remove_dir_all(from).unwrap();
        if let Some(synced) = synced {
            self.tear(synced);
        }
    }

    fn log(&self) -> PathBuf {
        self.path().join("event-gateway.db-wal")
    }

    /// Returns the length of the write-ahead log.
    pub(super) fn log_len(&self) -> u64 {
        fs::metadata(self.log()).map_or(0, |metadata| metadata.len())
    }

    /// Truncates or corrupts what was written after the last sync.
    fn tear(&self, synced: u64) {
        let written = self.log_len();
        if written <= synced {
            return;
        }
        let (at, cut, bit) = self.machine.choose(|rng| (rng.u64(synced..written), rng.bool(), rng.u32(..8)));
        if cut {
            OpenOptions::new().write(true).open(self.log()).unwrap().set_len(at).unwrap();
        } else {
            let mut bytes = fs::read(self.log()).unwrap();
            bytes[usize::try_from(at).unwrap()] ^= 1 << bit;
            fs::write(self.log(), bytes).unwrap();
        }
    }
}

/// Returns the fault of a commit for a random number from 0 to 999.
fn fault(chance: u32) -> Option<Fault> {
    match chance {
        0..20 => Some(Fault::Failed),
        20..24 => Some(Fault::Before),
        24..30 => Some(Fault::Torn),
        30..34 => Some(Fault::After),
        _ => None,
    }
}
