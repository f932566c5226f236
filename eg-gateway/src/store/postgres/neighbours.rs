//! Follows the other gateways of the store: which there are, what they made due, and which configuration they work with. Asks
//! the database several times a second, because a pool between gateway and database forwards no notifications. Removes
//! gateways whose lease has run out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::faults::Failure;
use super::queue::Work;
use super::session::Session;
use super::values::{get, values};
use super::{PostgresStore, StoreError};
use crate::decide::catalog::Version;
use crate::decide::members::Members;
use crate::store::feed::SharedFeed;
use crate::store::neighbours::{News, Waiting};
use crate::timestamp::Timestamp;

/// Reads all gateways.
const GATEWAYS: &str = "
    SELECT w.tick, w.version, g.epoch, g.watches, g.expires_at <= now() AS is_silent
    FROM writer w, gateways g ORDER BY g.epoch";

const WORKS_WITH: &str = "UPDATE gateways SET version = $2 WHERE epoch = $1 AND version < $2";

const OUTDATED: &str = "SELECT name FROM gateways WHERE version < $1 AND epoch <> $2 LIMIT 1";

/// How often the others are asked for.
const PAUSE: Duration = Duration::from_millis(50);

/// How often it is asked whether there are others, while there are none and nobody watches.
const PAUSE_ALONE: Duration = Duration::from_millis(250);

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a question may take in relation to the pause before the next one.
const SHARE: u32 = 4;

/// How often the others are asked for whether they work with a configuration.
const CHANGING: Duration = Duration::from_millis(10);

/// After so many leases, a gateway that has not taken a change over has another reason than its silence.
const LATE: u32 = 3;

/// What this gateway knows of the others.
#[derive(Debug)]
pub(super) struct Seen {
    members: watch::Sender<Arc<Members>>,
    last: Mutex<Last>,
    /// Notified when it should be asked for news at once.
    hurry: Notify,
}

/// What was known when the others were last asked for.
#[derive(Debug, Default, Clone, Copy)]
struct Last {
    /// The transactions of all gateways, if the answer was complete.
    tick: Option<i64>,
    /// When it began, and how long it took.
    asked: Option<(Instant, Duration)>,
    /// When that last succeeded.
    heard: Option<Instant>,
    /// The next entry of the feed, while somebody watches.
    feed: Option<i64>,
}

impl Seen {
    pub(super) fn new(epoch: i64) -> Self {
        let members = watch::Sender::new(Arc::new(Members::alone(epoch)));
        Self { members, last: Mutex::default(), hurry: Notify::new() }
    }

    /// Returns whether no other gateway works with the store, as far as known.
    pub(super) fn is_alone(&self) -> bool {
        self.members.borrow().is_alone()
    }

    /// Returns how long ago the others were asked for successfully.
    pub(super) fn behind(&self) -> Duration {
        self.last().heard.map_or(Duration::ZERO, |heard| heard.elapsed())
    }

    /// Asks for news at once.
    pub(super) fn look(&self) {
        self.hurry.notify_one();
    }

