//! Sends activities to watchers: in this process as values, over HTTP as numbered entries. Entries are kept for
//! watchers that lost their connection; without watchers nothing is kept, and an activity costs almost nothing. Where several
//! gateways work with a store, watchers of each see what happens at all of them (`shared`).

mod shared;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eg_sdk::history::FeedEntry;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use self::shared::Outbox;
pub(crate) use self::shared::share;
use crate::activity::{Activity, text_len};
use crate::clock;
use crate::store::SharedFeed;

/// Maximum number of entries that are kept for watchers that reconnect.
const KEPT: usize = 10_000;

/// Maximum bytes of text in these entries.
const KEPT_BYTES: usize = 8 * 1024 * 1024;

/// Maximum bytes of text that a watcher takes at once, and so holds until they are sent. A single entry may be longer.
const AT_ONCE: usize = 64 * 1024;

/// How long after losing the connection a watcher can reconnect without a gap.
const RETURN: Duration = Duration::from_secs(300);

/// What takes the place of a process in the ids of entries that the store has numbered.
const SHARED: i64 = 0;

/// Maximum number of activities that a watcher in this process may fall behind.
const BEHIND: usize = 1024;

/// Sends activities to all watchers. Clones share the watchers.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    live: broadcast::Sender<Activity>,
    kept: Arc<Kept>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Kept {
    entries: Mutex<Entries>,
    /// Whether entries are kept: from the first watcher on, until the last one has been disconnected for [`RETURN`].
    keeping: AtomicBool,
    /// Whether an activity was not kept.
    missed: AtomicBool,
    /// Notified when an entry is added.
    added: Notify,
    /// Distinguishes the numbers of this process from those of an earlier one.
    epoch: i64,
    /// Where activities go that the watchers of all gateways see. The store numbers them then.
    outbox: Option<Outbox>,
}

#[derive(Debug, Default)]
struct Entries {
    /// The number of the first entry that is kept.
    first: u64,
    kept: VecDeque<Arc<Entry>>,
    /// Bytes of text in the kept entries.
    bytes: usize,
    watchers: usize,
    /// When a watcher last disconnected.
    left: Option<Instant>,
}

/// A numbered entry.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) what: FeedEntry,
}

/// The next entry of a watcher.
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

/// The next thing that a watcher receives.
#[derive(Debug)]
pub(crate) enum Update {
    Entries(Vec<Arc<Entry>>),
    /// Entries are missing: they are no longer kept.
    Gap,
    /// The gateway is stopping.
    End,
}

impl Feed {
    /// Creates a feed of what happens in this gateway.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self::with(stop, clock::timestamp().as_millis(), None)
    }

    /// Creates a feed of what happens at all gateways of a store, for [`share`].
    pub(crate) fn shared(stop: CancellationToken) -> Self {
        Self::with(stop, SHARED, Some(Outbox::default()))
    }

    fn with(stop: CancellationToken, epoch: i64, outbox: Option<Outbox>) -> Self {
        let kept = Kept {
            entries: Mutex::default(),
            keeping: AtomicBool::new(false),
            missed: AtomicBool::new(false),
            added: Notify::new(),
            epoch,
            outbox,
        };
        Self { live: broadcast::Sender::new(BEHIND), kept: Arc::new(kept), stop }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Activity> {
        self.live.subscribe()
    }

    /// Sends an activity to the watchers, and keeps it for those that reconnect. Without any, `activity` is not
    /// called.
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
            // Fails only if the last watcher has just disconnected.
            let _ = self.live.send(activity.clone());
        }
        if keeping {
            match &self.kept.outbox {
                Some(outbox) => outbox.push(FeedEntry { at: clock::now(), activity }),
                None => self.kept.add(activity),
            }
        }
    }

    /// Returns once this feed has what happens from now on, at any gateway, and keeps it while there are watchers.
    pub(crate) async fn prepare(&self) {
        if let Some(outbox) = &self.kept.outbox {
            self.kept.entries().left = Some(clock::instant());
            outbox.somebody_watches();
            outbox.until_shared().await;
        }
    }

    /// Takes in what the store has of the feed. Returns whether this gateway shares what happens from now on, if that has
    /// changed.
    pub(crate) fn follow(&self, news: SharedFeed) -> Option<bool> {
        let SharedFeed { watched, first, entries } = news;
        let was_watched = self.kept.keeping.load(Ordering::Relaxed);
        let mut kept = self.kept.entries();
        if watched && !was_watched {
            kept.restart(first);
        }
        for (number, entry) in (first..).zip(entries) {
            match entry {
                Some(what) => kept.add(number, what),
                None => kept.restart(number + 1),
            }
        }
        drop(kept);
        self.kept.keeping.store(watched, Ordering::Relaxed);
        self.kept.added.notify_waiters();
        (watched != was_watched).then_some(watched)
    }

    /// Watches from now on, or from the entry after the one with this id. Returns `None` if the id is invalid.
    pub(crate) fn watch(&self, after: Option<&str>) -> Option<Watcher> {
        let after = match after {
            Some(id) => Some(position_after(id)?),
            None => None,
        };
        let mut entries = self.kept.entries();
        if self.kept.outbox.is_none()
            && !self.kept.keeping.swap(true, Ordering::Relaxed)
            && self.kept.missed.swap(false, Ordering::Relaxed)
        {
            // A watcher whose next entry is before this number has missed something.
            entries.first += 1;
        }
        entries.watchers += 1;
        let now = Position { epoch: self.kept.epoch, next: entries.end() };
        Some(Watcher { feed: self.clone(), position: after.unwrap_or(now) })
    }
}

