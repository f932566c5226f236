//! Opens a store: takes its lock, compares the database with the mark, and prepares both for a run of the gateway. It
//! changes no file of a store that is not what the gateway left.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::faults::{OpenError, file_error};
use super::log::{self, PAGE};
use super::mark::{self, Mark};
use super::place::Place;
use super::position::{Found, Position, begin, compare, recorded};
use super::readers::Readers;
use super::writer::Writer;
use super::{Idle, SqliteStore, StoreError, backup, config, schema, size, suspects};
use crate::store::room::Room;
use crate::timestamp::Timestamp;

/// The name of the database in the directory of a store.
pub(super) const DATABASE: &str = "event-gateway.db";

/// The name of its write-ahead log.
pub(super) const LOG: &str = "event-gateway.db-wal";

/// The name of the index of that log.
const INDEX: &str = "event-gateway.db-shm";

/// The name of the file that locks a store.
const LOCK: &str = "lock";

/// The first format that counts its changes. `schema` migrates older ones.
const COUNTED_SINCE: i64 = 4;

impl SqliteStore {
    /// Opens the store in `dir`, as [`Store::in_directory`](crate::store::Store::in_directory) does.
    pub(crate) fn open(dir: &Path, now: Timestamp) -> Result<Self, StoreError> {
        let Idle { mut store, connection, queue, mark } = Self::open_idle(dir, now)?;
        store.readers.threads = true;
        let (place, health) = (Arc::clone(&store.place), Arc::clone(&store.health));
        store.writer.start(connection, queue, mark, place, health)?;
        Ok(store)
    }

    /// Opens the store without starting the writer thread. Queries run in place.
    pub(crate) fn open_idle(dir: &Path, now: Timestamp) -> Result<Idle, StoreError> {
        Self::prepared(dir, now).map_err(|error| error.explained(dir))
    }

    fn prepared(dir: &Path, now: Timestamp) -> Result<Idle, OpenError> {
        if !dir.is_dir() {
            let created = DirBuilder::new().recursive(true).mode(0o700).create(dir);
            created.map_err(|error| file_error(dir, &error))?;
        }
        let lock = lock(dir)?;
        let (path, mark_path) = (dir.join(DATABASE), dir.join(mark::NAME));
        let mut connection = examine(dir)?;
        // The copy of a process that was killed is of no use, and may be large.
        let _ = fs::remove_file(dir.join(backup::COPY));
        let run = fastrand::i64(1..);
        if !mark_path.exists() {
            let nothing = Position { run, changes: 0, event: 0, at: now };
            Mark::create(&mark_path, nothing).map_err(|error| file_error(&mark_path, &error))?;
        }
        schema::prepare(&mut connection, &path)?;
        suspects::recover(&mut connection, now)?;
        let position = begin(&mut connection, run, now)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        let mark = Mark::open(&mark_path, position).map_err(|error| file_error(&mark_path, &error))?;
        let readers = Readers::open(&path)?;
        let room = Arc::<Room>::default();
        room.measured(size::used(&connection)?);
        let (writer, queue) = Writer::new(Arc::clone(&room));
        let place = Arc::new(Place::new([path, dir.join(LOG), mark_path, dir.join(LOCK)]));
        let (health, sweeps, version, members, backing_up) = Default::default();
        let (dir, lock) = (Arc::from(dir), Arc::new(lock));
        let store =
            Self { writer, readers, place, room, health, sweeps, version, dir, members, backing_up, lock };
        Ok(Idle { store, connection, queue, mark })
    }
}

/// The lock of a store, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Ends the lock. To close the file is not enough: a process that another thread is about to start has it open, too.
    pub(super) fn end(&self) {
        // It was locked, so nothing can be wrong but the disk, and closing the file also ends the lock.
        let _ = self.0.unlock();
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.end();
    }
}

/// Locks the store in `dir` for this process.
///
/// # Errors
/// Refuses a directory in which a file of a store is a symbolic link: it may have come with a project, and lead anywhere.
pub(super) fn lock(dir: &Path) -> Result<Lock, StoreError> {
    for name in [DATABASE, LOG, INDEX, mark::NAME, mark::NEW, LOCK] {
        let path = dir.join(name);
        if path.is_symlink() {
            let reason =
                "is a symbolic link, and the store needs a file of its own: remove the link".to_owned();
            return Err(StoreError::File { path, reason });
        }
    }
    let path = dir.join(LOCK);
    let file = private_file(&path).map_err(|error| file_error(&path, &error))?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => StoreError::InUse(dir.to_owned()),
        TryLockError::Error(error) => file_error(&path, &error),
    })?;
    Ok(Lock(file))
}

