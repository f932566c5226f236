//! Runs all writes on one thread. Writes that wait at the same time share a transaction, and so one fsync; each
//! caller gets its answer only after that transaction is on disk. `lines` decides which writes come first.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::lines::{Crowd, Lines, Party, Waiting};
use super::place::Place;
use super::room::{self, Room};

/// Sends writes to the thread. Clones share the thread.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    // Not bounded: `crowd` limits the emitters, and the gateway's own writes are limited by its workers.
    messages: mpsc::UnboundedSender<Message>,
    crowd: Arc<Crowd>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

enum Message {
    Write(Waiting<Box<dyn Job>>),
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
    /// Returns a writer and the queue in which its writes wait to be committed. `room` learns the size of the store.
    pub(super) fn new(room: Arc<Room>) -> (Self, Queue) {
        let (messages, arriving) = mpsc::unbounded_channel();
        let crowd = Arc::<Crowd>::default();
        let queue =
            Queue { arriving, lines: Lines::default(), crowd: Arc::clone(&crowd), room, stopped: false };
        (Self { messages, crowd, thread: Arc::default() }, queue)
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

    /// Runs `work`, a write of the gateway's own, in a transaction and returns once it is on disk.
    ///
    /// If another write of its transaction fails, `work` is rolled back and runs once more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write(None, 1, work).await
    }

    /// Does the same for an emitter in `space`, whose write has this weight. Returns [`StoreError::Busy`] if
    /// too many emitters wait.
    pub(super) async fn run_or_busy<T: Send + 'static>(
        &self,
        space: &str,
        weight: usize,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let party = self.crowd.enter(space).ok_or(StoreError::Busy)?;
        self.write(Some(party), weight, work).await
    }

    async fn write<T: Send + 'static>(
        &self,
        party: Party,
        weight: usize,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (caller, answer) = oneshot::channel();
        let write = Box::new(Write { work, result: Err(StoreError::Closed), caller });
        let message = Message::Write(Waiting { party, weight, write });
        self.messages.send(message).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Ends the thread after the writes that are already queued.
    pub(super) async fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Fails only if the thread has ended already.
        let _ = self.messages.send(Message::Stop);
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// The waiting writes.
pub(crate) struct Queue {
    arriving: mpsc::UnboundedReceiver<Message>,
    lines: Lines<Box<dyn Job>>,
    crowd: Arc<Crowd>,
    room: Arc<Room>,
    stopped: bool,
}

impl Queue {
    /// Waits for a write and takes it together with others that wait. Returns `None` after a stop and when every writer
    /// is dropped.
    fn blocking_next(&mut self) -> Option<Group> {
        if self.needs_more() {
            let first = self.arriving.blocking_recv();
            self.arrived(first);
        }
        self.group()
    }

    /// Does the same for a task, which replaces the thread in a simulation.
    #[cfg(test)]
    pub(crate) async fn next(&mut self) -> Option<Group> {
        if self.needs_more() {
            let first = self.arriving.recv().await;
            self.arrived(first);
        }
        self.group()
    }

    fn needs_more(&self) -> bool {
        self.lines.is_empty() && !self.stopped
    }

    fn arrived(&mut self, message: Option<Message>) {
        match message {
            Some(Message::Write(waiting)) => self.lines.push(waiting),
            Some(Message::Stop) | None => self.stopped = true,
        }
    }

    fn group(&mut self) -> Option<Group> {
        while !self.stopped
            && let Ok(message) = self.arriving.try_recv()
        {
            self.arrived(Some(message));
        }
        let taken = self.lines.take();
        self.crowd.leave(taken.iter().map(|waiting| &waiting.party));
        let jobs: Vec<_> = taken.into_iter().map(|waiting| waiting.write).collect();
        (!jobs.is_empty()).then(|| Group { jobs, room: Arc::clone(&self.room) })
    }
}

/// Writes that share a transaction.
pub(crate) struct Group {
    jobs: Vec<Box<dyn Job>>,
    room: Arc<Room>,
}

impl Group {
    /// Runs the writes in one transaction and commits those that succeed. If the commit fails, none is written.
    pub(crate) fn commit(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        // Failing writes are rare, so writes get their own savepoints only after one of them has failed.
        let committed = together(connection, &mut self.jobs).and_then(|size| match size {
            Some(size) => Ok(size),
            None => one_by_one(connection, &mut self.jobs),
        });
        match committed {
            Ok(size) => {
                self.room.measured(size);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, writes = self.jobs.len(), "a group of writes failed");
                Err(error)
            }
        }
    }

    /// Sends each caller the result of its write, or the error of the commit.
    pub(crate) fn answer(self, committed: &Result<(), StoreError>) {
        for job in self.jobs {
            job.answer(committed.clone());
        }
    }
}

/// Runs the whole group in one transaction. Returns the size of the store if all writes succeeded; otherwise nothing was
/// written.
fn together(connection: &mut Connection, group: &mut [Box<dyn Job>]) -> Result<Option<u64>, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in group {
        let done = job.run(&transaction);
        still_open(&transaction)?;
        if !done {
            transaction.rollback()?;
            return Ok(None);
        }
    }
    // Asking within the transaction takes no lock.
    let size = room::size(&transaction)?;
    transaction.commit()?;
    Ok(Some(size))
}

/// Runs each write of the group in its own savepoint and commits those that succeed. Returns the size of the store.
fn one_by_one(connection: &mut Connection, group: &mut [Box<dyn Job>]) -> Result<u64, StoreError> {
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
    let size = room::size(&transaction)?;
    transaction.commit()?;
    Ok(size)
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
        let (writer, queue) = Writer::new(Arc::default());
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
