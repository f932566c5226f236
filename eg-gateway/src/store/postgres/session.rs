//! Runs the statements of one transaction over a connection. Statements whose results nobody needs wait until the next one
//! and are sent with it, so a transaction costs as many round trips as it has questions.
//!
//! A transaction that writes locks the numbers of the store when it begins, so those of several gateways follow one another.
//!
//! Statements are never prepared by name, and nothing is left in a session, so that connections may go through a pool that
//! lends them for a transaction.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{BoxFuture, MaybeDone, join4, maybe_done, ready};
use futures_util::{FutureExt as _, TryStreamExt as _};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, RowStream};

use super::faults::{Failure, patience};
use super::numbers::{LOCK, Numbers};
use super::values::Value;

/// How a transaction that writes begins. A server must not wait for a gateway that has stopped in the middle of one.
const WRITE: &str =
    "BEGIN; SET LOCAL statement_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '5s'";

/// How a transaction begins that sees one state of the database.
const READ: &str = concat!(
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '",
    patience!(),
    "s'; SET LOCAL idle_in_transaction_session_timeout = '30s'"
);

/// After what time without an answer a query counts as lost.
const LATE: Duration = Duration::from_secs(patience!() + 5);

/// A connection, or one that a pool has lent.
pub(super) trait Connected: Send + Sync {
    /// Returns its client, unless it was given back.
    fn client(&self) -> Option<&Client>;
}

impl Connected for Client {
    fn client(&self) -> Option<&Client> {
        Some(self)
    }
}

fn client(connection: &dyn Connected) -> Result<&Client, Failure> {
    connection.client().ok_or_else(|| Failure::Disconnected("the connection was given back".to_owned()))
}

/// A statement that waits for the next one.
type Later = (&'static str, Vec<Value>);

/// A transaction.
pub(super) struct Session {
    connection: Arc<dyn Connected>,
    /// How the transaction begins, if it has not begun.
    begin: Option<&'static str>,
    /// The gateway that writes.
    writer: Option<i64>,
    later: Vec<Later>,
    /// The numbers as the transaction has changed them. Until it has begun, there are none.
    pub(super) numbers: Numbers,
}

impl Session {
    /// Creates a transaction that reads.
    pub(super) fn reading(connection: Arc<dyn Connected>) -> Self {
        Self { connection, begin: Some(READ), writer: None, later: Vec::new(), numbers: Numbers::NONE }
    }

    /// Creates a transaction of the gateway with this number.
    pub(super) fn writing(connection: Arc<dyn Connected>, epoch: i64) -> Self {
        Self { writer: Some(epoch), begin: Some(WRITE), ..Self::reading(connection) }
    }

    /// Returns the number of the gateway that writes.
    pub(super) fn epoch(&self) -> Result<i64, Failure> {
        self.writer.ok_or_else(|| Failure::Refused("the transaction only reads".to_owned()))
    }

    /// Begins the transaction if it has not begun, so that its numbers are those of the store.
    pub(super) async fn begun(&mut self) -> Result<(), Failure> {
        match self.begin {
            Some(_) => self.after_earlier(ready(Ok(()))).await,
            None => Ok(()),
        }
    }

    /// Runs a statement with the next one.
    pub(super) fn later(&mut self, sql: &'static str, values: Vec<Value>) {
        self.later.push((sql, values));
    }

    /// Runs a statement, and returns its rows.
    pub(super) async fn query(&mut self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, Failure> {
        let connection = Arc::clone(&self.connection);
        let client = client(&*connection)?;
        let query = async { rows(client, sql, &values).await?.try_collect().await };
        if self.writer.is_some() {
            return self.after_earlier(query).await;
        }
        // The server ends a statement before that. If it does not, something between here and there has lost a message.
        let late = |_| Failure::Disconnected("the database did not answer in time".to_owned());
        tokio::time::timeout(LATE, self.after_earlier(query)).await.map_err(late)?
    }

    /// Runs a statement that returns one row.
    pub(super) async fn one(&mut self, sql: &str, values: Vec<Value>) -> Result<Row, Failure> {
        self.optional(sql, values).await?.ok_or_else(|| Failure::unreadable("there is none"))
    }

    /// Runs a statement that returns one row or none.
    pub(super) async fn optional(&mut self, sql: &str, values: Vec<Value>) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// Runs the statements that wait, and commits the transaction.
    pub(super) async fn commit(mut self) -> Result<(), Failure> {
        if self.begin.is_some() && self.later.is_empty() {
            return Ok(());
        }
        let connection = Arc::clone(&self.connection);
        self.after_earlier(client(&*connection)?.batch_execute("COMMIT")).await
    }

    /// Undoes what the transaction has done.
    pub(super) async fn roll_back(self) -> Result<(), Failure> {
        match self.begin {
            Some(_) => Ok(()),
            None => Ok(client(&*self.connection)?.batch_execute("ROLLBACK").await?),
        }
    }

    /// Sends the statements that wait and then the last one, and returns its result if all have succeeded.
    async fn after_earlier<T>(
        &mut self,
        last: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        let (connection, later) = (Arc::clone(&self.connection), std::mem::take(&mut self.later));
        let client = client(&*connection)?;
        let begin = self.begin.take();
        let lock = begin.is_some() && self.writer.is_some();
        let begin = begin.map(|begin| client.batch_execute(begin).boxed());
        let begin = in_order(begin.into_iter().map(maybe_done).collect());
        let lock = async {
            if lock { rows(client, LOCK, &[]).await?.try_collect().await.map(Some) } else { Ok(None) }
        };
        let later = later.iter().map(|(sql, values)| maybe_done(execute(client, sql, values).boxed()));
        let later = in_order(later.collect());
        let (begun, locked, earlier, last) = join4(begin, lock, later, last).await;
        begun?;
        let locked: Option<Vec<Row>> = locked?;
        if let Some(rows) = locked {
            let row = rows.first().ok_or_else(|| Failure::unreadable("the store has no numbers"))?;
            self.numbers = Numbers::read(row)?;
        }
        earlier?;
        Ok(last?)
    }
}

async fn rows(client: &Client, sql: &str, values: &[Value]) -> Result<RowStream, tokio_postgres::Error> {
    client.query_typed_raw(sql, values.iter().map(|value| (value as &(dyn ToSql + Sync), value.ty()))).await
}

async fn execute(client: &Client, sql: &str, values: &[Value]) -> Result<(), tokio_postgres::Error> {
    rows(client, sql, values).await?.try_for_each(|_| ready(Ok(()))).await
}

/// Runs statements, which are sent in this order because a statement is sent when its future is polled first. Returns the first
/// error: the later ones follow from it.
async fn in_order(mut statements: Vec<MaybeDone<Sent<'_>>>) -> Result<(), tokio_postgres::Error> {
    poll_fn(|context| {
        for statement in &mut statements {
            // It is sent, and its result is waited for below.
            let _ = statement.poll_unpin(context);
        }
        Poll::Ready(())
    })
    .await;
    // Their results arrive in the same order.
    for statement in &mut statements {
        statement.await;
    }
    statements.iter_mut().try_for_each(|statement| Pin::new(statement).take_output().unwrap_or(Ok(())))
}

/// A statement that is under way.
type Sent<'a> = BoxFuture<'a, Result<(), tokio_postgres::Error>>;