/// Opens the database in `dir` for writing and checks that it is the one that the last run left, before anything is
/// written. Closing the connection copies nothing of the log, so a store that turns out to be damaged stays as it is.
fn examine(dir: &Path) -> Result<Connection, OpenError> {
    let (path, mark_path) = (dir.join(DATABASE), dir.join(mark::NAME));
    let mark = Mark::read(&mark_path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => {
            StoreError::damaged(dir, format!("the file {} is damaged: {error}", mark::NAME))
        }
        _ => file_error(&mark_path, &error),
    })?;
    let discrepancy =
        |found| compare(mark, found).map_err(|error| StoreError::damaged(dir, error.to_string()));
    // SQLite would create a missing database, and delete the log beside an empty one.
    if fs::metadata(&path).map_or(0, |metadata| metadata.len()) == 0 {
        discrepancy(Found::Nothing)?;
        if mark.is_none() && fs::metadata(dir.join(LOG)).is_ok_and(|log| log.len() > 0) {
            let reason =
                format!("the database and the file {} are missing, and the log is there", mark::NAME);
            return Err(StoreError::damaged(dir, reason).into());
        }
    }
    // SQLite creates its other files with the mode of this one.
    private_file(&path).map_err(|error| file_error(&path, &error))?;
    let connection = Connection::open(&path)?;
    // Otherwise, closing a database with a damaged log would write a mixture of old and new pages.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let found = format(&connection)?;
    if found > schema::FORMAT {
        return Err(StoreError::Newer { path, found, known: schema::FORMAT }.into());
    }
    discrepancy(find(&connection)?)?;
    if let Some(cut) = cut(&connection, dir)? {
        return Err(StoreError::damaged(dir, cut).into());
    }
    if found == schema::FORMAT {
        let resources = config::damaged(&connection)?;
        if !resources.is_empty() {
            let reason = format!("these resources do not match their checksums: {}", resources.join(", "));
            return Err(StoreError::damaged(dir, reason).into());
        }
    }
    Ok(connection)
}

/// Returns what is missing if the file of the database in `dir` was cut.
pub(super) fn cut(connection: &Connection, dir: &Path) -> Result<Option<String>, OpenError> {
    let page = u64::try_from(PAGE).unwrap_or(u64::MAX);
    let path = dir.join(DATABASE);
    // Asked first: while a gateway runs, the file may grow in between, but it never shrinks.
    let pages: u32 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    let length = fs::metadata(&path).map_err(|error| file_error(&path, &error))?.len();
    let there = u32::try_from(length / page).unwrap_or(u32::MAX);
    if pages <= there {
        return Ok(None);
    }
    // New pages are in the log until they are copied into the database.
    let in_log = log::pages(&fs::read(dir.join(LOG)).unwrap_or_default());
    let missing = (there + 1..=pages).filter(|page| !in_log.contains(page)).count();
    Ok((missing > 0).then(|| format!("the database was cut: {missing} of its {pages} pages are missing")))
}

/// Returns what an open database says about itself.
pub(super) fn find(connection: &Connection) -> rusqlite::Result<Found> {
    let is_counted = format(connection)? >= COUNTED_SINCE;
    Ok(if is_counted { Found::Counted(recorded(connection)?) } else { Found::Uncounted })
}

