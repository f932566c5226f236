//! Runs all writes in one task, over one connection. Writes that wait at the same time share a transaction; each caller gets
//! its answer only after that transaction is committed. A write that fails fails alone.
//!
//! If the connection is lost during a commit, the task finds out whether it succeeded before it answers. Meanwhile, and while
//! there is no connection, other writes are refused at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_util::task::AbortOnDropHandle;

use super::StoreError;
use super::events::insert;
use super::faults::Failure;
use super::neighbours::Seen;
use super::numbers::{Fence, Numbers, advance};
use super::queue::{Answer, Message, Queue, Queued, Request, Work, Write};
use super::session::Session;
use super::settings::Settings;
use super::standing::Standing;
use super::values::get;
use crate::decide::arrival::NewEvent;
use crate::store::health::Health;
use crate::store::lines::{Crowd, Line, OWN, Waiting};
use crate::store::notices::{Losses, Notices};
use crate::store::room::Room;

/// How long the statements of a transaction, or its commit, may take. Then the connection counts as lost.
const PATIENCE: Duration = Duration::from_secs(12);

/// The pause between attempts to connect.
const PAUSE: Duration = Duration::from_millis(200);

/// How long writes wait for a connection before they are refused.
const GRACE: Duration = Duration::from_millis(500);

/// How long an emitter waits for its answer. Its events may be stored nevertheless, as after any lost answer.
const ANSWER: Duration = Duration::from_secs(15);

/// How often a transaction is tried that collides with others.
const TRIES: usize = 5;

/// Sends writes to the task. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    // Not bounded: `crowd` limits the emitters, and the gateway's own writes are limited by its workers.
    messages: mpsc::UnboundedSender<Message>,
    crowd: Arc<Crowd>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Writer {
    /// Starts the task. When this returns, the store is open for this gateway.
    pub(super) async fn start(
        settings: Arc<Settings>,
        standing: Arc<Standing>,
        seen: Arc<Seen>,
        epoch: i64,
        room: Arc<Room>,
        health: Arc<Health>,
    ) -> Result<Self, StoreError> {
        let (messages, arriving) = mpsc::unbounded_channel();
        let crowd = Arc::<Crowd>::default();
        let connection = Connection::open(&settings, epoch).await?;
        let queue = Queue::new(arriving, Arc::clone(&crowd));
        let connection = Some(connection);
        let task = Task { settings, standing, seen, epoch, room, health, queue, connection };
        let task = Arc::new(Mutex::new(Some(tokio::spawn(task.run()))));
        Ok(Self { messages, crowd, task })
    }

    /// Runs a write of the gateway's own in a transaction, and returns once it is committed.
    pub(super) async fn run<W: Work + 'static>(&self, work: W) -> Result<W::Output, StoreError> {
        let (caller, answer) = oneshot::channel();
        self.send(OWN, 1, Queued::Other(Box::new(Write { work, result: None, caller })))?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Accepts events of an emitter in `space`. Returns [`StoreError::Busy`] if too many emitters wait.
    pub(super) async fn accept(
        &self,
        space: &str,
        weight: usize,
        events: Arc<[NewEvent]>,
        notices: Notices,
    ) -> Answer {
        let line = self.crowd.enter(space).ok_or(StoreError::Busy)?;
        let (caller, answer) = oneshot::channel();
        let request = Request { events, notices, accepted: Vec::new(), losses: Losses::default() };
        self.send(line, weight, Queued::Accept(request, caller))?;
        match tokio::time::timeout(ANSWER, answer).await {
            Ok(answer) => answer.map_err(|_| StoreError::Closed)?,
            Err(_) => Err(StoreError::Unreachable("it did not answer in time".to_owned())),
        }
    }

    fn send(&self, line: Line, weight: usize, write: Queued) -> Result<(), StoreError> {
        let message = Message::Write(Waiting { line, weight, write });
        self.messages.send(message).map_err(|_| StoreError::Closed)
    }

    /// Ends the task after the writes that are already queued.
    pub(super) async fn stop(&self) {
        // Fails only if the task has ended already.
        let _ = self.messages.send(Message::Stop);
        if let Some(task) = self.task.lock().await.take() {
            let _ = task.await;
        }
    }
}

