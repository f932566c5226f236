//! Runs all writes on one thread. Writes that wait at the same time share a transaction, and so one fsync; each
//! caller gets its answer only after that transaction is on disk.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::place::Place;

/// Maximum number of waiting writes. Beyond that, emitters are asked to retry later.
const WAITING: usize = 1024;

/// Maximum number of writes in one transaction. It limits how long the first of them waits for the last.
const GROUP: usize = 256;

/// Maximum weight of the writes in one transaction, except that its last write may exceed it.
const GROUP_WEIGHT: usize = 256;

/// Sends writes to the thread. Clones share the thread.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    messages: mpsc::Sender<Message>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

enum Message {
    /// A write, and its weight.
    Write(Box<dyn Job>, usize),
    Stop,
}

/// A queued write and its result.
trait Job: Send {
    /// Runs the write. Returns whether it succeeded.
    fn run(&mut self, transaction: &Connection) -> bool;
    /// Sends the result to the caller.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Write<F, T> {
    work: F,
    result: Result<T, StoreError>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for Write<F, T>
where
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, transaction: &Connection) -> bool {
        self.result = (self.work)(transaction).map_err(StoreError::from);
        self.result.is_ok()
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        // The caller may have stopped waiting; the write is valid nevertheless.
        let _ = self.caller.send(committed.and(self.result));
    }
}

impl Writer {
    /// Returns a writer and the queue in which its writes wait to be committed.
    pub(super) fn new() -> (Self, Queue) {
        let (messages, waiting) = mpsc::channel(WAITING);
        (Self { messages, thread: Arc::default() }, Queue { waiting, stopped: false })
    }

    /// Starts the thread that commits the writes in `queue`, as long as the files of the store are at their `place`.
    pub(super) fn start(
        &self,
        mut connection: Connection,
        mut queue: Queue,
        place: Arc<Place>,
    ) -> Result<(), StoreError> {
        let run = move || {
            let mut gone = false;
            while let Some(mut group) = queue.blocking_next() {
                let found = place.check();
                match (&found, gone) {
                    (Err(error), false) => tracing::error!(%error, "the store is gone"),
                    (Ok(()), true) => tracing::info!("the store is back"),
                    _ => {}
                }
                gone = found.is_err();
                let committed = found.and_then(|()| group.commit(&mut connection));
                group.answer(&committed);
            }
        };
        let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(run);
        let thread =
            thread.map_err(|e| StoreError::Sqlite(format!("cannot start the writer thread: {e}")))?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Runs `work` in a transaction and returns once it is on disk. If the queue is full, it waits for room.
    ///
    /// If another write of its transaction fails, `work` is rolled back and runs once more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (write, answer) = message(work, 1);
        self.messages.send(write).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Does the same as [`run`](Self::run), but returns [`StoreError::Busy`] if the queue is full. `weight` is that of
    /// `work`.
    pub(super) async fn run_or_busy<T: Send + 'static>(
        &self,
        weight: usize,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (write, answer) = message(work, weight);
        self.messages.try_send(write).map_err(|e| match e {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Closed(_) => StoreError::Closed,
        })?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Ends the thread after the writes that are already queued.
    pub(super) async fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Fails only if the thread has ended already.
        let _ = self.messages.send(Message::Stop).await;
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// Returns a message that makes the thread run `work`, and the receiver of the result.
fn message<T: Send + 'static>(
    work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    weight: usize,
) -> (Message, oneshot::Receiver<Result<T, StoreError>>) {
    let (caller, answer) = oneshot::channel();
    (Message::Write(Box::new(Write { work, result: Err(StoreError::Closed), caller }), weight), answer)
}

/// The waiting writes.
pub(crate) struct Queue {
    waiting: mpsc::Receiver<Message>,
    stopped: bool,
}

impl Queue {
    /// Waits for a write and takes it together with all other waiting ones. Returns `None` after a stop and when
    /// every writer is dropped.
    fn blocking_next(&mut self) -> Option<Group> {
        let first = if self.stopped { None } else { self.waiting.blocking_recv() };
        self.group(first)
    }

    /// Does the same for a task, which replaces the thread in a simulation.
    #[cfg(test)]
    pub(crate) async fn next(&mut self) -> Option<Group> {
        let first = if self.stopped { None } else { self.waiting.recv().await };
        self.group(first)
    }

