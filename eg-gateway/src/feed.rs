//! Brings activities to whoever watches: in this process as values, over HTTP as numbered entries that are kept for a
//! while. A watcher that falls behind misses some, and is told so.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use time::OffsetDateTime;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use crate::activity::Activity;
use crate::clock;

/// How many entries are kept for watchers that come back.
const KEPT: usize = 10_000;

/// How many bytes of text they may hold.
const KEPT_BYTES: usize = 8 * 1024 * 1024;

/// How many activities a watcher in this process may fall behind.
const BEHIND: usize = 1024;

/// Sends activities to whoever watches. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    live: broadcast::Sender<Activity>,
    kept: Arc<Kept>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Kept {
    entries: Mutex<Entries>,
    /// Something was added.
    added: Notify,
    /// Tells numbers of this process from those of an earlier one.
    epoch: i64,
}

#[derive(Debug, Default)]
struct Entries {
    /// The number of the first one kept.
    first: u64,
    kept: VecDeque<Arc<Entry>>,
    /// Bytes of text in them.
    bytes: usize,
}

/// One thing that happened, and when.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) at: OffsetDateTime,
    pub(crate) activity: Activity,
}

/// Where a watcher stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    epoch: i64,
    next: u64,
}

/// What a watcher gets.
#[derive(Debug)]
pub(crate) enum Update {
    Entries(Vec<Arc<Entry>>),
    /// What happened between is no longer known.
    Gap,
    /// The gateway stops.
    End,
}

impl Feed {
    pub(crate) fn new(stop: CancellationToken) -> Self {
        let kept = Kept { entries: Mutex::default(), added: Notify::new(), epoch: clock::now_millis() };
        Self { live: broadcast::Sender::new(BEHIND), kept: Arc::new(kept), stop }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Activity> {
        self.live.subscribe()
    }

    /// Tells the watchers, and those to come.
    pub(crate) fn tell(&self, activity: impl FnOnce() -> Activity) {
        let activity = activity();
        if self.live.receiver_count() > 0 {
            // Fails only when the last watcher left in this moment.
            let _ = self.live.send(activity.clone());
        }
        let mut entries = self.kept.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let number = entries.end();
        entries.bytes += activity.text_len();
        entries.kept.push_back(Arc::new(Entry { number, at: clock::now(), activity }));
        while entries.kept.len() > KEPT || entries.bytes > KEPT_BYTES {
            let Some(oldest) = entries.kept.pop_front() else { break };
            entries.bytes -= oldest.activity.text_len();
            entries.first += 1;
        }
        drop(entries);
        self.kept.added.notify_waiters();
    }

    /// What happens from now on.
    pub(crate) fn now(&self) -> Position {
        let entries = self.kept.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Position { epoch: self.kept.epoch, next: entries.end() }
    }

    /// The id of an entry, as watchers see it.
    pub(crate) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.kept.epoch)
    }

    /// What comes after the entry with this id; `None` when it is no id.
    pub(crate) fn after(id: &str) -> Option<Position> {
        let (epoch, number) = id.rsplit_once('-')?;
        Some(Position { epoch: epoch.parse().ok()?, next: number.parse::<u64>().ok()?.checked_add(1)? })
    }

    /// Waits until there is something at `position`, and moves it on.
    pub(crate) async fn next(&self, position: &mut Position) -> Update {
        loop {
            let added = self.kept.added.notified();
            tokio::pin!(added);
            // Whatever is added from here on is noticed.
            added.as_mut().enable();
            if let Some(update) = self.take(position) {
                return update;
            }
            tokio::select! {
                () = &mut added => {}
                () = self.stop.cancelled() => return Update::End,
            }
        }
    }

    fn take(&self, position: &mut Position) -> Option<Update> {
        let entries = self.kept.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if position.epoch != self.kept.epoch || !(entries.first..=entries.end()).contains(&position.next) {
            *position = Position { epoch: self.kept.epoch, next: entries.first };
            return Some(Update::Gap);
        }
        let skip = usize::try_from(position.next - entries.first).unwrap_or(usize::MAX);
        let new: Vec<_> = entries.kept.iter().skip(skip).cloned().collect();
        position.next = entries.end();
        (!new.is_empty()).then_some(Update::Entries(new))
    }
}

impl Entries {
    /// The number of the next one.
    fn end(&self) -> u64 {
        self.first + u64::try_from(self.kept.len()).unwrap_or(u64::MAX)
    }
}