/// A connection that may write.
struct Connection {
    client: Arc<Client>,
    fence: Fence,
    _driver: AbortOnDropHandle<()>,
}

impl Connection {
    /// Connects, and closes the store for the connection of this gateway before this one: from now on, whatever that one has
    /// not committed is never committed.
    async fn open(settings: &Settings, epoch: i64) -> Result<Self, Failure> {
        let (client, driver) = settings.connect().await?;
        let open = format!(
            "UPDATE gateways SET session = session + 1 WHERE epoch = {epoch} RETURNING session, tick"
        );
        let opened = tokio::time::timeout(PATIENCE, client.query_typed(&open, &[])).await;
        let rows =
            opened.map_err(|_| Failure::Disconnected("the database did not answer in time".to_owned()))??;
        let row = rows.first().ok_or(Failure::Fenced)?;
        let fence = Fence { epoch, session: get(row, "session")?, tick: get(row, "tick")? };
        Ok(Self { client: Arc::new(client), fence, _driver: driver })
    }

    fn begin(&self) -> Session {
        Session::writing(Arc::clone(&self.client) as _, self.fence.epoch)
    }
}

/// How a transaction ended.
enum End {
    Committed(Numbers),
    Failed(Failure),
    /// The connection was lost during the commit of the transaction of this gateway with this number.
    Unknown(i64, String),
}

struct Task {
    settings: Arc<Settings>,
    standing: Arc<Standing>,
    seen: Arc<Seen>,
    epoch: i64,
    room: Arc<Room>,
    health: Arc<Health>,
    queue: Queue,
    connection: Option<Connection>,
}

impl Task {
    async fn run(mut self) {
        loop {
            let group = self.queue.next().await;
            if group.is_empty() && self.queue.stopped {
                return;
            }
            self.write(group).await;
        }
    }

    /// Writes a group, and sends the results to its callers.
    async fn write(&mut self, group: Vec<Queued>) {
        if let Err(error) = self.standing.check() {
            return answer(group, &Err(error));
        }
        // One that the server has closed while nothing was written.
        if self.connection.as_ref().is_none_or(|connection| connection.client.is_closed()) {
            self.connection = None;
            self.reconnect(false).await;
        }
        let mut group = group;
        match self.commit(&mut group).await {
            Some(Failure::Disconnected(reason)) | Some(Failure::Collided(reason)) => {
                answer(group, &self.ended(Err(StoreError::Unreachable(reason))));
            }
            Some(Failure::Fenced) => {
                self.standing.lost();
                answer(group, &self.ended(Err(StoreError::LeaseLost)));
            }
            Some(_) if group.len() > 1 => {
                // Failing writes are rare, so writes get their own transactions only after one of them has failed.
                for write in group {
                    Box::pin(self.write(vec![write])).await;
                }
            }
            Some(failure) => {
                let error = StoreError::from(failure);
                tracing::error!(%error, "a write failed");
                answer(group, &self.ended(Err(error)));
            }
            None => answer(group, &self.ended(Ok(()))),
        }
    }

    fn ended(&self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        self.health.wrote(result.as_ref().copied());
        result
    }

    /// Commits a group in one transaction. Returns why it is not committed.
    async fn commit(&mut self, group: &mut Vec<Queued>) -> Option<Failure> {
        for _ in 0..TRIES {
            let Some(connection) = &self.connection else {
                return Some(Failure::Disconnected("there is no connection".to_owned()));
            };
            // The transactions of other gateways take turns with this one, which has to make the most of its turn.
            let queue = (!self.seen.is_alone()).then_some(&mut self.queue);
            match together(connection, group, queue).await {
                End::Committed(numbers) => {
                    self.room.measured(numbers.bytes());
                    if let Some(connection) = &mut self.connection {
                        connection.fence.tick += 1;
                    }
                    return None;
                }
                End::Failed(Failure::Collided(_)) => {}
                End::Failed(failure) => {
                    if failure.is_disconnected() {
                        self.connection = None;
                    }
                    return Some(failure);
                }
                End::Unknown(tick, reason) => {
                    tracing::warn!(
                        reason,
                        "the connection was lost during a commit; whether it succeeded is found out"
                    );
                    self.connection = None;
                    self.reconnect(true).await;
                    return match &self.connection {
                        Some(connection) if connection.fence.tick == tick => None,
                        _ => Some(Failure::Disconnected(reason)),
                    };
                }
            }
        }
        Some(Failure::Collided("the transaction collides with others".to_owned()))
    }

