//! Runs all writes on one thread. Writes that wait at the same time share a transaction, and so one fsync; each
//! caller gets its answer only after that transaction is on disk. `lines` decides which writes come first.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::health::Health;
use super::lines::{Crowd, Lines, Party, Waiting};
use super::mark::Mark;
use super::place::Place;
use super::position::{Position, advance};
use super::room::{self, Room};

/// Pages that are copied between two groups, while a copy of the database is made. It takes less than a millisecond.
const SLICE: i32 = 64;

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
    Copy(CopyJob),
    Stop,
}

/// A copy of the database to make.
struct CopyJob {
    /// The file, which must not exist.
    to: PathBuf,
    caller: oneshot::Sender<Result<(), StoreError>>,
}

/// A queued write and its result.
trait Job: Send {
    /// Runs the write.
    fn run(&mut self, transaction: &Connection) -> Result<(), StoreError>;
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
    fn run(&mut self, transaction: &Connection) -> Result<(), StoreError> {
        self.result = (self.work)(transaction).map_err(StoreError::from);
        self.result.as_ref().map(drop).map_err(StoreError::clone)
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
        let (lines, crowd_of_queue) = (Lines::default(), Arc::clone(&crowd));
        let queue = Queue { arriving, lines, crowd: crowd_of_queue, room, copy: None, stopped: false };
        (Self { messages, crowd, thread: Arc::default() }, queue)
    }

    /// Starts the thread that commits the writes in `queue`, as long as the files of the store are at their `place`.
    pub(super) fn start(
        &self,
        connection: Connection,
        mut queue: Queue,
        mut mark: Mark,
        place: Arc<Place>,
        health: Arc<Health>,
    ) -> Result<(), StoreError> {
        let failed = |error| StoreError::Sqlite(format!("cannot start a thread of the store: {error}"));
        mark.sync_in_background().map_err(failed)?;
        let run = move || {
            let mut writing = Writing { connection: &connection, mark, place, health, gone: false };
            while let Some(group) = queue.blocking_next() {
                if let Some(copy) = writing.write(group) {
                    let copied = writing.copy(&mut queue, &copy.to);
                    let _ = copy.caller.send(copied);
                }
            }
            writing.mark.close();
        };
        let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(run).map_err(failed)?;
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

    /// Copies the database to a new file, with all writes that were acknowledged before the call. Other writes go on
    /// meanwhile. The copy is not synced.
    pub(super) async fn copy(&self, to: PathBuf) -> Result<(), StoreError> {
        let (caller, answer) = oneshot::channel();
        self.messages.send(Message::Copy(CopyJob { to, caller })).map_err(|_| StoreError::Closed)?;
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

/// What the thread writes with.
struct Writing<'a> {
    connection: &'a Connection,
    mark: Mark,
    place: Arc<Place>,
    health: Arc<Health>,
    /// Whether the files of the store are away.
    gone: bool,
}

impl Writing<'_> {
    /// Writes a group and sends the results to its callers. Returns the copy that was requested after it.
    fn write(&mut self, mut group: Group) -> Option<CopyJob> {
        let copy = group.copy.take();
        if !group.jobs.is_empty() {
            self.commit(group);
        }
        copy
    }

    fn commit(&mut self, mut group: Group) {
        let found = self.place.check();
        match (&found, self.gone) {
            (Err(error), false) => tracing::error!(%error, "the store is gone"),
            (Ok(()), true) => tracing::info!("the store is back"),
            _ => {}
        }
        self.gone = found.is_err();
        let committed = found
            .and_then(|()| self.mark.check())
            .and_then(|()| group.commit(self.connection, self.mark.run()));
        self.health.wrote(committed.as_ref().map(drop).and(group.disk_error.as_ref().map_or(Ok(()), Err)));
        let committed = committed.map(|position| {
            if let Some(position) = position {
                self.mark.advance(position);
            }
        });
        group.answer(&committed);
    }

    /// Copies the database in slices, and writes the groups that wait between two of them. SQLite adds what they change
    /// to the copy, so the copy has the state at its end.
    fn copy(&mut self, queue: &mut Queue, to: &Path) -> Result<(), StoreError> {
        let mut copy = Connection::open(to)?;
        // Whoever wants the copy syncs it, outside of this thread. An unfinished copy is of no use, so it needs no
        // journal.
        copy.pragma_update(None, "synchronous", "OFF")?;
        copy.pragma_update(None, "journal_mode", "OFF")?;
        let backup = Backup::new(self.connection, &mut copy)?;
        while backup.step(SLICE)? != StepResult::Done {
            if let Some(group) = queue.try_next()
                && let Some(another) = self.write(group)
            {
                let _ = another.caller.send(Err(StoreError::Busy));
            }
            if queue.stopped {
                return Err(StoreError::Closed);
            }
        }
        Ok(())
    }
}

/// The waiting writes.
pub(crate) struct Queue {
    arriving: mpsc::UnboundedReceiver<Message>,
    lines: Lines<Box<dyn Job>>,
    crowd: Arc<Crowd>,
    room: Arc<Room>,
    /// A copy to make after the next group.
    copy: Option<CopyJob>,
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

