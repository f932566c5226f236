//! Checks a history from the outside: the answers to emitters, the calls of functions, and the database after each
//! commit. It knows the promises of the gateway but not how they are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eg_sdk::history::DeliveryState;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::record::Delivery;
use super::world::{KEPT, NOTICES, WINDOW, default_policy, subscriptions};
use crate::decide::delivery::Failure;
use crate::decide::intake::Fate;
use crate::decide::policy;
use crate::decide::retry::DeliveryPolicy;
use crate::store::accounting::tallies;
use crate::timestamp::Timestamp;

/// An event that was emitted.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) key: String,
    /// The expected result for each subscription.
    pub(super) fates: BTreeMap<String, Fate>,
    pub(super) acknowledged: bool,
}

/// A call that a function received.
#[derive(Debug, Clone)]
struct Call {
    subscription: String,
    delivery: i64,
    attempt: u32,
    /// When the attempt began, by the wall clock.
    started: Timestamp,
    /// When the function asked for a pause, and its length.
    asked: Option<(Timestamp, Duration)>,
    accepted: bool,
}

#[derive(Default)]
pub(super) struct Oracle {
    /// A connection to the database of the running process.
    look: Option<Connection>,
    offers: Vec<Offer>,
    calls: Vec<Call>,
    /// All deliveries that were ever recorded, in their last state. Those that retention deleted have negative
    /// numbers, because SQLite reuses the original ones.
    deliveries: BTreeMap<i64, Delivery>,
    /// The accepted events, used only by the bug that forgets them in a crash.
    pub(super) seen: BTreeSet<String>,
}

type Finding = Result<(), String>;

fn policy_of(subscription: &str) -> DeliveryPolicy {
    let known = subscriptions().into_iter().find(|one| one.subscription_id == subscription);
    policy::effective(known.and_then(|one| one.retry).as_ref(), &default_policy())
}

impl Oracle {
    /// Returns the number of the next offer, which its event carries.
    pub(super) fn next_offer(&self) -> usize {
        self.offers.len()
    }

    /// Records an event that is emitted.
    pub(super) fn offered(&mut self, offer: Offer) -> usize {
        self.offers.push(offer);
        self.offers.len() - 1
    }

    /// Records that the emitter got its 202.
    pub(super) fn acknowledged(&mut self, offer: usize) {
        self.offers[offer].acknowledged = true;
    }

