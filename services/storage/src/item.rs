//! Keys, items, and writes with their conditions. Stores nothing.

use std::collections::HashSet;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, MAX_WRITES};

/// The key of an item. Items of one partition can be listed in the order of their sort keys. Neither part may be
/// empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The partition: items that can be listed together.
    pub partition: String,
    /// The sort key: identifies and orders the items of a partition.
    pub sort: String,
}

/// A stored document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The key of the item.
    pub key: Key,
    /// The number of writes, starting at 1. It starts again after a delete.
    pub version: u64,
    /// The JSON text. Stored as text rather than in the backend's types, so that every JSON number survives
    /// unchanged.
    pub(crate) document: String,
}

/// A change of one item, with its condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub(crate) key: Key,
    pub(crate) change: Change,
    pub(crate) condition: Condition,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Put {
        document: String,
        /// When the item expires, in seconds since 1970.
        expires: Option<u64>,
    },
    Delete,
}

/// The condition of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Any,
    /// The item does not exist.
    Absent,
    /// The item has this version.
    Version(u64),
}

impl Key {
    /// Creates a key from its two parts.
    #[must_use]
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self { partition: partition.into(), sort: sort.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` / `{}`", self.partition, self.sort)
    }
}

impl Item {
    /// Deserializes the document.
    ///
    /// # Errors
    /// [`Error::Document`] if the document does not match the type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.document)
            .map_err(|source| Error::Document { key: self.key.clone(), source })
    }

    /// Creates a write of this item that succeeds only if the item has not been written since it was read.
    ///
    /// # Errors
    /// As [`Write::put`].
    pub fn update<T: Serialize + ?Sized>(&self, document: &T) -> Result<Write, Error> {
        Ok(Write::put(self.key.clone(), document)?.if_version(self.version))
    }
}

impl Write {
    /// Stores `document` under `key`. Replaces an existing item.
    ///
    /// # Errors
    /// [`Error::Document`] if `document` cannot be serialized as JSON.
    pub fn put<T: Serialize + ?Sized>(key: Key, document: &T) -> Result<Self, Error> {
        match serde_json::to_string(document) {
            Ok(document) => {
                Ok(Self { key, change: Change::Put { document, expires: None }, condition: Condition::Any })
            }
            Err(source) => Err(Error::Document { key, source }),
        }
    }

    /// Deletes the item under `key`, if it exists.
    #[must_use]
    pub fn delete(key: Key) -> Self {
        Self { key, change: Change::Delete, condition: Condition::Any }
    }

    /// Sets when the item expires. It exists until `time` and is deleted some time later.
    #[must_use]
    pub fn until(mut self, time: SystemTime) -> Self {
        if let Change::Put { expires, .. } = &mut self.change {
            *expires = Some(seconds(time));
        }
        self
    }

    /// Makes the write conditional: the item must not exist.
    #[must_use]
    pub fn if_absent(self) -> Self {
        Self { condition: Condition::Absent, ..self }
    }

    /// Makes the write conditional: the item must have this `version`.
    #[must_use]
    pub fn if_version(self, version: u64) -> Self {
        Self { condition: Condition::Version(version), ..self }
    }

    /// Returns the key of the written item.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }
}

/// Returns `time` in seconds since 1970, rounded up.
fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().saturating_add(u64::from(since.subsec_nanos() > 0))
}

/// Checks that the writes can form one transaction in every backend.
#[derive(Debug, Clone)]
pub(crate) struct Writes(Vec<Write>);

impl Writes {
    pub(crate) fn check(writes: Vec<Write>) -> Result<Self, Error> {
        let mut keys = HashSet::new();
        for write in &writes {
            if write.key.partition.is_empty() || write.key.sort.is_empty() {
                return Err(Error::Writes(format!("neither part of a key may be empty: {}", write.key)));
            }
            if !keys.insert(&write.key) {
                return Err(Error::Writes(format!("item {} is written twice in one transaction", write.key)));
            }
        }
        if writes.len() > MAX_WRITES {
            let found = writes.len();
            return Err(Error::Writes(format!(
                "{found} writes are too many for one transaction of {MAX_WRITES}"
            )));
        }
        Ok(Self(writes))
    }
}

impl std::ops::Deref for Writes {
    type Target = [Write];

    fn deref(&self) -> &[Write] {
        &self.0
    }
}