/// Returns the format of a database; 0 if it is new.
fn format(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Opens or creates a file that only its owner can read.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

impl StoreError {
    /// Returns the error of a store that is not what the gateway left.
    pub(super) fn damaged(dir: &Path, reason: String) -> Self {
        Self::Damaged { dir: PathBuf::from(dir), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::super::events::insert_example;
    use super::*;

    fn left() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        drop(SqliteStore::open_idle(dir.path(), Timestamp::from_millis(1_000)).unwrap());
        dir
    }

    /// A process that is about to start has all files open that this one has, until it becomes another program.
    #[test]
    fn a_lock_ends_although_a_child_has_the_file_open() {
        let dir = left();
        let held = lock(dir.path()).unwrap();
        assert!(matches!(lock(dir.path()), Err(StoreError::InUse(_))));
        let _of_a_child = held.0.try_clone().unwrap();
        drop(held);
        drop(lock(dir.path()).unwrap());
    }

    /// A store of a newer gateway was called damaged.
    #[test]
    fn a_newer_store_asks_for_a_newer_gateway() {
        let dir = left();
        let database = Connection::open(dir.path().join(DATABASE)).unwrap();
        database.pragma_update(None, "user_version", schema::FORMAT + 1).unwrap();
        drop(database);
        let refused = SqliteStore::open_idle(dir.path(), Timestamp::from_millis(2_000)).err().unwrap();
        assert!(
            matches!(refused, StoreError::Newer { found, .. } if found == schema::FORMAT + 1),
            "{refused}"
        );
    }

    /// SQLite deletes the log beside an empty database, with all events in it.
    #[test]
    fn a_log_without_its_database_is_kept() {
        let dir = left();
        fs::remove_file(dir.path().join(DATABASE)).unwrap();
        fs::remove_file(dir.path().join(mark::NAME)).unwrap();
        fs::write(dir.path().join(LOG), "events").unwrap();
        let refused = SqliteStore::open_idle(dir.path(), Timestamp::from_millis(2_000)).err().unwrap();
        assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
        assert_eq!(fs::read_to_string(dir.path().join(LOG)).unwrap(), "events");
    }

    #[test]
    fn what_is_left_of_a_backup_is_removed() {
        let dir = left();
        let copy = dir.path().join(backup::COPY);
        fs::write(&copy, "half").unwrap();
        drop(SqliteStore::open_idle(dir.path(), Timestamp::from_millis(2_000)).unwrap());
        assert!(!copy.exists());
    }

    /// Every page may be the damaged one, also those that only recovery and the count of runs read. The gateway ended
    /// with exit code 1 then, and with the error of SQLite.
    #[test]
    fn a_store_with_a_damaged_page_is_damaged() {
        let dir = left();
        let path = dir.path().join(DATABASE);
        let database = Connection::open(&path).unwrap();
        insert_example(&database, "default", "a", Timestamp::from_millis(1_000)).unwrap();
        database
            .execute_batch(
                "INSERT INTO deliveries (event, space, subscription_id, function_id, state, attempts, since)
                     VALUES (1, 'default', 's', 'f', 'in_flight', 1, 1000);
                 INSERT INTO attempts (delivery, number, started_at) VALUES (1, 1, 1000);
                 PRAGMA wal_checkpoint(TRUNCATE)",
            )
            .unwrap();
        drop(database);
        let (sound, mark) = (fs::read(&path).unwrap(), fs::read(dir.path().join(mark::NAME)).unwrap());
        let mut refused = 0;
        for page in 0..sound.len() / PAGE {
            let mut damaged = sound.clone();
            // The first page begins with the header of the file.
            let begin = page * PAGE + if page == 0 { 100 } else { 0 };
            damaged[begin..(page + 1) * PAGE].fill(0xA5);
            fs::write(&path, &damaged).unwrap();
            match SqliteStore::open_idle(dir.path(), Timestamp::from_millis(2_000)) {
                Err(StoreError::Damaged { .. }) => {
                    refused += 1;
                    assert_eq!(fs::read(&path).unwrap(), damaged, "page {page} was changed");
                }
                Err(error) => panic!("page {page}: {error}"),
                Ok(idle) => drop(idle),
            }
            for name in [LOG, INDEX] {
                let _ = fs::remove_file(dir.path().join(name));
            }
            fs::write(dir.path().join(mark::NAME), &mark).unwrap();
        }
        assert!(refused > 5, "{refused}");
    }

    #[test]
    fn a_database_that_another_program_has_locked_is_not_damaged() {
        let dir = left();
        let other = Connection::open(dir.path().join(DATABASE)).unwrap();
        other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
        let refused = SqliteStore::open_idle(dir.path(), Timestamp::from_millis(2_000)).err().unwrap();
        assert!(matches!(refused, StoreError::Locked(_)), "{refused}");
    }

    /// The file behind the link was emptied, or got the content of the store.
    #[test]
    fn symbolic_links_are_refused() {
        let other = tempfile::NamedTempFile::new().unwrap();
        fs::write(other.path(), "untouched").unwrap();
        for name in [DATABASE, LOG, INDEX, mark::NAME, mark::NEW, LOCK] {
            let dir = tempfile::tempdir().unwrap();
            let link = dir.path().join(name);
            std::os::unix::fs::symlink(other.path(), &link).unwrap();
            let refused = SqliteStore::open(dir.path(), Timestamp::from_millis(1_000)).unwrap_err();
            assert!(
                matches!(&refused, StoreError::File { path, reason } if *path == link && reason.contains("symbolic link")),
                "{refused}"
            );
            assert_eq!(fs::read_to_string(other.path()).unwrap(), "untouched", "{name}");
        }
    }
}