    /// Records a call of a function, and checks that its attempt is already recorded.
    pub(super) fn called(&mut self, function: &str, event: &[u8]) -> Result<(usize, String), String> {
        let look = self.look.as_ref().expect("a process runs");
        let attempt = "
            SELECT d.seq, d.attempts, a.started_at
            FROM deliveries d JOIN events e ON e.seq = d.event
            JOIN attempts a ON a.delivery = d.seq AND a.number = d.attempts
            WHERE d.function_id = ?1 AND e.event = ?2 AND d.state = 'in_flight' AND a.outcome IS NULL";
        let attempt = look
            .prepare_cached(attempt)
            .unwrap()
            .query_row(params![function, event], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let Some((delivery, attempt, started)) = attempt.optional().unwrap() else {
            let event = String::from_utf8_lossy(event);
            return Err(format!("a call of {function} has no attempt on record: {event}"));
        };
        let subscription = function.to_owned();
        self.calls.push(Call { subscription, delivery, attempt, started, asked: None, accepted: false });
        Ok((self.calls.len() - 1, format!("{function} gets delivery {delivery}, attempt {attempt}")))
    }

    /// Records the answer of a function.
    pub(super) fn answered(&mut self, call: usize, at: Timestamp, outcome: &Result<(), Failure>) {
        let call = &mut self.calls[call];
        call.accepted = outcome.is_ok();
        call.asked = match outcome {
            Err(Failure::Later(_, pause)) => Some((at, *pause)),
            _ => None,
        };
    }

    /// Checks the database after a process has started. `latest` is the latest time that the clock ever showed.
    pub(super) fn started(&mut self, look: Connection, latest: Timestamp) -> Finding {
        self.seen.clear();
        let all = numbers(&look, "SELECT seq FROM deliveries");
        let in_flight = numbers(&look, "SELECT seq FROM deliveries WHERE state = 'in_flight'");
        self.look = Some(look);
        if let Some(delivery) = in_flight.first() {
            return Err(format!("delivery {delivery} is in flight after a start"));
        }
        let known = self.deliveries.keys().copied().filter(|seq| *seq > 0);
        self.committed(&known.chain(all).collect(), latest)
    }

    /// Checks a transaction that is on disk and changed these deliveries.
    pub(super) fn committed(&mut self, changed: &BTreeSet<i64>, latest: Timestamp) -> Finding {
        if changed.is_empty() {
            return Ok(());
        }
        let look = self.look.take().expect("a process runs");
        let finding = self.compare(&look, changed, latest.saturating_sub(KEPT));
        self.look = Some(look);
        finding
    }

    /// Compares the new records with the previous ones. Retention may delete only what was accepted before `limit`.
    fn compare(&mut self, look: &Connection, changed: &BTreeSet<i64>, limit: Timestamp) -> Finding {
        for seq in changed {
            match (Delivery::read(look, *seq), self.deliveries.get_mut(seq)) {
                (Some(now), Some(before)) if before.is_same(&now) => {
                    before.may_become(&now)?;
                    *before = now.at(before.place);
                }
                (now, before) => {
                    if let Some(before) = before {
                        before.may_be_forgotten(limit)?;
                        self.forget(*seq);
                    }
                    if let Some(now) = now {
                        self.is_no_duplicate(&now)?;
                        let place = self.deliveries.len();
                        self.deliveries.insert(*seq, now.at(place));
                    }
                }
            }
        }
        self.books_are_right(look)?;
        one_at_a_time(look)
    }

    /// Moves a delivery that retention deleted to another number.
    fn forget(&mut self, seq: i64) {
        let Some(mut delivery) = self.deliveries.remove(&seq) else { return };
        delivery.seq = -1 - i64::try_from(delivery.place).unwrap();
        for call in self.calls.iter_mut().filter(|call| call.delivery == seq) {
            call.delivery = delivery.seq;
        }
        self.deliveries.insert(delivery.seq, delivery);
    }

    /// Checks that counters and rows agree with all deliveries that were ever recorded.
    fn books_are_right(&self, look: &Connection) -> Finding {
        let books = tallies(look).unwrap().remove("default").unwrap_or_default();
        let count = |states: &[DeliveryState]| {
            let counted = self.deliveries.values().filter(|delivery| states.contains(&delivery.state));
            u64::try_from(counted.count()).unwrap()
        };
        for (name, booked, found) in [
            ("delivered", books.delivered, count(&[DeliveryState::Delivered])),
            ("pending", books.pending, count(&[DeliveryState::Pending, DeliveryState::InFlight])),
            ("dead", books.dead, count(&[DeliveryState::Dead])),
            ("expired", books.expired, count(&[DeliveryState::Expired])),
            ("filtered", books.filtered, count(&[DeliveryState::Filtered])),
        ] {
            if booked != found {
                return Err(format!("the books have {booked} {name} deliveries, and there were {found}"));
            }
        }
        if books.is_balanced() { Ok(()) } else { Err(format!("the books do not balance: {books:?}")) }
    }

    /// Checks that a new event does not repeat an accepted event that is still remembered.
    fn is_no_duplicate(&self, new: &Delivery) -> Finding {
        let Some(offer) = new.offer.filter(|_| new.subscription != NOTICES) else { return Ok(()) };
        let offer = self.offers.get(offer).ok_or_else(|| format!("event {} was never offered", new.event))?;
        let repeated = |earlier: &&Delivery| {
            let known = earlier.seq > 0 && earlier.subscription != NOTICES && earlier.offer != new.offer;
            earlier.offer.filter(|_| known).is_some_and(|earlier| {
                let earlier = &self.offers[earlier];
                earlier.id == offer.id && earlier.at > offer.at.saturating_sub(WINDOW)
            })
        };
        match self.deliveries.values().find(repeated) {
            Some(_) => Err(format!("event {} was accepted twice", offer.id)),
            None => Ok(()),
        }
    }

    /// Returns the number of unfinished deliveries.
    pub(super) fn unfinished(&self) -> usize {
        self.deliveries.values().filter(|delivery| !delivery.is_over()).count()
    }

    /// Checks that no delivery has been due since before `limit` and is still waiting.
    pub(super) fn nothing_is_overdue(&self, limit: Timestamp) -> Finding {
        let look = self.look.as_ref().expect("a process runs");
        let millis = limit.as_millis();
        let overdue =
            format!("SELECT count(*) FROM deliveries WHERE state = 'pending' AND due_at < {millis}");
        match numbers(look, &overdue)[..] {
            [0] => Ok(()),
            _ => Err(format!("deliveries are overdue, and every function works: due before {limit}")),
        }
    }

    /// Returns the dead letters that have not been discarded.
    pub(super) fn dead_letters(&self) -> Vec<i64> {
        let letters = self.deliveries.values().filter(|delivery| delivery.is_dead_letter());
        letters.map(|delivery| delivery.seq).collect()
    }

    /// Checks that these events have reached every function that should get them, except where an ordered delivery
    /// waits for another one.
    pub(super) fn reached(&self, offers: &[usize]) -> Finding {
        for offer in offers {
            let to_deliver = |(subscription, fate): &(&String, &Fate)| {
                *subscription != "ordered" && matches!(fate, Fate::Deliver { .. })
            };
            for (subscription, _) in self.offers[*offer].fates.iter().filter(to_deliver) {
                let delivery = self.find(*offer, subscription)?;
                if !self.calls.iter().any(|call| call.delivery == delivery.seq) {
                    return Err(format!("a new event is overdue, and {subscription} works: {delivery:?}"));
                }
            }
        }
        Ok(())
    }

    /// Returns the only delivery of an event to a subscription.
    fn find(&self, offer: usize, subscription: &str) -> Result<&Delivery, String> {
        let mut found = self
            .deliveries
            .values()
            .filter(|delivery| delivery.offer == Some(offer) && delivery.subscription == subscription);
        match (found.next(), found.next()) {
            (Some(delivery), None) => Ok(delivery),
            (None, _) => {
                Err(format!("event {} was acknowledged, and lost for {subscription}", self.offers[offer].id))
            }
            (Some(_), Some(_)) => Err(format!("offer {offer} has two deliveries for {subscription}")),
        }
    }

    /// Checks the final state, after all deliveries have ended.
    pub(super) fn judge(&self) -> Finding {
        let look = self.look.as_ref().expect("a process runs");
        let intact: String = look.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        if intact != "ok" {
            return Err(format!("the database is broken: {intact}"));
        }
        self.nothing_is_lost()?;
        self.given_up_deliveries_are_reported_once()?;
        for delivery in self.deliveries.values() {
            let calls: Vec<&Call> = self.calls.iter().filter(|call| call.delivery == delivery.seq).collect();
            end_has_a_cause(delivery, &calls)?;
            attempts_keep_the_policy(delivery, &calls)?;
        }
        self.order_is_kept()
    }

    fn nothing_is_lost(&self) -> Finding {
        let kept: BTreeSet<usize> = self
            .deliveries
            .values()
            .filter(|one| one.subscription != NOTICES)
            .filter_map(|one| one.offer)
            .collect();
        for (n, offer) in self.offers.iter().enumerate().filter(|(_, offer)| offer.acknowledged) {
            // A duplicate is represented by the first event.
            let first = |other: &&usize| {
                let other = &self.offers[**other];
                other.id == offer.id && other.at > offer.at.saturating_sub(WINDOW)
            };
            let Some(kept) = kept.get(&n).or_else(|| kept.iter().find(first)) else {
                return Err(format!("event {} was acknowledged, and lost", offer.id));
            };
            for (subscription, fate) in &self.offers[*kept].fates {
                let delivery = self.find(*kept, subscription)?;
                let fits = match fate {
                    Fate::Deliver { .. } => {
                        matches!(
                            delivery.state,
                            DeliveryState::Delivered | DeliveryState::Dead | DeliveryState::Expired
                        )
                    }
                    Fate::Filtered { .. } => delivery.state == DeliveryState::Filtered,
                    Fate::Dead { .. } => delivery.state == DeliveryState::Dead,
                };
                if !fits {
                    return Err(format!("{fate:?} was decided, and came to {delivery:?}"));
                }
            }
        }
        Ok(())
    }

    /// Checks that exactly one event reports each given-up delivery, unless a change of the configuration gave it up.
    fn given_up_deliveries_are_reported_once(&self) -> Finding {
        for delivery in self.deliveries.values().filter(|delivery| delivery.subscription != NOTICES) {
            let given_up = matches!(delivery.state, DeliveryState::Dead | DeliveryState::Expired);
            let disabled = delivery.reason().starts_with("the subscription is disabled");
            let about = Some(delivery.subscription.as_str());
            let reports = self.deliveries.values().filter(|notice| {
                notice.subscription == NOTICES
                    && notice.offer == delivery.offer
                    && notice.about.as_deref() == about
            });
            let reports = reports.count();
            if reports != usize::from(given_up) && !(disabled && reports == 0) {
                return Err(format!("{reports} events report this delivery: {delivery:?}"));
            }
        }
        Ok(())
    }

    fn order_is_kept(&self) -> Finding {
        let mut last = BTreeMap::<&str, &Delivery>::new();
        for call in self.calls.iter().filter(|call| call.subscription == "ordered") {
            let delivery = &self.deliveries[&call.delivery];
            let Some(offer) = delivery.offer else { continue };
            let latest = last.entry(&self.offers[offer].key).or_insert(delivery);
            if delivery.place < latest.place {
                return Err(format!("{latest:?} overtook {delivery:?}"));
            }
            *latest = delivery;
        }
        Ok(())
    }
}

/// Checks that of the unfinished deliveries that share a key, exactly one is in flight or has a due time.
fn one_at_a_time(look: &Connection) -> Finding {
    let query = "SELECT count(*) FROM (
        SELECT 1 FROM deliveries WHERE order_key IS NOT NULL AND state IN ('pending', 'in_flight')
        GROUP BY subscription_id, order_key HAVING sum(due_at IS NOT NULL) <> 1)";
    match numbers(look, query)[..] {
        [0] => Ok(()),
        _ => Err("of the deliveries that share a key, not exactly one has its turn".to_owned()),
    }
}

