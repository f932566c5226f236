//! Keeps the live feed that the gateways share, while somebody watches: numbered entries, of which the oldest are deleted.

use std::time::Duration;

use eg_sdk::history::FeedEntry;

use super::faults::Failure;
use super::queue::Work;
use super::readers::Reading;
use super::session::Session;
use super::values::{Value, get, values};
use super::{PostgresStore, StoreError};
use crate::store::feed::SharedFeed;

/// The number of entries that are kept. Each gateway keeps as many for its watchers.
const KEPT: i64 = 10_000;

/// The number of entries that are read at once.
const AT_ONCE: usize = 1_000;

/// How often it is asked whether all gateways share what happens.
const PAUSE: Duration = Duration::from_millis(10);

const NUMBERS: &str = "UPDATE writer SET feed = feed + $1 WHERE id = 1 RETURNING feed";

const APPEND: &str = "
    INSERT INTO feed (seq, entry) SELECT n.seq, n.entry FROM unnest($1::int8[], $2::text[]) AS n (seq, entry)";

const FORGET: &str = "DELETE FROM feed WHERE seq <= $1";

const FORGET_ALL: &str = "DELETE FROM feed WHERE NOT EXISTS (SELECT 1 FROM gateways WHERE watches)";

const FIRST: &str = "SELECT coalesce((SELECT min(seq) FROM feed), (SELECT feed + 1 FROM writer)) AS first";

const NEXT: &str = "SELECT seq, entry FROM feed WHERE seq >= $1 ORDER BY seq LIMIT $2";

const WATCHES: &str = "UPDATE gateways SET watches = $2 WHERE epoch = $1";

const SHARES: &str = "UPDATE gateways SET shares = $2 WHERE epoch = $1";

const NOT_SHARING: &str = "SELECT 1 FROM gateways WHERE NOT shares LIMIT 1";

impl PostgresStore {
    #[expect(clippy::unused_self, reason = "other backends answer otherwise")]
    pub(in crate::store) fn shares_feed(&self) -> bool {
        true
    }

    pub(in crate::store) async fn share(&self, entries: Vec<Option<FeedEntry>>) -> Result<(), StoreError> {
        let text = |entry: Option<FeedEntry>| entry.map(|entry| serde_json::to_string(&entry)).transpose();
        let entries = entries.into_iter().map(text).collect::<Result<_, _>>();
        let entries = entries.map_err(|error| StoreError::Failed(error.to_string()))?;
        self.writer.run(Append(entries)).await
    }

    pub(in crate::store) async fn set_sharing(&self, shares: bool) -> Result<(), StoreError> {
        self.writer.run(Flag { update: SHARES, value: shares }).await
    }

    pub(in crate::store) async fn watch(&self, watches: bool) -> Result<(), StoreError> {
        self.writer.run(Flag { update: WATCHES, value: watches }).await?;
        // This gateway finds it out like the others.
        self.seen.look();
        while watches && !self.readers.query(NOT_SHARING, values![]).await?.is_empty() {
            self.standing.check()?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Reads what has been added to the feed from an entry on, or all of it.
    pub(super) async fn feed(&self, from: Option<i64>) -> Result<SharedFeed, StoreError> {
        let mut session = self.readers.look_up().await?;
        let feed = read(&mut session, from).await?;
        session.end().await?;
        Ok(feed)
    }
}

async fn read(session: &mut Reading<'_>, from: Option<i64>) -> Result<SharedFeed, Failure> {
    let from = match from {
        Some(from) => from,
        None => get(&session.one(FIRST, values![]).await?, "first")?,
    };
    let rows = session.query(NEXT, values![from, AT_ONCE]).await?;
    let first = rows.first().map_or(Ok(from), |row| get(row, "seq"))?;
    let entry = |row| {
        let text: Option<&str> = get(row, "entry")?;
        text.map(serde_json::from_str).transpose().map_err(Failure::unreadable)
    };
    let entries = rows.iter().map(entry).collect::<Result<_, _>>()?;
    Ok(SharedFeed { watched: true, first: u64::try_from(first).unwrap_or_default(), entries })
}

struct Append(Vec<Option<String>>);

impl Work for Append {
    type Output = ();

    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        let last: i64 = get(&session.one(NUMBERS, values![self.0.len()]).await?, "feed")?;
        let first = last + 1 - i64::try_from(self.0.len()).unwrap_or_default();
        let numbers: Vec<i64> = (first..=last).collect();
        session.later(APPEND, vec![Value::from(numbers), Value::Texts(self.0.clone())]);
        session.later(FORGET, values![last - KEPT]);
        Ok(())
    }
}

/// Changes what the row of this gateway says.
struct Flag {
    update: &'static str,
    value: bool,
}

impl Work for Flag {
    type Output = ();

    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        let epoch = session.epoch()?;
        session.later(self.update, values![epoch, self.value]);
        session.later(FORGET_ALL, values![]);
        Ok(())
    }
}
