//! Shares the live feed among the gateways of a store: what happens at each goes to the store, and from there to the watchers of
//! all, with the same numbers. `store` keeps the entries, and `neighbours` brings them. While nobody watches, nothing is stored.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use eg_sdk::history::FeedEntry;
use tokio::sync::{Notify, watch};

use super::{Feed, KEPT, KEPT_BYTES};
use crate::activity::text_len;
use crate::store::Store;

/// How long entries are collected that are stored together.
const COLLECTING: Duration = Duration::from_millis(20);

/// How often it is looked whether somebody still watches.
const LOOKING: Duration = Duration::from_secs(5);

/// How long a watcher waits for gateways that do not share their activities yet.
const PATIENCE: Duration = Duration::from_secs(5);

/// Maximum number of entries that are stored at once.
const AT_ONCE: usize = 1_000;

/// Entries on their way to the store.
#[derive(Debug)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    /// Notified when there is something to do.
    changed: Notify,
    /// Whether all gateways share what happens.
    shared: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<FeedEntry>,
    bytes: usize,
    /// Whether entries were dropped that came before these.
    lost: bool,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { waiting: Mutex::default(), changed: Notify::new(), shared: watch::Sender::new(false) }
    }
}

impl Outbox {
    pub(super) fn push(&self, entry: FeedEntry) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.bytes += text_len(&entry.activity);
        waiting.entries.push_back(entry);
        if waiting.entries.len() > KEPT || waiting.bytes > KEPT_BYTES {
            *waiting = Waiting { lost: true, ..Waiting::default() };
        }
        drop(waiting);
        self.changed.notify_one();
    }

    /// Takes the next entries; none stands for some that are missing.
    fn take(&self) -> Vec<Option<FeedEntry>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = std::mem::take(&mut waiting.lost).then_some(None);
        let number = waiting.entries.len().min(AT_ONCE);
        let entries: Vec<_> = missing.into_iter().chain(waiting.entries.drain(..number).map(Some)).collect();
        waiting.bytes = waiting.entries.iter().map(|entry| text_len(&entry.activity)).sum();
        entries
    }

    fn lose(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).lost = true;
    }

    pub(super) fn somebody_watches(&self) {
        self.changed.notify_one();
    }

    /// Returns when all gateways share what happens, or after a while.
    pub(super) async fn until_shared(&self) {
        let mut shared = self.shared.subscribe();
        let all = shared.wait_for(|shared| *shared);
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("a gateway does not share what happens there; the live feed may lack some of it");
        }
    }
}

/// Shares the feed until the gateway stops. Ends at once if there are no other gateways.
pub(crate) async fn share(feed: Feed, store: Store) {
    let Some(outbox) = &feed.kept.outbox else { return };
    let sharing = async {
        let mut announced = false;
        loop {
            let changed = tokio::time::timeout(LOOKING, outbox.changed.notified()).await.is_ok();
            let watched = feed.kept.is_watched();
            if watched != announced {
                announced = announce(outbox, &store, watched).await;
            }
            if changed {
                tokio::time::sleep(COLLECTING).await;
                send(outbox, &store).await;
            }
        }
    };
    feed.stop.run_until_cancelled(sharing).await;
}

/// Tells the other gateways whether somebody watches here. Returns what they know.
async fn announce(outbox: &Outbox, store: &Store, watched: bool) -> bool {
    if !watched {
        outbox.shared.send_replace(false);
    }
    match store.watch(watched).await {
        Ok(()) => {
            outbox.shared.send_replace(watched);
            watched
        }
        Err(error) => {
            tracing::warn!(%error, "cannot ask the other gateways for what happens there");
            outbox.changed.notify_one();
            !watched
        }
    }
}

/// Stores the entries that wait.
async fn send(outbox: &Outbox, store: &Store) {
    loop {
        let entries = outbox.take();
        if entries.is_empty() {
            return;
        }
        if let Err(error) = store.share(entries).await {
            tracing::warn!(%error, "cannot share what happens with the other gateways");
            return outbox.lose();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Activity;
    use crate::clock;

    /// The store is slower than what happens, or cannot be written.
    #[test]
    fn what_is_dropped_leaves_a_gap() {
        let outbox = Outbox::default();
        let push = || {
            let activity = Activity::Redriven { space: "s".to_owned(), deliveries: 1 };
            outbox.push(FeedEntry { at: clock::now(), activity });
        };
        push();
        assert!(matches!(outbox.take()[..], [Some(_)]));
        (0..=KEPT).for_each(|_| push());
        push();
        assert!(matches!(outbox.take()[..], [None, Some(_)]));
        assert!(outbox.take().is_empty());
        outbox.lose();
        assert!(matches!(outbox.take()[..], [None]));
        (0..AT_ONCE + 1).for_each(|_| push());
        assert_eq!((outbox.take().len(), outbox.take().len()), (AT_ONCE, 1));
    }
}