fn end_has_a_cause(delivery: &Delivery, calls: &[&Call]) -> Finding {
    let delivered = delivery.state == DeliveryState::Delivered;
    if delivered && !calls.iter().any(|call| call.accepted) {
        return Err(format!("delivery {} is on record as made, and no function took it", delivery.seq));
    }
    if !delivered && delivery.reason().is_empty() {
        return Err(format!("delivery {} has ended without a reason: {delivery:?}", delivery.seq));
    }
    Ok(())
}

fn attempts_keep_the_policy(delivery: &Delivery, calls: &[&Call]) -> Finding {
    let policy = policy_of(&delivery.subscription);
    let failed = delivery.attempts.iter().filter(|attempt| attempt.failed()).count();
    if failed > usize::try_from(policy.attempts).unwrap() {
        return Err(format!("delivery {} failed {failed} times, of {}", delivery.seq, policy.attempts));
    }
    for (n, call) in calls.iter().enumerate() {
        let age = call.started.since(delivery.since);
        if age > policy.max_age {
            return Err(format!("delivery {} was attempted at an age of {age:?}", delivery.seq));
        }
        // Calls whose outcome was lost in a crash are ignored.
        let recorded = delivery.attempts.iter().any(|one| one.number == call.attempt && one.failed());
        let Some(((at, pause), next)) = call.asked.filter(|_| recorded).zip(calls.get(n + 1)) else {
            continue;
        };
        let left = policy.max_age.saturating_sub(at.since(delivery.since));
        if next.started < at.saturating_add(pause.min(left)) {
            return Err(format!(
                "delivery {} asked for a pause of {pause:?} at {at}: {next:?}",
                delivery.seq
            ));
        }
    }
    Ok(())
}

fn numbers(look: &Connection, query: &str) -> Vec<i64> {
    let mut statement = look.prepare_cached(query).unwrap();
    let number = |row: &Row<'_>| row.get(0);
    statement.query_map([], number).unwrap().collect::<Result<_, _>>().unwrap()
}
