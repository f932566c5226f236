//! What is kept and how it is changed: keys, items, and writes with their conditions. Stores nothing.

use std::collections::HashSet;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, MAX_WRITES};

/// Where an item is. Items of one partition can be listed, ordered by their sort key; neither part may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// What belongs together.
    pub partition: String,
    /// Which one, and in which order.
    pub sort: String,
}

/// A stored document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it is.
    pub key: Key,
    /// How often it was written: 1 at first. After a delete it starts again.
    pub version: u64,
    /// Its JSON text. A text rather than the backend's own types, so that every JSON number comes back as it went in.
    pub(crate) document: String,
}

/// A change of one item, and what must be true before.
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
        /// From when on nobody needs it, in seconds since 1970.
        expires: Option<u64>,
    },
    Delete,
}

/// What must be true of an item before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Any,
    /// There is no such item.
    Absent,
    /// It is the one that was read.
    Version(u64),
}

impl Key {
    /// The key of these two parts.
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
    /// The document as a value of your type.
    ///
    /// # Errors
    /// [`Error::Document`] says what does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.document)
            .map_err(|source| Error::Document { key: self.key.clone(), source })
    }

    /// A write of the same item that holds only if nobody has written it since it was read.
    ///
    /// # Errors
    /// As [`Write::put`].
    pub fn update<T: Serialize + ?Sized>(&self, document: &T) -> Result<Write, Error> {
        Ok(Write::put(self.key.clone(), document)?.if_version(self.version))
    }
}

impl Write {
    /// Stores `document` under `key`, whatever is there.
    ///
    /// # Errors
    /// [`Error::Document`] when it cannot be written as JSON.
    pub fn put<T: Serialize + ?Sized>(key: Key, document: &T) -> Result<Self, Error> {
        match serde_json::to_string(document) {
            Ok(document) => {
                Ok(Self { key, change: Change::Put { document, expires: None }, condition: Condition::Any })
            }
            Err(source) => Err(Error::Document { key, source }),
        }
    }

    /// Deletes the item under `key`, if there is one.
    #[must_use]
    pub fn delete(key: Key) -> Self {
        Self { key, change: Change::Delete, condition: Condition::Any }
    }

    /// The same, and nobody needs the item from `time` on: it is there until then, and some time later it is gone.
    #[must_use]
    pub fn until(mut self, time: SystemTime) -> Self {
        if let Change::Put { expires, .. } = &mut self.change {
            *expires = Some(seconds(time));
        }
        self
    }

    /// The same, if there is no such item.
    #[must_use]
    pub fn if_absent(self) -> Self {
        Self { condition: Condition::Absent, ..self }
    }

    /// The same, if the item is at `version`.
    #[must_use]
    pub fn if_version(self, version: u64) -> Self {
        Self { condition: Condition::Version(version), ..self }
    }

    /// Where it writes.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }
}

/// The whole seconds from 1970 to `time`, and the one that it is in.
fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().saturating_add(u64::from(since.subsec_nanos() > 0))
}

/// Writes that can be one transaction in every backend.
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
