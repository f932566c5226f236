//! A small item store for services: versioned JSON documents under two-part keys, changed in transactions. Two
//! backends behind one API: an SQLite file, and a DynamoDB table. Knows no service's types.
//!
//! A [`Store`] is also an [`OutboxStore`](eg_sdk::outbox::OutboxStore): the writes of a transaction and the events that
//! follow from them are stored together.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use service_storage::{Error, Key, Store, Write};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Account { cents: i64 }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let store = Store::in_memory()?;
//! let (from, to) = (Key::new("account", "1"), Key::new("account", "2"));
//! store.transact(vec![Write::put(from.clone(), &Account { cents: 500 })?.if_absent()]).await?;
//!
//! // Both accounts change, or none; and only if the first is still what was read.
//! let item = store.get(&from).await?.expect("it was stored");
//! let cents = item.read::<Account>()?.cents;
//! let writes = vec![
//!     Write::put(from, &Account { cents: cents - 200 })?.if_version(item.version),
//!     Write::put(to, &Account { cents: 200 })?.if_absent(),
//! ];
//! store.transact(writes).await?;
//!
//! // What was read is no longer true: nothing is written.
//! let late = Write::put(item.key.clone(), &Account { cents: 0 })?.if_version(item.version);
//! assert!(matches!(store.transact(vec![late]).await, Err(Error::Conflict { .. })));
//! assert_eq!(store.query("account").await?.len(), 2);
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "dynamodb")]
mod dynamodb;
mod error;
mod item;
mod outbox;
mod place;
mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;

use std::path::Path;

#[cfg(feature = "dynamodb")]
use self::dynamodb::Table;
pub use self::error::Error;
use self::item::Writes;
pub use self::item::{Condition, Item, Key, Write};
use self::place::Place;
use self::sqlite::{Database, Safe};

/// The maximum number of writes in a transaction: DynamoDB's limit, enforced for every backend so that what works
/// locally works on AWS.
pub const MAX_WRITES: usize = 100;

/// The page size of [`Store::query`].
const PAGE: usize = 1_000;

/// The store of one service. Clones share it.
#[derive(Debug, Clone)]
pub struct Store(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Sqlite(Database),
    #[cfg(feature = "dynamodb")]
    DynamoDb(Table),
}

impl Store {
    /// Opens the store of `service`: the DynamoDB table that the environment variable `table_variable` names, else the
    /// SQLite file `<service>.db` in `EG_DATA_DIR` (which `cargo eg run` sets), else one in the temporary directory.
    ///
    /// # Errors
    /// [`Error::Setting`] on Lambda without a table, because local files do not last there, and for a table when the
    /// feature `dynamodb` is off.
    pub async fn open(service: &str, table_variable: &str) -> Result<Self, Error> {
        match Place::from_env(service, table_variable)? {
            Place::File(path) => Self::sqlite(&path),
            #[cfg(feature = "dynamodb")]
            Place::Table(name) => Ok(Self(Backend::DynamoDb(Table::from_env(name).await))),
            #[cfg(not(feature = "dynamodb"))]
            Place::Table(name) => Err(Error::Setting(format!(
                "{table_variable} names the table `{name}`, but {service} was built without DynamoDB; \
                 build it with `--features aws`"
            ))),
        }
    }

    /// Opens the SQLite file at `path` and creates it if it is missing. Several processes may share it.
    ///
    /// # Errors
    /// [`Error::Backend`] if the file cannot be opened.
    pub fn sqlite(path: &Path) -> Result<Self, Error> {
        Ok(Self(Backend::Sqlite(Database::open(path)?)))
    }

    /// Opens a store in memory that ends with its last clone, for tests.
    ///
    /// # Errors
    /// [`Error::Backend`] if there is not enough memory.
    pub fn in_memory() -> Result<Self, Error> {
        Ok(Self(Backend::Sqlite(Database::in_memory()?)))
    }

    /// The DynamoDB table `table`, whose keys are the strings `partition` (hash) and `sort` (range).
    #[cfg(feature = "dynamodb")]
    #[must_use]
    pub fn dynamodb(client: aws_sdk_dynamodb::Client, table: impl Into<String>) -> Self {
        Self(Backend::DynamoDb(Table::new(client, table.into())))
    }

    /// Returns the item under `key`, as of the last transaction.
    ///
    /// # Errors
    /// [`Error::Backend`] when the store cannot be read.
    pub async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        match &self.0 {
            Backend::Sqlite(database) => database.get(key).await,
            #[cfg(feature = "dynamodb")]
            Backend::DynamoDb(table) => table.get(key).await,
        }
    }

    /// Returns all items of a partition, ordered by the bytes of their sort keys.
    ///
    /// # Errors
    /// [`Error::Backend`] when the store cannot be read.
    pub async fn query(&self, partition: &str) -> Result<Vec<Item>, Error> {
        let mut items: Vec<Item> = Vec::new();
        loop {
            let after = items.last().map(|item| item.key.sort.clone());
            let page = self.page(partition, after.as_deref(), PAGE).await?;
            let last = page.len() < PAGE;
            items.extend(page);
            if last {
                return Ok(items);
            }
        }
    }

    /// Returns up to `limit` items of a partition, starting after the sort key `after` if given.
    ///
    /// # Errors
    /// [`Error::Backend`] when the store cannot be read.
    pub async fn page(&self, partition: &str, after: Option<&str>, limit: usize) -> Result<Vec<Item>, Error> {
        match &self.0 {
            Backend::Sqlite(database) => database.page(partition, after, limit).await,
            #[cfg(feature = "dynamodb")]
            Backend::DynamoDb(table) => table.page(partition, after, limit).await,
        }
    }

    /// Performs all `writes`, or none.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a condition does not hold, or another transaction was at the same items: read again,
    /// decide again. [`Error::Writes`] when two writes are for one key or there are more than [`MAX_WRITES`].
    /// [`Error::Backend`] when the store cannot be written; then nothing is known about the writes.
    pub async fn transact(&self, writes: Vec<Write>) -> Result<(), Error> {
        self.write(writes, Safe::Now).await
    }

    async fn write(&self, writes: Vec<Write>, safe: Safe) -> Result<(), Error> {
        let writes = Writes::check(writes)?;
        match &self.0 {
            _ if writes.is_empty() => Ok(()),
            Backend::Sqlite(database) => database.transact(writes, safe).await,
            #[cfg(feature = "dynamodb")]
            Backend::DynamoDb(table) => table.transact(writes).await,
        }
    }
}
