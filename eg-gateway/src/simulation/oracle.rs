//! What a history must come to, judged from the outside: what emitters were told, what functions saw, and what is on
//! record in the end. Knows the promises, and nothing of how they are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eg_sdk::config::Subscription;
use rusqlite::Connection;

use super::target::Call;
use super::world::{WINDOW, default_policy, subscriptions};
use crate::decide::delivery::Next;
use crate::decide::intake::Fate;
use crate::decide::policy;
use crate::decide::retry::RetryPolicy;
use crate::store::accounting::books;

#[derive(Debug)]
struct Offer {
    id: String,
    at: i64,
    key: String,
    fates: BTreeMap<String, Fate>,
    acknowledged: bool,
}

impl Offer {
    /// Whether it is a duplicate of one that was accepted earlier.
    fn repeats(&self, earlier: &Self) -> bool {
        self.id == earlier.id && earlier.at > self.at - WINDOW
    }
}

#[derive(Default)]
pub(super) struct Oracle {
    offers: Vec<Offer>,
    calls: Vec<Call>,
    /// What was written down, and answered as written, about deliveries.
    ended: BTreeMap<i64, &'static str>,
}

/// A delivery on record.
struct Row {
    seq: i64,
    event: usize,
    subscription: String,
    state: String,
    since: i64,
    reason: Option<String>,
}

