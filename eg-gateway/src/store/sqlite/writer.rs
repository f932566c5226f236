//! Runs all writes on one thread. Writes that wait at the same time share a transaction, and so one fsync; each
//! caller gets its answer only after that transaction is on disk. `queue` collects them, and `group` runs them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::checkpoint::Checkpoints;
use super::group::{Group, Kind, job};
use super::mark::Mark;
use super::place::Place;
use super::queue::{CopyJob, Message, Queue, Queued};
use crate::store::health::Health;
use crate::store::lines::{Crowd, Line, OWN, Waiting};
use crate::store::room::Room;

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

impl Writer {
    /// Returns a writer and the queue in which its writes wait to be committed. `room` learns the size of the store.
    pub(super) fn new(room: Arc<Room>) -> (Self, Queue) {
        let (messages, arriving) = mpsc::unbounded_channel();
        let crowd = Arc::<Crowd>::default();
        let queue = Queue::new(arriving, Arc::clone(&crowd), room);
        (Self { messages, crowd, thread: Arc::default() }, queue)
    }

    /// Starts the thread that commits the writes in `queue`, as long as the files of the store are at their `place`.
    pub(super) fn start(
        &self,
        mut connection: Connection,
        mut queue: Queue,
        mut mark: Mark,
        place: Arc<Place>,
        health: Arc<Health>,
    ) -> Result<(), StoreError> {
        let failed = |error| StoreError::Failed(format!("cannot start a thread of the store: {error}"));
        mark.sync_in_background().map_err(failed)?;
        let path = connection.path().map(PathBuf::from).unwrap_or_default();
        let checkpoints = Checkpoints::start(&mut connection, &path)?;
        let run = move || {
            let mut writing =
                Writing { connection: &connection, checkpoints, mark, place, health, gone: false };
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
        self.write(OWN, 1, Kind::Change, work).await
    }

    /// Does the same for a claim or an outcome of attempts: if it is lost with the end of the log, its deliveries are made
    /// again.
    pub(super) async fn run_repeatable<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write(OWN, 1, Kind::Repeatable, work).await
    }

    /// Does the same for an emitter in `space`, whose write has this weight. Returns [`StoreError::Busy`] if
    /// too many emitters wait.
    pub(super) async fn run_or_busy<T: Send + 'static>(
        &self,
        space: &str,
        weight: usize,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let line = self.crowd.enter(space).ok_or(StoreError::Busy)?;
        self.write(line, weight, Kind::Events, work).await
    }

    async fn write<T: Send + 'static>(
        &self,
        line: Line,
        weight: usize,
        kind: Kind,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (caller, answer) = oneshot::channel();
        let write = Queued { kind, job: job(work, caller) };
        let message = Message::Write(Waiting { line, weight, write });
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
    checkpoints: Checkpoints,
    mark: Mark,
    place: Arc<Place>,
    health: Arc<Health>,
    /// Whether the files of the store are away.
    gone: bool,
}

impl Writing<'_> {
    /// Writes a group and sends the results to its callers. Returns the copy that was requested after it.
    fn write(&mut self, mut group: Group) -> Option<CopyJob> {
        let copy = group.take_copy();
        if !group.is_empty() {
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
            .and_then(|()| group.commit(self.connection, self.mark.position()));
        self.health.wrote(committed.as_ref().map(drop).and(group.disk_error().map_or(Ok(()), Err)));
        let committed = committed.map(|position| {
            if let Some(position) = position {
                self.mark.advance(position);
            }
        });
        group.answer(&committed);
        if !self.gone {
            self.checkpoints.committed(self.connection);
        }
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
        assert!(matches!(second, Err(StoreError::Failed(_))));
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
