//! Collects the waiting writes into groups that share a transaction. `lines` decides which come first, `group` runs
//! them, and `writer` owns the thread.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::group::{Group, Job, Kind};
use crate::store::lines::{Crowd, Lines, Waiting};
use crate::store::room::Room;

/// How many groups may be written before the store is measured in any case.
const UNMEASURED: u8 = 64;

/// What the thread is sent.
pub(super) enum Message {
    Write(Waiting<Queued>),
    Copy(CopyJob),
    Stop,
}

/// A copy of the database to make.
pub(super) struct CopyJob {
    /// The file, which must not exist.
    pub(super) to: PathBuf,
    pub(super) caller: oneshot::Sender<Result<(), StoreError>>,
}

/// A write that waits.
pub(super) struct Queued {
    pub(super) kind: Kind,
    pub(super) job: Box<dyn Job>,
}

/// The waiting writes.
pub(crate) struct Queue {
    arriving: mpsc::UnboundedReceiver<Message>,
    lines: Lines<Queued>,
    crowd: Arc<Crowd>,
    room: Arc<Room>,
    /// The groups since the store was measured.
    unmeasured: u8,
    /// A copy to make after the next group.
    copy: Option<CopyJob>,
    pub(super) stopped: bool,
}

impl Queue {
    /// Creates a queue of what arrives. `crowd` counts the emitters among them, and `room` learns the size of the store.
    pub(super) fn new(
        arriving: mpsc::UnboundedReceiver<Message>,
        crowd: Arc<Crowd>,
        room: Arc<Room>,
    ) -> Self {
        Self { arriving, lines: Lines::default(), crowd, room, unmeasured: 0, copy: None, stopped: false }
    }

    /// Waits for a write and takes it together with others that wait. Returns `None` after a stop and when every writer
    /// is dropped.
    pub(super) fn blocking_next(&mut self) -> Option<Group> {
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
    pub(super) fn try_next(&mut self) -> Option<Group> {
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
        self.crowd.leave(taken.iter().map(|waiting| waiting.line));
        let kind = taken.iter().map(|waiting| waiting.write.kind).max().unwrap_or(Kind::Repeatable);
        let measured = kind == Kind::Change || self.room.is_due() || self.unmeasured >= UNMEASURED;
        self.unmeasured = if measured { 0 } else { self.unmeasured + 1 };
        let jobs: Vec<_> = taken.into_iter().map(|waiting| waiting.write.job).collect();
        let copy = self.copy.take();
        let room = measured.then(|| Arc::clone(&self.room));
        (!jobs.is_empty() || copy.is_some()).then(|| Group::new(jobs, kind, room, copy))
    }
}
