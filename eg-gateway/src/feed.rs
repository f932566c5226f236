//! Brings activities to watchers: in this process as values, over HTTP as numbered entries that are kept for watchers who
//! lost their connection. Without watchers nothing is kept, and an activity costs next to nothing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eg_sdk::history::FeedEntry;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, text_len};
use crate::clock;

/// How many entries are kept for watchers that come back.
const KEPT: usize = 10_000;

/// How many bytes of text they may hold.
const KEPT_BYTES: usize = 8 * 1024 * 1024;

/// For how long a watcher who lost the connection can come back without a gap.
const RETURN: Duration = Duration::from_secs(300);

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
    /// Whether entries are kept: from the first watcher on, until the last one has been away for [`RETURN`].
    keeping: AtomicBool,
    /// Whether something happened that was not kept.
    missed: AtomicBool,
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
    watchers: usize,
    /// When the last watcher left.
    left: Option<Instant>,
}

/// A numbered entry.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) what: FeedEntry,
}

/// Where a watcher stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    epoch: i64,
    next: u64,
}

/// A watcher over HTTP. While it exists, entries are kept.
#[derive(Debug)]
pub(crate) struct Watcher {
    feed: Feed,
    position: Position,
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
        let kept = Kept {
            entries: Mutex::default(),
            keeping: AtomicBool::new(false),
            missed: AtomicBool::new(false),
            added: Notify::new(),
            epoch: clock::now_millis(),
        };
        Self { live: broadcast::Sender::new(BEHIND), kept: Arc::new(kept), stop }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Activity> {
        self.live.subscribe()
    }

    /// Reports an activity to the watchers, and to those who come back. Without any, `activity` is not asked for.
    pub(crate) fn publish(&self, activity: impl FnOnce() -> Activity) {
        let live = self.live.receiver_count() > 0;
        let keeping = self.kept.keeping.load(Ordering::Relaxed);
        if !keeping {
            self.kept.miss();
        }
        if !live && !keeping {
            return;
        }
        let activity = activity();
        if live {
            // Fails only when the last watcher left in this moment.
            let _ = self.live.send(activity.clone());
        }
        if keeping {
            self.kept.add(activity);
        }
    }

    /// Watches from now on, or from after the entry with this id. `None` when it is no id.
    pub(crate) fn watch(&self, after: Option<&str>) -> Option<Watcher> {
        let after = match after {
            Some(id) => Some(position_after(id)?),
            None => None,
        };
        let mut entries = self.kept.entries();
        if !self.kept.keeping.swap(true, Ordering::Relaxed) && self.kept.missed.swap(false, Ordering::Relaxed)
        {
            // Whoever stands before this number has missed something.
            entries.first += 1;
        }
        entries.watchers += 1;
        let now = Position { epoch: self.kept.epoch, next: entries.end() };
        Some(Watcher { feed: self.clone(), position: after.unwrap_or(now) })
    }
}

/// What comes after the entry with this id.
fn position_after(id: &str) -> Option<Position> {
    let (epoch, number) = id.rsplit_once('-')?;
    Some(Position { epoch: epoch.parse().ok()?, next: number.parse::<u64>().ok()?.checked_add(1)? })
}

impl Kept {
    fn add(&self, activity: Activity) {
        let mut entries = self.entries();
        let gone = |left: Instant| clock::instant().duration_since(left) > RETURN;
        if entries.watchers == 0 && entries.left.is_some_and(gone) {
            self.keeping.store(false, Ordering::Relaxed);
            entries.forget();
            self.miss();
            return;
        }
        let number = entries.end();
        entries.bytes += text_len(&activity);
        let what = FeedEntry { at: clock::now(), activity };
        entries.kept.push_back(Arc::new(Entry { number, what }));
        while entries.kept.len() > KEPT || entries.bytes > KEPT_BYTES {
            let Some(oldest) = entries.kept.pop_front() else { break };
            entries.bytes -= text_len(&oldest.what.activity);
            entries.first += 1;
        }
        drop(entries);
        self.added.notify_waiters();
    }

    fn miss(&self) {
        // Written once only, so that the processors can share it.
        if !self.missed.load(Ordering::Relaxed) {
            self.missed.store(true, Ordering::Relaxed);
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// The id of an entry, as watchers see it.
    pub(crate) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.feed.kept.epoch)
    }

    /// Waits until there is something that the watcher has not seen.
    pub(crate) async fn next(&mut self) -> Update {
        let Self { feed, position } = self;
        loop {
            let added = feed.kept.added.notified();
            tokio::pin!(added);
            // Whatever is added from here on is noticed.
            added.as_mut().enable();
            if let Some(update) = feed.kept.take(position) {
                return update;
            }
            tokio::select! {
                () = &mut added => {}
                () = feed.stop.cancelled() => return Update::End,
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut entries = self.feed.kept.entries();
        entries.watchers -= 1;
        entries.left = Some(clock::instant());
    }
}

impl Kept {
    fn take(&self, position: &mut Position) -> Option<Update> {
        let entries = self.entries();
        if position.epoch != self.epoch || !(entries.first..=entries.end()).contains(&position.next) {
            *position = Position { epoch: self.epoch, next: entries.first };
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
    fn forget(&mut self) {
        self.first = self.end();
        self.kept.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed() -> Feed {
        Feed::new(CancellationToken::new())
    }

    fn happen(feed: &Feed) {
        feed.publish(|| Activity::Redriven { space: "s".to_owned(), deliveries: 1 });
    }

    /// How many entries there are, or `None` for a gap.
    fn seen(watcher: &mut Watcher) -> Option<usize> {
        match watcher.feed.kept.take(&mut watcher.position) {
            Some(Update::Entries(entries)) => Some(entries.len()),
            None => Some(0),
            Some(Update::Gap | Update::End) => None,
        }
    }

    #[test]
    fn nothing_is_made_or_kept_without_watchers() {
        let feed = feed();
        feed.publish(|| panic!("nobody watches"));
        let mut watcher = feed.watch(None).unwrap();
        happen(&feed);
        assert_eq!(seen(&mut watcher), Some(1));
    }

    #[test]
    fn a_watcher_comes_back_without_a_gap() {
        let feed = feed();
        let mut watcher = feed.watch(None).unwrap();
        happen(&feed);
        assert_eq!(seen(&mut watcher), Some(1));
        let id = watcher.id(0);
        drop(watcher);
        happen(&feed);
        happen(&feed);
        assert_eq!(seen(&mut feed.watch(Some(&id)).unwrap()), Some(2));
        assert!(feed.watch(Some("x")).is_none());
    }

    #[test]
    fn a_watcher_who_was_away_for_too_long_sees_a_gap_only_if_something_happened() {
        for (happened, expected) in [(false, Some(0)), (true, None)] {
            let feed = feed();
            let mut watcher = feed.watch(None).unwrap();
            happen(&feed);
            seen(&mut watcher);
            let id = watcher.id(0);
            drop(watcher);
            feed.kept.entries().left = Some(clock::instant() - RETURN - Duration::from_secs(1));
            if happened {
                happen(&feed);
                assert!(feed.kept.entries().kept.is_empty());
            }
            let mut watcher = feed.watch(Some(&id)).unwrap();
            assert_eq!(seen(&mut watcher), expected, "{happened}");
            happen(&feed);
            assert_eq!(seen(&mut watcher), Some(1), "{happened}");
        }
    }
}
