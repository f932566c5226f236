//! Says what an error of SQLite or of the operating system means for a store: it is damaged, another program has it, its disk
//! is full, or this process may not use it. The parts of the store pass their errors on.

use std::io;
use std::path::Path;

use rusqlite::{ErrorCode, ffi};

use super::StoreError;

/// What an error of SQLite means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Another program has locked the database.
    Locked,
    NoRoom,
    NoRights,
    Damage,
    /// The disk refused an operation.
    Disk,
    /// SQLite could not work: memory is short, or a query was ended.
    Failed,
    /// A query did not find what it needs. In a database that nobody has changed, that is a bug.
    Unexpected,
}

impl Fault {
    fn of(error: &rusqlite::Error) -> Self {
        let Some(failure) = error.sqlite_error() else { return Self::Unexpected };
        match (failure.code, failure.extended_code) {
            (
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed,
                _,
            ) => Self::Locked,
            // The index of the log is the first file that grows when a store is opened.
            (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Self::NoRoom,
            (ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen, _) => Self::NoRights,
            (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _)
            | (
                ErrorCode::SystemIoFailure,
                ffi::SQLITE_IOERR_READ
                | ffi::SQLITE_IOERR_SHORT_READ
                | ffi::SQLITE_IOERR_CORRUPTFS
                | ffi::SQLITE_IOERR_DATA,
            ) => Self::Damage,
            (ErrorCode::SystemIoFailure, _) => Self::Disk,
            (
                ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted
                | ErrorCode::InternalMalfunction
                | ErrorCode::ApiMisuse,
                _,
            ) => Self::Failed,
            _ => Self::Unexpected,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let reason = error.to_string();
        match Fault::of(&error) {
            Fault::NoRoom | Fault::NoRights | Fault::Disk => Self::Disk(reason),
            Fault::Damage => Self::Corrupt(reason),
            Fault::Locked | Fault::Failed | Fault::Unexpected => Self::Failed(reason),
        }
    }
}

/// The reason why a store cannot be opened.
#[derive(Debug)]
pub(super) enum OpenError {
    Known(StoreError),
    Sqlite(rusqlite::Error),
}

impl OpenError {
    /// Returns the error for the operator of the store in `dir`.
    pub(super) fn explained(self, dir: &Path) -> StoreError {
        let error = match self {
            Self::Known(error) => return error,
            Self::Sqlite(error) => error,
        };
        let (path, reason) = (dir.to_owned(), error.to_string());
        match Fault::of(&error) {
            Fault::Locked => StoreError::Locked(path),
            Fault::NoRoom => StoreError::NoRoom { path, reason },
            Fault::NoRights => StoreError::NoRights { path, reason },
            // The queries at a start fit every database that a gateway has left.
            Fault::Damage | Fault::Unexpected => {
                StoreError::damaged(dir, format!("the database cannot be read: {reason}"))
            }
            Fault::Disk | Fault::Failed => error.into(),
        }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Known(error)
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Known(error) => error,
            OpenError::Sqlite(error) => error.into(),
        }
    }
}

/// Returns the error of an operation on a file.
pub(super) fn file_error(path: &Path, error: &io::Error) -> StoreError {
    let (path, reason) = (path.to_owned(), error.to_string());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::NoRoom { path, reason },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::NoRights { path, reason }
        }
        _ => StoreError::File { path, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    /// A full disk and a locked database were called damaged, so people repaired stores that were sound.
    #[test]
    fn each_error_at_the_start_has_its_own_advice() {
        for (error, advice) in [
            (failure(ffi::SQLITE_BUSY), "/s: another program has locked the database; end it"),
            (failure(ffi::SQLITE_PROTOCOL), "/s: another program has locked the database; end it"),
            (failure(ffi::SQLITE_FULL), "/s: the disk is full"),
            (failure(ffi::SQLITE_IOERR_SHMSIZE), "/s: the disk is full"),
            (failure(ffi::SQLITE_CANTOPEN), "/s: this process may not use the store"),
            (failure(ffi::SQLITE_READONLY_DIRECTORY), "/s: this process may not use the store"),
            (failure(ffi::SQLITE_CORRUPT), "the store in /s is damaged or incomplete"),
            (failure(ffi::SQLITE_NOTADB), "the store in /s is damaged or incomplete"),
            (failure(ffi::SQLITE_IOERR_SHORT_READ), "the store in /s is damaged or incomplete"),
            (failure(ffi::SQLITE_IOERR_READ), "the store in /s is damaged or incomplete"),
            (failure(ffi::SQLITE_ERROR), "the store in /s is damaged or incomplete"),
            (rusqlite::Error::QueryReturnedNoRows, "the store in /s is damaged or incomplete"),
            (failure(ffi::SQLITE_IOERR_FSYNC), "the disk of the store failed"),
            (failure(ffi::SQLITE_NOMEM), "the store failed"),
        ] {
            let text = OpenError::from(error).explained(Path::new("/s")).to_string();
            assert!(text.starts_with(advice), "{text}");
        }
    }

    #[test]
    fn files_have_the_same_advice() {
        for (kind, advice) in [
            (io::ErrorKind::StorageFull, "/s: the disk is full"),
            (io::ErrorKind::QuotaExceeded, "/s: the disk is full"),
            (io::ErrorKind::PermissionDenied, "/s: this process may not use the store"),
            (io::ErrorKind::ReadOnlyFilesystem, "/s: this process may not use the store"),
            (io::ErrorKind::NotADirectory, "/s: not a directory"),
        ] {
            let text = file_error(Path::new("/s"), &kind.into()).to_string();
            assert!(text.starts_with(advice), "{text}");
        }
    }

    #[test]
    fn a_running_gateway_distinguishes_damage_from_a_disk_that_refuses() {
        for (code, expected) in [
            (ffi::SQLITE_CORRUPT, "the database is damaged: "),
            (ffi::SQLITE_IOERR_SHORT_READ, "the database is damaged: "),
            (ffi::SQLITE_FULL, "the disk of the store failed: "),
            (ffi::SQLITE_IOERR_WRITE, "the disk of the store failed: "),
            (ffi::SQLITE_READONLY, "the disk of the store failed: "),
            (ffi::SQLITE_CONSTRAINT, "the store failed: "),
        ] {
            let text = StoreError::from(failure(code)).to_string();
            assert!(text.starts_with(expected), "{code}: {text}");
        }
    }
}
