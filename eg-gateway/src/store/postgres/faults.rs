//! Tells the errors of the database apart: those that a lost connection causes, those that another try may avoid, and the
//! rest.

use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::StoreError;

/// How long a statement may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Why a statement or a transaction failed.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The connection is lost, or there was none. If it is lost during a commit, nobody knows whether that succeeded.
    Disconnected(String),
    /// The transaction collided with another one, and may be tried again.
    Collided(String),
    /// Another gateway, or another connection of this one, writes now.
    Fenced,
    /// The statement took too long.
    Slow,
    /// The database refused the statement.
    Refused(String),
    /// The operation has another result than success.
    Store(StoreError),
}

impl Failure {
    /// Returns the failure for a column that holds what it should not.
    pub(super) fn unreadable(error: impl std::fmt::Display) -> Self {
        Self::Refused(format!("a row cannot be read: {error}"))
    }

    pub(super) fn is_disconnected(&self) -> bool {
        matches!(self, Self::Disconnected(_))
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(database) = error.as_db_error() else {
            // Everything else that goes wrong with a connection: it is closed, or the peer speaks another protocol.
            let text = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
            return if error.is_closed() || text.contains("communicating") || text.contains("connect") {
                Self::Disconnected(text)
            } else {
                Self::Refused(text)
            };
        };
        let (code, message) = (database.code(), database.message());
        let text = format!("{message} (SQLSTATE {})", code.code());
        match &code.code()[..2] {
            // Connections, too many of them, and a server that starts or stops.
            "08" | "53" | "57" if *code != SqlState::QUERY_CANCELED && *code != SqlState::DISK_FULL => {
                Self::Disconnected(text)
            }
            _ if *code == SqlState::QUERY_CANCELED => Self::Slow,
            _ if *code == SqlState::DIVISION_BY_ZERO => Self::Fenced,
            "40" => Self::Collided(text),
            // The session was ended because it was idle in a transaction, or changed behind a pool.
            "25" if *code != SqlState::READ_ONLY_SQL_TRANSACTION
                && *code != SqlState::IN_FAILED_SQL_TRANSACTION =>
            {
                Self::Disconnected(text)
            }
            _ => Self::Refused(text),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Disconnected(reason) | Failure::Collided(reason) => Self::Unreachable(reason),
            Failure::Fenced => Self::LeaseLost,
            Failure::Slow => Self::Slow(PATIENCE),
            Failure::Refused(reason) => Self::Failed(reason),
            Failure::Store(error) => error,
        }
    }
}