    fn last(&self) -> Last {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PostgresStore {
    pub(in crate::store) fn members(&self) -> Arc<Members> {
        Arc::clone(&self.seen.members.borrow())
    }

    /// Waits until other gateways have changed something, and returns it. Removes those that are silent, and makes what they
    /// had in flight due at `now`.
    pub(in crate::store) async fn news(&self, now: impl Fn() -> Timestamp) -> News {
        loop {
            let last = self.seen.last();
            if let Some((asked, took)) = last.asked {
                let alone = self.members().is_alone() && last.feed.is_none();
                let pause = if alone { PAUSE_ALONE } else { PAUSE };
                let next = asked + pause.max(took * SHARE);
                // Fails if it is time anyway.
                let _ = tokio::time::timeout_at(next, self.seen.hurry.notified()).await;
            }
            let asked = Instant::now();
            // Without it, something between here and the database that swallows a message would end all news.
            let late = |_| StoreError::Unreachable("the database did not answer in time".to_owned());
            let news = tokio::time::timeout(PATIENCE, self.ask(last, &now)).await.map_err(late).flatten();
            let took = asked.elapsed();
            let mut known = self.seen.last.lock().unwrap_or_else(PoisonError::into_inner);
            known.asked = Some((asked, took));
            match news {
                Ok((tick, news)) => {
                    known.tick = Some(tick);
                    known.heard = Some(asked);
                    if let Some(news) = news {
                        known.feed = after(&news.feed);
                        return news;
                    }
                }
                // The lease tells the operator about a database that cannot be reached.
                Err(error) => {
                    // What has changed is asked for again.
                    known.tick = None;
                    tracing::debug!(%error, "cannot ask for the other gateways");
                }
            }
        }
    }

    /// Returns how many transactions there were, and what has changed.
    async fn ask(&self, last: Last, now: impl Fn() -> Timestamp) -> Result<(i64, Option<News>), StoreError> {
        let Met { tick, version, silent, changed, watched } = self.meet().await?;
        if silent && self.may_judge() {
            self.take_over(now()).await?;
        }
        if last.tick == Some(tick) && !changed {
            return Ok((tick, None));
        }
        let waiting = Waiting { lanes: self.lanes().await?, suspects: self.suspects().await? };
        let feed = if watched { self.feed(last.feed).await? } else { SharedFeed::default() };
        Ok((tick, Some(News { version, waiting, feed })))
    }

    /// Finds out which gateways there are.
    pub(super) async fn meet(&self) -> Result<Met, StoreError> {
        let own = self.membership.epoch;
        let rows = self.readers.query(GATEWAYS, values![]).await?;
        let first = rows.first().ok_or(StoreError::LeaseLost)?;
        let (tick, version) = (get(first, "tick")?, Version::of_number(get(first, "version")?));
        let (mut silent, mut watched, mut alive) = (false, false, Vec::new());
        for row in &rows {
            let epoch = get(row, "epoch")?;
            watched |= get::<bool>(row, "watches")?;
            // Whoever asks is there.
            if epoch == own || !get::<bool>(row, "is_silent")? {
                alive.push(epoch);
            } else {
                silent = true;
            }
        }
        let members = Members::new(own, alive);
        let changed = self.seen.members.send_if_modified(|known| {
            let changed = **known != members;
            if changed {
                tracing::info!(gateways = members.count(), "the gateways of the store have changed");
                *known = Arc::new(members);
            }
            changed
        });
        Ok(Met { tick, version, silent, changed, watched })
    }

    /// Returns whether this gateway has reached the database for so long that others which did not were silent meanwhile. After
    /// the database was away, all leases have run out.
    fn may_judge(&self) -> bool {
        self.standing.steady_since().is_some_and(|since| since.elapsed() >= self.membership.lease())
    }

    /// Returns once all gateways work with this version of the configuration or a newer one, as this one does.
    pub(in crate::store) async fn in_force(&self, version: Version) -> Result<(), StoreError> {
        self.work_with(version).await?;
        let late = Instant::now() + LATE * self.membership.lease();
        loop {
            self.standing.check()?;
            let values = values![version.number(), self.membership.epoch];
            let outdated = match self.readers.query(OUTDATED, values).await {
                Ok(rows) if rows.is_empty() => return Ok(()),
                Ok(rows) => get(&rows[0], "name")?,
                Err(error) => error.to_string(),
            };
            if Instant::now() > late {
                return Err(StoreError::NotEverywhere(outdated));
            }
            tokio::time::sleep(CHANGING).await;
        }
    }

    /// Lets the others know which version of the configuration this gateway works with.
    pub(in crate::store) async fn work_with(&self, version: Version) -> Result<(), StoreError> {
        self.writer.run(WorkWith(version)).await
    }
}

struct WorkWith(Version);

impl Work for WorkWith {
    type Output = ();

    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        let epoch = session.epoch()?;
        session.later(WORKS_WITH, values![epoch, self.0.number()]);
        Ok(())
    }
}

/// What a gateway finds when it looks for the others.
pub(super) struct Met {
    /// The transactions of all gateways.
    tick: i64,
    /// The version of the configuration.
    version: Version,
    /// Whether the lease of another gateway has run out.
    silent: bool,
    /// Whether there are others than before.
    changed: bool,
    /// Whether somebody watches the live feed at any gateway.
    watched: bool,
}

/// Returns the number of the entry after these, if somebody watches.
fn after(feed: &SharedFeed) -> Option<i64> {
    let next = feed.first + u64::try_from(feed.entries.len()).ok()?;
    i64::try_from(next).ok().filter(|_| feed.watched)
}
