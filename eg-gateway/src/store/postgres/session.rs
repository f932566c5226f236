//! Runs the statements of one transaction over a connection. Statements whose results nobody needs wait until the next one
//! and are sent with it, so a transaction costs as many round trips as it has questions.
//!
//! Statements are never prepared by name, and nothing is left in a session, so that connections may go through a pool that
//! lends them for a transaction.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::{BoxFuture, MaybeDone, join, maybe_done, ready};
use futures_util::{FutureExt as _, TryStreamExt as _};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, RowStream};

use super::faults::{Failure, patience};
use super::numbers::Numbers;
use super::values::Value;

/// How a transaction that writes begins. A server must not wait for a gateway that has stopped in the middle of one.
pub(super) const WRITE: &str =
    "BEGIN; SET LOCAL statement_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '5s'";

/// How a transaction begins that sees one state of the database.
pub(super) const READ: &str = concat!(
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '",
    patience!(),
    "s'; SET LOCAL idle_in_transaction_session_timeout = '30s'"
);

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
    later: Vec<Later>,
    /// The numbers as the transaction has changed them.
    pub(super) numbers: Numbers,
}

impl Session {
    pub(super) fn new(connection: Arc<dyn Connected>, begin: &'static str, numbers: Numbers) -> Self {
        Self { connection, begin: Some(begin), later: Vec::new(), numbers }
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
        self.after_earlier(query).await
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
        let begin = self.begin.take().map(|begin| client.batch_execute(begin).boxed());
        let later = later.iter().map(|(sql, values)| execute(client, sql, values).boxed());
        let earlier = begin.into_iter().chain(later).map(maybe_done).collect();
        let (earlier, last) = join(in_order(earlier), last).await;
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
