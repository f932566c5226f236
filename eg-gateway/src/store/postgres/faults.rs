//! Tells the errors of the database apart: those that a lost connection causes, those that another try may avoid, and the
//! rest. Only codes count: texts depend on the language of the server and on versions of libraries.

use std::error::Error;
use std::io;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::StoreError;

/// How many seconds a query may take.
macro_rules! patience {
    () => {
        30
    };
}
pub(super) use patience;

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
        Self::from(&error)
    }
}

impl From<&tokio_postgres::Error> for Failure {
    fn from(error: &tokio_postgres::Error) -> Self {
        let Some(database) = error.as_db_error() else {
            let text =
                error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
            let lost = error.source().and_then(|source| source.downcast_ref()).is_some_and(is_lost);
            return if error.is_closed() || lost { Self::Disconnected(text) } else { Self::Refused(text) };
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
            // The session was ended because it was idle in a transaction, or changed behind a pool; or the server is a
            // replica now, and another one takes what is written.
            "25" if *code != SqlState::IN_FAILED_SQL_TRANSACTION => Self::Disconnected(text),
            _ => Self::Refused(text),
        }
    }
}

/// Returns whether the network or the other side ends a connection. Otherwise they do not understand each other: a
/// certificate is wrong, or the server speaks another protocol.
fn is_lost(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
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
            Failure::Slow => Self::Slow(Duration::from_secs(patience!())),
            Failure::Refused(reason) => Self::Failed(reason),
            Failure::Store(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use eg_tests::postgres::Postgres;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::settings::Settings;
    use super::*;

    /// Connects to a server that gives this answer to the first message, and closes the connection.
    async fn connect(parameters: &str, answer: Vec<u8>) -> Failure {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut length = [0; 4];
            client.read_exact(&mut length).await.unwrap();
            let mut message = vec![0; u32::from_be_bytes(length) as usize - 4];
            client.read_exact(&mut message).await.unwrap();
            client.write_all(&answer).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let url = format!("postgres://u@127.0.0.1:{port}/d?{parameters}");
        let settings = Settings::read(&url, Duration::from_secs(8)).unwrap();
        let (connected, ()) = tokio::join!(settings.connect(), serve);
        connected.err().unwrap()
    }

    /// Such errors ended a gateway that stood by.
    #[tokio::test]
    async fn a_server_that_comes_and_goes_is_asked_again() {
        // In the middle of the beginning of TLS.
        let failure = connect("sslmode=require", b"S".to_vec()).await;
        assert!(failure.is_disconnected(), "{failure:?}");
        // With an answer in the language and the encoding of the server.
        let fields = b"SFATAL\0VFATAL\0C57P03\0Mdas Datenbanksystem f\xe4hrt hoch\0\0";
        let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
        let failure = connect("", [b"E", &length[..], fields].concat()).await;
        assert!(failure.is_disconnected(), "{failure:?}");
        // No TLS there: that stays so.
        let failure = connect("sslmode=require", b"N".to_vec()).await;
        assert!(matches!(failure, Failure::Refused(_)), "{failure:?}");
    }

    /// After a failover, the old server is a replica.
    #[tokio::test]
    async fn a_replica_counts_as_a_lost_connection() {
        let Some(server) = Postgres::shared() else { return };
        let url = server.database();
        let settings = Settings::read(&url, Duration::from_secs(8)).unwrap();
        let (client, _driver) = settings.connect().await.unwrap();
        let writes = "BEGIN READ ONLY; CREATE TABLE t (n INT8)";
        let failure = Failure::from(client.batch_execute(writes).await.unwrap_err());
        assert!(failure.is_disconnected(), "{failure:?}");
        let name = url.rsplit('/').next().unwrap();
        server.sql("postgres", &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
        let failure = settings.connect().await.err().unwrap();
        assert!(failure.is_disconnected(), "{failure:?}");
    }
}
