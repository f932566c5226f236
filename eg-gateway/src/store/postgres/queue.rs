//! Keeps the writes that wait, and hands them out in groups that share a transaction. `lines` decides which come first, and
//! `writer` writes them.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::faults::Failure;
use super::session::Session;
use crate::decide::arrival::NewEvent;
use crate::store::events::Accepted;
use crate::store::lines::{Crowd, Lines, Waiting};
use crate::store::notices::{Losses, Notices};

/// Something to write in a transaction. It may run more than once, if other writes of its transaction fail.
pub(super) trait Work: Send {
    type Output: Send;

    fn run(&mut self, session: &mut Session) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// A write of any kind and its result.
pub(super) trait Job: Send {
    fn run<'a>(&'a mut self, session: &'a mut Session) -> BoxFuture<'a, Result<(), Failure>>;

    /// Sends the result to the caller.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

pub(super) struct Write<W: Work> {
    pub(super) work: W,
    pub(super) result: Option<W::Output>,
    pub(super) caller: oneshot::Sender<Result<W::Output, StoreError>>,
}

impl<W: Work> Job for Write<W> {
    fn run<'a>(&'a mut self, session: &'a mut Session) -> BoxFuture<'a, Result<(), Failure>> {
        async {
            self.result = Some(self.work.run(session).await?);
            Ok(())
        }
        .boxed()
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { result, caller, .. } = *self;
        // The caller may have stopped waiting; the write is valid nevertheless.
        let _ = caller.send(committed.and_then(|()| result.ok_or(StoreError::Closed)));
    }
}

/// The events of a request, and what becomes of them.
pub(super) struct Request {
    pub(super) events: Arc<[NewEvent]>,
    pub(super) notices: Notices,
    pub(super) accepted: Vec<Accepted>,
    pub(super) losses: Losses,
}

/// The answer to a request with events.
pub(super) type Answer = Result<(Vec<Accepted>, Losses), StoreError>;

pub(super) enum Queued {
    /// Requests with events. All of a transaction are written together.
    Accept(Request, oneshot::Sender<Answer>),
    Other(Box<dyn Job>),
}

impl Queued {
    pub(super) fn answer(self, committed: Result<(), StoreError>) {
        match self {
            Self::Accept(Request { accepted, losses, .. }, caller) => {
                let _ = caller.send(committed.map(|()| (accepted, losses)));
            }
            Self::Other(job) => job.answer(committed),
        }
    }
}

pub(super) enum Message {
    Write(Waiting<Queued>),
    Stop,
}

/// The writes that wait.
pub(super) struct Queue {
    pub(super) arriving: mpsc::UnboundedReceiver<Message>,
    lines: Lines<Queued>,
    crowd: Arc<Crowd>,
    pub(super) stopped: bool,
}

impl Queue {
    /// Creates a queue of what arrives. `crowd` counts the emitters among them.
    pub(super) fn new(arriving: mpsc::UnboundedReceiver<Message>, crowd: Arc<Crowd>) -> Self {
        Self { arriving, lines: Lines::default(), crowd, stopped: false }
    }

    /// Waits for a write and takes it together with others that wait. Returns none after a stop.
    pub(super) async fn next(&mut self) -> Vec<Queued> {
        if self.lines.is_empty() && !self.stopped {
            let first = self.arriving.recv().await;
            self.arrived(first);
        }
        self.now()
    }

    /// Takes writes that wait, if there are any.
    pub(super) fn now(&mut self) -> Vec<Queued> {
        while !self.stopped
            && let Ok(message) = self.arriving.try_recv()
        {
            self.arrived(Some(message));
        }
        self.take()
    }

    pub(super) fn take(&mut self) -> Vec<Queued> {
        let taken = self.lines.take();
        self.crowd.leave(taken.iter().map(|waiting| waiting.line));
        taken.into_iter().map(|waiting| waiting.write).collect()
    }

    pub(super) fn arrived(&mut self, message: Option<Message>) {
        match message {
            Some(Message::Write(waiting)) => self.lines.push(waiting),
            Some(Message::Stop) | None => self.stopped = true,
        }
    }
}