    /// Takes writes that wait now, if there are any.
    fn try_next(&mut self) -> Option<Group> {
        self.group()
    }

    fn needs_more(&self) -> bool {
        self.lines.is_empty() && !self.stopped
    }

    fn arrived(&mut self, message: Option<Message>) {
        match message {
            Some(Message::Write(waiting)) => self.lines.push(waiting),
            Some(Message::Copy(copy)) => match &self.copy {
                None => self.copy = Some(copy),
                Some(_) => {
                    let _ = copy.caller.send(Err(StoreError::Busy));
                }
            },
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
        let copy = self.copy.take();
        let room = Arc::clone(&self.room);
        (!jobs.is_empty() || copy.is_some()).then(|| Group { jobs, room, copy, disk_error: None })
    }
}

/// Writes that share a transaction.
pub(crate) struct Group {
    jobs: Vec<Box<dyn Job>>,
    room: Arc<Room>,
    /// A copy to make after them.
    copy: Option<CopyJob>,
    /// Set if the disk refused one of them.
    disk_error: Option<StoreError>,
}

/// What a commit has done.
struct Committed {
    /// The size of the store in bytes.
    size: u64,
    /// The position of the store, unless nothing was changed.
    position: Option<Position>,
}

impl Group {
    /// Runs the writes in one transaction and commits those that succeed. If the commit fails, none is written.
    /// Returns the position of the store after them, for the mark, unless they changed nothing.
    pub(crate) fn commit(
        &mut self,
        connection: &Connection,
        run: i64,
    ) -> Result<Option<Position>, StoreError> {
        // Failing writes are rare, so writes get their own savepoints only after one of them has failed.
        let committed = self.together(connection, run).and_then(|done| match done {
            Some(committed) => Ok(committed),
            None => self.one_by_one(connection, run),
        });
        match committed {
            Ok(Committed { size, position }) => {
                self.room.measured(size);
                Ok(position)
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

    /// Runs the whole group in one transaction. Returns `None` if a write failed; then nothing was written.
    fn together(&mut self, connection: &Connection, run: i64) -> Result<Option<Committed>, StoreError> {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let before = transaction.total_changes();
        for job in &mut self.jobs {
            let done = job.run(&transaction);
            still_open(&transaction)?;
            if done.is_err() {
                transaction.rollback()?;
                return Ok(None);
            }
        }
        commit(transaction, before, run).map(Some)
    }

    /// Runs each write of the group in its own savepoint and commits those that succeed.
    fn one_by_one(&mut self, connection: &Connection, run: i64) -> Result<Committed, StoreError> {
        let mut transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let before = transaction.total_changes();
        for job in &mut self.jobs {
            let savepoint = transaction.savepoint()?;
            match job.run(&savepoint) {
                Ok(()) => savepoint.commit()?,
                Err(error) => {
                    if matches!(error, StoreError::Disk(_)) {
                        self.disk_error = Some(error);
                    }
                    // Rolls back what the failing write changed before it failed.
                    drop(savepoint);
                }
            }
            still_open(&transaction)?;
        }
        commit(transaction, before, run)
    }
}

/// Commits a transaction that began with `before` changes. If it changed anything, it counts as a group.
fn commit(transaction: Transaction<'_>, before: u64, run: i64) -> Result<Committed, StoreError> {
    let changed = transaction.total_changes() != before;
    let position = changed.then(|| advance(&transaction, run)).transpose()?;
    // Asking within the transaction takes no lock.
    let size = room::size(&transaction)?;
    transaction.commit()?;
    Ok(Committed { size, position })
}

/// Checks that the transaction is still open: a full disk or an I/O error ends it, and later statements would commit
/// on their own.
fn still_open(transaction: &Connection) -> Result<(), StoreError> {
    let over = || StoreError::Disk("it failed during the transaction".to_owned());
    if transaction.is_autocommit() { Err(over()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::position::begin;
    use super::super::schema;
    use super::*;
    use crate::timestamp::Timestamp;

    fn writer() -> (tempfile::TempDir, Writer) {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = schema::open(&dir.path().join("db")).unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER UNIQUE)").unwrap();
        let start = begin(&mut connection, 1, Timestamp::from_millis(0)).unwrap();
        let path = dir.path().join("mark");
        Mark::create(&path, start).unwrap();
        let mark = Mark::open(&path, start).unwrap();
        let (writer, queue) = Writer::new(Arc::default());
        writer.start(connection, queue, mark, Arc::new(Place::new([])), Arc::default()).unwrap();
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
