//! Defines the errors of a store. The backends produce them.

use std::path::PathBuf;
use std::time::Duration;

/// The reason why the store could not be opened or an operation failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory or a file in it cannot be created or read.
    #[error("{}: {reason}", path.display())]
    File {
        /// The path that could not be opened.
        path: PathBuf,
        /// The error of the operating system.
        reason: String,
    },
    /// Another process has this store open.
    #[error("{}: another gateway uses this directory; stop it or choose another directory", .0.display())]
    InUse(PathBuf),
    /// The database was written by a newer version.
    #[error("{}: has format {found}, and this version knows formats up to {known}; use a newer gateway", path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this version can read.
        known: i64,
    },
    /// The database is not the one that the gateway left, or a part of it changed on the disk.
    #[error(
        "the store in {} is damaged or incomplete, and was left as it is: {reason}. Put back what is missing, or run \
         `event-gateway repair {}` to save what is sound into a new store; `event-gateway check {}` shows details",
        dir.display(), dir.display(), dir.display()
    )]
    Damaged {
        /// The directory of the store.
        dir: PathBuf,
        /// What is missing or damaged.
        reason: String,
    },
    /// Another program than a gateway has locked the database.
    #[error("{}: another program has locked the database; end it, and start the gateway again", .0.display())]
    Locked(PathBuf),
    /// There is no room for a file of the store.
    #[error("{}: the disk is full; free some space, or move the store to another disk ({reason})", path.display())]
    NoRoom {
        /// The file, or the directory of the store.
        path: PathBuf,
        /// The error of the operating system or of the database.
        reason: String,
    },
    /// The process may not read or write a file of the store.
    #[error(
        "{}: this process may not use the store; run the gateway as the owner of its files, and do not mount their disk \
         read-only ({reason})", path.display()
    )]
    NoRights {
        /// The file, or the directory of the store.
        path: PathBuf,
        /// The error of the operating system or of the database.
        reason: String,
    },
    /// The database turned out to be damaged while it was in use.
    #[error("the database is damaged: {0}; stop the gateway, and run `event-gateway check` on its store")]
    Corrupt(String),
    /// The disk refused an operation.
    #[error("the disk of the store failed: {0}")]
    Disk(String),
    /// The URL of the database is wrong.
    #[error("the URL of the store is wrong: {0}")]
    Url(String),
    /// The database cannot be reached, or the connection to it was lost.
    #[error("the database of the store cannot be reached: {0}; try again")]
    Unreachable(String),
    /// The other gateways have taken over the deliveries of this one.
    #[error(
        "other gateways have taken over the deliveries of this one, because it could not renew its lease in time; start it again"
    )]
    LeaseLost,
    /// A change of the configuration is stored, and a gateway does not work with it.
    #[error(
        "the change is stored, but not every gateway works with it yet: {0}; look at the log of that gateway"
    )]
    NotEverywhere(String),
    /// A move into the database was interrupted.
    #[error(
        "a move into the database of the store has not ended, so a part of it is missing; run `event-gateway migrate` again"
    )]
    Incomplete,
    /// The database to move a store into has one already.
    #[error("the database already has a store; name an empty database")]
    NotEmpty,
    /// Gateways use the database to move a store into.
    #[error("a gateway uses the database; stop the gateways that use it, and try again")]
    Occupied,
    /// The store is in a database that has backups of its own.
    #[error("the store is in PostgreSQL: back it up there, for example with `pg_dump`")]
    BackedUpElsewhere,
    /// The store could not carry out an operation.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The configuration has changed since this change was planned.
    #[error("the configuration was changed meanwhile; try again")]
    Outdated,
    /// Too many writes are waiting.
    #[error("the store is busy; try again")]
    Busy,
    /// A job still gives up deliveries of the same subscription, and would give up this one again.
    #[error("job {0} still gives up deliveries of the same subscription, and must be done first")]
    GivingUp(i64),
    /// A query took too long.
    #[error("the store needed more than {} s for the query; ask for less at a time", .0.as_secs())]
    Slow(Duration),
    /// The store has reached its size limit, and everything in it is still needed.
    #[error(
        "the store is full of unfinished events: let functions catch up, discard dead letters or redrive them one by \
         one, or raise the limit"
    )]
    Full,
    /// The store has nearly reached its size limit, and this space holds its share of it.
    #[error(
        "the store is nearly full, and space `{0}` holds its share: let its functions catch up, discard its dead \
         letters, or raise the limit"
    )]
    ShareUsed(String),
    /// Somebody deleted or replaced a file of the store while it was open.
    #[error(
        "{} was deleted or replaced while the gateway ran, so nothing can be stored; put it back, or restart the gateway",
        .0.display()
    )]
    Gone(PathBuf),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}