    fn group(&mut self, first: Option<Message>) -> Option<Group> {
        let mut next = Some(first?);
        let (mut jobs, mut group) = (Vec::new(), 0);
        while let Some(Message::Write(job, weight)) = next {
            jobs.push(job);
            group += weight;
            let more = jobs.len() < GROUP && group < GROUP_WEIGHT;
            next = if more { self.waiting.try_recv().ok() } else { None };
        }
        self.stopped = matches!(next, Some(Message::Stop));
        (!jobs.is_empty()).then_some(Group(jobs))
    }
}

/// Writes that share a transaction.
pub(crate) struct Group(Vec<Box<dyn Job>>);

impl Group {
    /// Runs the writes in one transaction and commits those that succeed. If the commit fails, none is written.
    pub(crate) fn commit(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        // Failing writes are rare, so writes get their own savepoints only after one of them has failed.
        let committed = together(connection, &mut self.0)
            .and_then(|done| if done { Ok(()) } else { one_by_one(connection, &mut self.0) });
        if let Err(error) = &committed {
            tracing::error!(%error, writes = self.0.len(), "a group of writes failed");
        }
        committed
    }

    /// Sends each caller the result of its write, or the error of the commit.
    pub(crate) fn answer(self, committed: &Result<(), StoreError>) {
        for job in self.0 {
            job.answer(committed.clone());
        }
    }
}

/// Runs the whole group in one transaction. Returns whether all writes succeeded; otherwise nothing was written.
fn together(connection: &mut Connection, group: &mut [Box<dyn Job>]) -> Result<bool, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in group {
        let done = job.run(&transaction);
        still_open(&transaction)?;
        if !done {
            transaction.rollback()?;
            return Ok(false);
        }
    }
    transaction.commit()?;
    Ok(true)
}

/// Runs each write of the group in its own savepoint and commits those that succeed.
fn one_by_one(connection: &mut Connection, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in group {
        let savepoint = transaction.savepoint()?;
        if job.run(&savepoint) {
            savepoint.commit()?;
        } else {
            // Rolls back what the failing write changed before it failed.
            drop(savepoint);
        }
        still_open(&transaction)?;
    }
    Ok(transaction.commit()?)
}

/// Checks that the transaction is still open: a full disk or an I/O error ends it, and later statements would commit
/// on their own.
fn still_open(transaction: &Connection) -> Result<(), StoreError> {
    let over = || StoreError::Sqlite("the disk failed during the transaction".to_owned());
    if transaction.is_autocommit() { Err(over()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer() -> (tempfile::TempDir, Writer) {
        let dir = tempfile::tempdir().unwrap();
        let connection = Connection::open(dir.path().join("db")).unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER UNIQUE)").unwrap();
        let (writer, queue) = Writer::new();
        writer.start(connection, queue, Arc::new(Place::new([]))).unwrap();
        (dir, writer)
    }

    async fn numbers(writer: &Writer) -> Vec<i64> {
        let query =
            |c: &Connection| c.prepare("SELECT n FROM t ORDER BY n")?.query_map([], |r| r.get(0))?.collect();
        writer.run(query).await.unwrap()
    }

    fn insert(n: i64) -> impl FnMut(&Connection) -> rusqlite::Result<usize> + Send + 'static {
        move |c| c.execute("INSERT INTO t VALUES (?1)", [n])
    }

    #[tokio::test]
    async fn a_failing_write_fails_alone() {
        let (_dir, writer) = writer();
        let twice = |c: &Connection| insert(2)(c).and_then(|_| insert(1)(c));
        let (first, second, third) =
            tokio::join!(writer.run(insert(1)), writer.run(twice), writer.run(insert(3)));
        assert!(first.is_ok());
        assert!(matches!(second, Err(StoreError::Sqlite(_))));
        assert!(third.is_ok());
        assert_eq!(numbers(&writer).await, [1, 3]);
    }

    #[tokio::test]
    async fn a_failed_commit_acknowledges_nothing() {
        let (_dir, writer) = writer();
        // Ends the transaction behind the thread's back, as SQLite does when the disk is full.
        let disk_full = |c: &Connection| c.execute_batch("ROLLBACK");
        let (first, second, third) =
            tokio::join!(writer.run(insert(1)), writer.run(disk_full), writer.run(insert(3)));
        assert!(second.is_err());
        // Which other writes shared the broken transaction depends on timing, but every acknowledged write is stored.
        let acknowledged: Vec<i64> =
            [(1, first), (3, third)].into_iter().filter(|(_, r)| r.is_ok()).map(|(n, _)| n).collect();
        assert_eq!(numbers(&writer).await, acknowledged);
    }

    #[tokio::test]
    async fn stopping_finishes_what_was_asked_for() {
        let (dir, writer) = writer();
        let asked: Vec<_> = (0..50)
            .map(|n| {
                tokio::spawn({
                    let writer = writer.clone();
                    async move { writer.run(insert(n)).await }
                })
            })
            .collect();
        for write in asked {
            write.await.unwrap().unwrap();
        }
        writer.stop().await;
        assert!(matches!(writer.run(insert(99)).await, Err(StoreError::Closed)));
        let count = |c: &Connection| c.query_row("SELECT count(*) FROM t", [], |r| r.get::<_, i64>(0));
        assert_eq!(count(&Connection::open(dir.path().join("db")).unwrap()).unwrap(), 50);
    }
}