    /// Connects, once or until it succeeds. Writes that arrive meanwhile are refused after a while, so that they do not pile
    /// up.
    async fn reconnect(&mut self, persistent: bool) {
        let (settings, epoch) = (Arc::clone(&self.settings), self.epoch);
        let connect = async {
            loop {
                match Connection::open(&settings, epoch).await {
                    Err(failure) if persistent && !matches!(failure, Failure::Fenced) => {
                        tokio::time::sleep(PAUSE).await;
                    }
                    opened => return opened,
                }
            }
        };
        let grace = tokio::time::sleep(GRACE);
        tokio::pin!(connect, grace);
        let mut refusing = false;
        loop {
            tokio::select! {
                opened = &mut connect => match opened {
                    Ok(connection) => return self.connection = Some(connection),
                    Err(Failure::Fenced) => return self.standing.lost(),
                    Err(failure) => {
                        let error = StoreError::from(failure);
                        return tracing::warn!(%error, "cannot connect to the store");
                    }
                },
                () = &mut grace, if !refusing => refusing = true,
                message = self.queue.arriving.recv(), if refusing && !self.queue.stopped => {
                    self.queue.arrived(message);
                    let error = StoreError::Unreachable("there is no connection".to_owned());
                    self.health.wrote(Err(&error));
                    for write in self.queue.take() {
                        write.answer(Err(error.clone()));
                    }
                }
            }
            if self.queue.stopped {
                return;
            }
        }
    }
}

/// Runs the writes of a group in one transaction. When it has begun, those that wait in `queue` by then join the group.
async fn together(connection: &Connection, group: &mut Vec<Queued>, queue: Option<&mut Queue>) -> End {
    let mut session = connection.begin();
    let run = async {
        if let Some(queue) = queue {
            session.begun().await?;
            group.extend(queue.now());
        }
        run(&mut session, group).await
    };
    let run = tokio::time::timeout(PATIENCE, run).await;
    let late = || Failure::Disconnected("the database did not answer in time".to_owned());
    if let Err(failure) = run.unwrap_or_else(|_| Err(late())) {
        return if failure.is_disconnected() {
            End::Failed(failure)
        } else {
            let undone = tokio::time::timeout(PATIENCE, session.roll_back()).await;
            match undone.unwrap_or_else(|_| Err(late())) {
                Ok(()) => End::Failed(failure),
                Err(lost) => End::Failed(lost),
            }
        };
    }
    advance(&mut session, connection.fence);
    let numbers = session.numbers;
    match tokio::time::timeout(PATIENCE, session.commit()).await.unwrap_or_else(|_| Err(late())) {
        Ok(()) => End::Committed(numbers),
        Err(Failure::Disconnected(reason)) => End::Unknown(connection.fence.tick + 1, reason),
        Err(failure) => End::Failed(failure),
    }
}

async fn run(session: &mut Session, group: &mut [Queued]) -> Result<(), Failure> {
    let requests = group.iter_mut().filter_map(|queued| match queued {
        Queued::Accept(request, _) => Some(request),
        Queued::Other(_) => None,
    });
    insert(session, requests.collect()).await?;
    session.begun().await?;
    for queued in group {
        if let Queued::Other(job) = queued {
            job.run(session).await?;
        }
    }
    Ok(())
}

fn answer(group: Vec<Queued>, committed: &Result<(), StoreError>) {
    for queued in group {
        queued.answer(committed.clone());
    }
}