/// Returns the position after the entry with this id.
fn position_after(id: &str) -> Option<Position> {
    let (epoch, number) = id.rsplit_once('-')?;
    Some(Position { epoch: epoch.parse().ok()?, next: number.parse::<u64>().ok()?.checked_add(1)? })
}

impl Kept {
    fn add(&self, activity: Activity) {
        let mut entries = self.entries();
        if !entries.are_watched() {
            self.keeping.store(false, Ordering::Relaxed);
            let end = entries.end();
            entries.restart(end);
            self.miss();
            return;
        }
        let number = entries.end();
        entries.add(number, FeedEntry { at: clock::now(), activity });
        drop(entries);
        self.added.notify_waiters();
    }

    fn is_watched(&self) -> bool {
        self.entries().are_watched()
    }

    fn miss(&self) {
        // Written only once, so that the processors can share the cache line.
        if !self.missed.load(Ordering::Relaxed) {
            self.missed.store(true, Ordering::Relaxed);
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// Returns the id of an entry, as watchers see it.
    pub(crate) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.feed.kept.epoch)
    }

    /// Waits for something that the watcher has not seen, and returns it.
    pub(crate) async fn next(&mut self) -> Update {
        let Self { feed, position } = self;
        loop {
            let added = feed.kept.added.notified();
            tokio::pin!(added);
            // From here on, every added entry notifies this watcher.
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
        let mut bytes = 0;
        let fits = |entry: &&Arc<Entry>| {
            let first = bytes == 0;
            bytes += 1 + text_len(&entry.what.activity);
            first || bytes <= AT_ONCE
        };
        let new: Vec<_> = entries.kept.iter().skip(skip).take_while(fits).cloned().collect();
        position.next += u64::try_from(new.len()).unwrap_or(u64::MAX);
        (!new.is_empty()).then_some(Update::Entries(new))
    }
}

impl Entries {
    /// Returns the number of the next entry.
    fn end(&self) -> u64 {
        self.first + u64::try_from(self.kept.len()).unwrap_or(u64::MAX)
    }

    /// Returns whether somebody watches, or may come back.
    fn are_watched(&self) -> bool {
        let gone = |left: Instant| clock::instant().duration_since(left) > RETURN;
        self.watchers > 0 || !self.left.is_none_or(gone)
    }

    /// Adds an entry, and forgets the oldest ones if there are too many.
    fn add(&mut self, number: u64, what: FeedEntry) {
        if number != self.end() {
            self.restart(number);
        }
        self.bytes += text_len(&what.activity);
        self.kept.push_back(Arc::new(Entry { number, what }));
        while self.kept.len() > KEPT || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= text_len(&oldest.what.activity);
            self.first += 1;
        }
    }

    /// Forgets all entries. The next one has this number.
    fn restart(&mut self, next: u64) {
        self.first = next;
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

    /// Returns the number of new entries, or `None` for a gap.
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
    fn a_watcher_takes_no_more_at_once_than_it_may_hold() {
        let feed = feed();
        let mut watcher = feed.watch(None).unwrap();
        let space = "s".repeat(AT_ONCE / 4);
        for _ in 0..10 {
            feed.publish(|| Activity::Redriven { space: space.clone(), deliveries: 1 });
        }
        feed.publish(|| Activity::Redriven { space: "s".repeat(2 * AT_ONCE), deliveries: 1 });
        let taken: Vec<_> = (0..6).map(|_| seen(&mut watcher)).collect();
        assert_eq!(taken, [3, 3, 3, 1, 1, 0].map(Some));
    }

    /// Each gateway has the same entries with the same numbers, so a watcher can continue at another one.
    #[test]
    fn entries_of_the_store_keep_their_numbers() {
        let feed = Feed::shared(CancellationToken::new());
        let entry = || {
            let activity = Activity::Redriven { space: "s".to_owned(), deliveries: 1 };
            Some(FeedEntry { at: clock::now(), activity })
        };
        let follow = |first, entries| feed.follow(SharedFeed { watched: true, first, entries });
        assert_eq!(follow(7, vec![entry(), entry()]), Some(true));
        let mut watcher = feed.watch(Some("0-7")).unwrap();
        assert_eq!(seen(&mut watcher), Some(1));
        assert_eq!(follow(9, vec![entry()]), None);
        assert_eq!(seen(&mut watcher), Some(1));
        assert_eq!(watcher.id(9), "0-9");
        // Some are missing: a gateway had too many, or was away for too long.
        assert_eq!(follow(10, vec![None, entry()]), None);
        assert_eq!((seen(&mut watcher), seen(&mut watcher)), (None, Some(1)));
        assert_eq!(follow(50, vec![entry()]), None);
        assert_eq!((seen(&mut watcher), seen(&mut watcher)), (None, Some(1)));
        assert_eq!(feed.follow(SharedFeed::default()), Some(false));
        assert_eq!(seen(&mut watcher), Some(0));
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
