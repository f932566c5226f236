//! `Error`: what can go wrong with a store.

use crate::Key;

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An item is not what a write expects it to be, because somebody else has changed it. Nothing was written.
    #[error("item {key} was changed by somebody else; read it again")]
    Conflict {
        /// The first such item.
        key: Key,
    },
    /// These writes cannot be one transaction, whatever is stored.
    #[error("{0}")]
    Writes(String),
    /// A document cannot be written as JSON, or what is stored is not what the program expects.
    #[error("the document of item {key} does not fit: {source}")]
    Document {
        /// Where it is.
        key: Key,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// The environment does not say where data is kept.
    #[error("{0}")]
    Setting(String),
    /// The file or the table failed.
    #[error("cannot {action}: {reason}")]
    Backend {
        /// What was tried.
        action: String,
        /// What came of it.
        reason: String,
    },
}

impl Error {
    pub(crate) fn backend(action: impl Into<String>, reason: &impl ToString) -> Self {
        Self::Backend { action: action.into(), reason: reason.to_string() }
    }

    /// Whether somebody else was faster.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
}