fn policy_of(subscription: &str) -> RetryPolicy {
    let known: Vec<Subscription> = subscriptions();
    let retry = known.into_iter().find(|one| one.subscription_id == subscription).and_then(|one| one.retry);
    policy::effective(retry.as_ref(), &default_policy())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

impl Oracle {
    /// The number of the next offer, which the event carries.
    pub(super) fn next_offer(&self) -> usize {
        self.offers.len()
    }

    /// Somebody emits an event.
    pub(super) fn offered(
        &mut self,
        id: String,
        at: i64,
        key: String,
        fates: BTreeMap<String, Fate>,
    ) -> usize {
        self.offers.push(Offer { id, at, key, fates, acknowledged: false });
        self.offers.len() - 1
    }

    /// The emitter heard 202.
    pub(super) fn acknowledged(&mut self, offer: usize) {
        self.offers[offer].acknowledged = true;
    }

    /// A function is called.
    pub(super) fn called(&mut self, call: Call) -> usize {
        self.calls.push(call);
        self.calls.len() - 1
    }

    /// What followed from a call is on disk.
    pub(super) fn recorded(&mut self, call: usize, asked: Option<(i64, Duration)>, next: &Next) {
        self.calls[call].asked = asked;
        let state = match next {
            Next::Retry { .. } => return,
            Next::Delivered => "delivered",
            Next::Dead { .. } | Next::Disable { .. } => "dead",
            Next::Expired { .. } => "expired",
        };
        self.ended.insert(self.calls[call].delivery, state);
    }

    /// A process has just started.
    pub(super) fn started(&self, connection: &Connection) -> Result<(), String> {
        let stuck: i64 = one(connection, "SELECT count(*) FROM deliveries WHERE state = 'in_flight'");
        if stuck > 0 {
            return Err(format!("{stuck} deliveries are in flight after a start"));
        }
        self.calls_are_on_record(connection)
    }

    fn calls_are_on_record(&self, connection: &Connection) -> Result<(), String> {
        let mut statement = connection.prepare("SELECT delivery, number FROM attempts").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let on_record: BTreeSet<(i64, u32)> = rows.collect::<Result<_, _>>().unwrap();
        match self.calls.iter().find(|call| !on_record.contains(&(call.delivery, call.attempt))) {
            Some(call) => Err(format!("a call has no attempt on record: {call:?}")),
            None => Ok(()),
        }
    }

    /// Everything has come to rest.
    pub(super) fn judge(&self, connection: &Connection) -> Result<(), String> {
        let intact: String = one(connection, "PRAGMA integrity_check");
        if intact != "ok" {
            return Err(format!("the database is broken: {intact}"));
        }
        let events = self.events(connection)?;
        let rows = Self::rows(connection, &events);
        self.nothing_is_lost(&events, &rows)?;
        self.calls_are_on_record(connection)?;
        self.ends_are_final(&rows)?;
        self.attempts_keep_the_policy(connection, &rows)?;
        self.order_is_kept(&rows)?;
        let books = books(connection).unwrap();
        let books = books.get("default").cloned().unwrap_or_default();
        if !books.balanced() || books.pending != 0 {
            return Err(format!("the books do not balance: {books:?}"));
        }
        Ok(())
    }

    /// The offer behind each event on record, by its number there.
    fn events(&self, connection: &Connection) -> Result<BTreeMap<i64, usize>, String> {
        let query = "SELECT seq, json_extract(CAST(event AS TEXT), '$.offer') FROM events ORDER BY seq";
        let mut statement = connection.prepare(query).unwrap();
        let row =
            |row: &rusqlite::Row<'_>| Ok((row.get(0)?, usize::try_from(row.get::<_, i64>(1)?).unwrap()));
        let rows = statement.query_map([], row).unwrap();
        let rows: BTreeMap<i64, usize> = rows.collect::<Result<_, _>>().unwrap();
        for (seq, offer) in &rows {
            let offer = self.offers.get(*offer).ok_or_else(|| format!("event {seq} was never offered"))?;
            let mut earlier = rows.range(..seq).map(|(_, earlier)| &self.offers[*earlier]);
            if earlier.any(|earlier| offer.repeats(earlier)) {
                return Err(format!("event {} was accepted twice", offer.id));
            }
        }
        Ok(rows)
    }

    fn rows(connection: &Connection, events: &BTreeMap<i64, usize>) -> Vec<Row> {
        let mut statement = connection
            .prepare("SELECT seq, event, subscription_id, state, since, reason FROM deliveries ORDER BY seq")
            .unwrap();
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Row {
                seq: row.get(0)?,
                event: events[&row.get::<_, i64>(1)?],
                subscription: row.get(2)?,
                state: row.get(3)?,
                since: row.get(4)?,
                reason: row.get(5)?,
            })
        };
        statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn nothing_is_lost(&self, events: &BTreeMap<i64, usize>, rows: &[Row]) -> Result<(), String> {
        let kept: BTreeSet<usize> = events.values().copied().collect();
        for (n, offer) in self.offers.iter().enumerate().filter(|(_, offer)| offer.acknowledged) {
            // For a duplicate, the first one answers.
            let first = |other: &&usize| offer.repeats(&self.offers[**other]);
            let Some(event) = kept.get(&n).or_else(|| kept.range(..n).find(first)) else {
                return Err(format!("event {} was acknowledged, and lost", offer.id));
            };
            for (subscription, fate) in &self.offers[*event].fates {
                let mut found =
                    rows.iter().filter(|row| row.event == *event && row.subscription == *subscription);
                let (Some(row), None) = (found.next(), found.next()) else {
                    return Err(format!("event {} was acknowledged, and lost for {subscription}", offer.id));
                };
                let fits = match fate {
                    Fate::Deliver { .. } => matches!(row.state.as_str(), "delivered" | "dead" | "expired"),
                    Fate::Filtered { .. } => row.state == "filtered",
                    Fate::Dead { .. } => row.state == "dead",
                };
                if !fits {
                    return Err(format!("event {} is {} for {subscription}: {fate:?}", offer.id, row.state));
                }
            }
        }
        Ok(())
    }

    fn ends_are_final(&self, rows: &[Row]) -> Result<(), String> {
        for row in rows {
            let delivered = row.state == "delivered";
            let accepted = self.calls.iter().any(|call| call.delivery == row.seq && call.accepted);
            if delivered && !accepted {
                return Err(format!("delivery {} is on record as made, and no function took it", row.seq));
            }
            if !delivered && row.reason.is_none() {
                return Err(format!("delivery {} is {} without a reason", row.seq, row.state));
            }
            if self.ended.get(&row.seq).is_some_and(|state| *state != row.state) {
                return Err(format!(
                    "delivery {} was {}, and is {}",
                    row.seq, self.ended[&row.seq], row.state
                ));
            }
        }
        Ok(())
    }

    fn attempts_keep_the_policy(&self, connection: &Connection, rows: &[Row]) -> Result<(), String> {
        for row in rows {
            let policy = policy_of(&row.subscription);
            let max_age = millis(policy.max_age);
            let failed =
                format!("SELECT count(*) FROM attempts WHERE outcome = 'failed' AND delivery = {}", row.seq);
            let failed: u32 = one(connection, &failed);
            if failed > policy.attempts {
                return Err(format!("delivery {} failed {failed} times, of {}", row.seq, policy.attempts));
            }
            let calls: Vec<&Call> = self.calls.iter().filter(|call| call.delivery == row.seq).collect();
            for (n, call) in calls.iter().enumerate() {
                if call.at - row.since > max_age {
                    let age = call.at - row.since;
                    return Err(format!("delivery {} was attempted at an age of {age} ms", row.seq));
                }
                let Some(((at, pause), next)) = call.asked.zip(calls.get(n + 1)) else { continue };
                let left = (max_age - (at - row.since).max(0)).max(0);
                if next.at < at + millis(pause).min(left) {
                    return Err(format!(
                        "delivery {} asked for a pause of {pause:?} at {at}: {next:?}",
                        row.seq
                    ));
                }
            }
        }
        Ok(())
    }

    fn order_is_kept(&self, rows: &[Row]) -> Result<(), String> {
        let keys: BTreeMap<i64, &str> =
            rows.iter().map(|row| (row.seq, self.offers[row.event].key.as_str())).collect();
        let mut last = BTreeMap::<&str, i64>::new();
        for call in self.calls.iter().filter(|call| call.subscription == "ordered") {
            let Some(key) = keys.get(&call.delivery) else { continue };
            let latest = last.entry(key).or_insert(call.delivery);
            if call.delivery < *latest {
                return Err(format!("delivery {latest} overtook {}, event {}", call.delivery, call.event));
            }
            *latest = call.delivery;
        }
        Ok(())
    }
}

fn one<T: rusqlite::types::FromSql>(connection: &Connection, query: &str) -> T {
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}
