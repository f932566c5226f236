//! `Error`: the failures of a store.

use crate::Key;

/// Why a store operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An item does not meet the condition of a write, because another writer changed it. Nothing was written.
    #[error("item {key} was changed by somebody else; read it again")]
    Conflict {
        /// The key of the first such item.
        key: Key,
    },
    /// The writes can never form one transaction.
    #[error("{0}")]
    Writes(String),
    /// A document cannot be serialized as JSON, or a stored document cannot be deserialized.
    #[error("the document of item {key} does not fit: {source}")]
    Document {
        /// The key of the item.
        key: Key,
        /// The serialization error.
        source: serde_json::Error,
    },
    /// The environment names no place for data.
    #[error("{0}")]
    Setting(String),
    /// The file or the table returned an error.
    #[error("cannot {action}: {reason}")]
    Backend {
        /// The operation that failed.
        action: String,
        /// The error of the backend.
        reason: String,
    },
}

impl Error {
    pub(crate) fn backend(action: impl Into<String>, reason: &impl ToString) -> Self {
        Self::Backend { action: action.into(), reason: reason.to_string() }
    }

    /// Returns whether another writer caused the failure.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
}
