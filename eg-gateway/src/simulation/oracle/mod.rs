//! Checks a history from the outside: the answers to emitters and operators, the calls of functions, and the database
//! after each commit. It knows the promises of the gateway but not how they are kept. `judge` checks the end.

mod judge;
pub(super) mod requests;
pub(super) mod room;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eg_sdk::history::DeliveryState;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use self::judge::has_aged;
use self::requests::Requests;
use self::room::Room;
use super::record::Delivery;
use super::world::{KEPT, NOTICES, WINDOW};
use crate::decide::delivery::Failure;
use crate::decide::intake::Fate;
use crate::store::sqlite::accounting::tallies;
use crate::timestamp::Timestamp;

/// An event that was emitted.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) key: String,
    /// The expected result for each subscription.
    pub(super) fates: BTreeMap<String, Fate>,
    pub(super) json: String,
    pub(super) acknowledged: bool,
}

/// A call that a function received.
#[derive(Debug, Clone)]
struct Call {
    subscription: String,
    delivery: i64,
    attempt: u32,
    /// The number of the process that made it. The time of the next process may begin earlier.
    process: usize,
    /// When the attempt began.
    started: Timestamp,
    /// The time from which the age of the delivery was counted. A redrive sets it.
    since: Timestamp,
    /// When the function asked for a pause, and its length.
    asked: Option<(Timestamp, Duration)>,
    accepted: bool,
}

/// Of so many transactions, the books are checked after one: that takes longer than all other checks.
const BOOKS: usize = 8;

/// The time of a transaction, which determines what retention may delete.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    /// How long gateways have run.
    pub(super) lived: Duration,
    /// The latest time that any gateway has reached.
    pub(super) latest: Timestamp,
}

impl Age {
    /// Returns whether retention may delete the delivery. A store that was nearly full keeps only what it needs to
    /// recognise duplicates. Otherwise the time counts in which gateways ran, by a clock that may be a tenth too fast.
    fn allows_to_forget(self, delivery: &Delivery, tight: bool) -> bool {
        if tight {
            return delivery.accepted_at < self.latest.saturating_sub(WINDOW);
        }
        (self.lived - delivery.recorded) * 11 / 10 >= KEPT
    }
}

#[derive(Default)]
pub(super) struct Oracle {
    /// A connection to the database of the running process.
    look: Option<Connection>,
    offers: Vec<Offer>,
    calls: Vec<Call>,
    /// All deliveries that were ever recorded, in their last state.
    deliveries: BTreeMap<i64, Delivery>,
    /// How many of them replays created.
    replays: usize,
    /// The number of processes that have started.
    processes: usize,
    /// The number of transactions.
    commits: usize,
    room: Room,
    requests: Requests,
    /// The accepted events, used only by the bug that forgets them in a crash.
    pub(super) seen: BTreeSet<String>,
}

/// An error is a broken promise.
pub(super) type Finding = Result<(), String>;

impl Oracle {
    /// Creates an oracle for a store of at most this size.
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self { room: Room::new(limit), ..Self::default() }
    }

    /// Returns the number of the next offer, which its event carries.
    pub(super) fn next_offer(&self) -> usize {
        self.offers.len()
    }

    /// Records an event that is emitted.
    pub(super) fn offered(&mut self, offer: Offer) -> usize {
        self.offers.push(offer);
        self.offers.len() - 1
    }

    /// Records that the emitter got its 202, and checks that the event, or the one that it repeats, is on disk.
    pub(super) fn acknowledged(&mut self, offer: usize) -> Finding {
        let offer = &mut self.offers[offer];
        offer.acknowledged = true;
        let since = offer.at.saturating_sub(WINDOW);
        let look = self.look.as_ref().expect("a process runs");
        let mut events =
            look.prepare_cached("SELECT 1 FROM events WHERE id = ?1 AND accepted_at > ?2").unwrap();
        if events.exists(params![offer.id, since]).unwrap() {
            return Ok(());
        }
        Err(format!("event {} was acknowledged, but it is not on disk", offer.id))
    }

    /// Checks that the store may have refused an event because it is full.
    pub(super) fn refused(&self, offer: usize) -> Finding {
        self.room.permit_refusal(&self.offers[offer].id)
    }

    /// Records a call of a function, and checks that its attempt is already recorded.
    pub(super) fn called(&mut self, function: &str, event: &[u8]) -> Result<(usize, String), String> {
        let in_flight =
            |one: &&Delivery| one.subscription == function && one.state == DeliveryState::InFlight;
        let found = self.deliveries.values().filter(in_flight).find(|one| one.is_given(event));
        let Some((delivery, attempt)) = found.and_then(|one| Some((one, one.under_way()?))) else {
            let event = String::from_utf8_lossy(event);
            return Err(format!("a call of {function} has no attempt on record: {event}"));
        };
        self.calls.push(Call {
            subscription: function.to_owned(),
            delivery: delivery.seq,
            attempt: attempt.number,
            process: self.processes,
            started: attempt.started,
            since: delivery.since,
            asked: None,
            accepted: false,
        });
        let text = format!("{function} gets delivery {}, attempt {}", delivery.seq, attempt.number);
        Ok((self.calls.len() - 1, text))
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

    /// Checks the database after a process has started.
    pub(super) fn started(&mut self, look: Connection, age: Age) -> Finding {
        self.seen.clear();
        self.processes += 1;
        let all = numbers(&look, "SELECT seq FROM deliveries");
        let in_flight = numbers(&look, "SELECT seq FROM deliveries WHERE state = 'in_flight'");
        self.look = Some(look);
        if let Some(delivery) = in_flight.first() {
            return Err(format!("delivery {delivery} is in flight after a start"));
        }
        let known = self.deliveries.keys().copied();
        let finding = self.committed(&known.chain(all).collect(), age);
        // The wall clock may have been set before the start, and so the time of the gateway.
        self.deliveries.values_mut().for_each(|delivery| delivery.young = None);
        // Requests of the previous process may have been completed, but they have no further effects, except for jobs.
        self.requests.process_ended();
        finding
    }

    /// Checks a transaction that is on disk and changed these deliveries.
    pub(super) fn committed(&mut self, changed: &BTreeSet<i64>, age: Age) -> Finding {
        let look = self.look.take().expect("a process runs");
        let finding = self.compare(&look, changed, age);
        self.room.measure(&look);
        self.look = Some(look);
        finding
    }

    /// Compares the new records with the previous ones. Retention may delete only what is old.
    fn compare(&mut self, look: &Connection, changed: &BTreeSet<i64>, age: Age) -> Finding {
        let tight = self.room.is_tight();
        let is_old = |delivery: &Delivery| age.allows_to_forget(delivery, tight);
        for seq in changed {
            match (Delivery::read(look, *seq), self.deliveries.get_mut(seq)) {
                (Some(_), Some(before)) if before.past.forgotten => {
                    return Err(format!("the number of delivery {seq} is used twice"));
                }
                (Some(now), Some(before)) => {
                    before.becomes(now, &mut self.requests, age.lived)?;
                    has_aged(before, age.lived)?;
                }
                (None, Some(before)) if !before.past.forgotten => before.is_forgotten(is_old)?,
                (None, _) => {}
                (Some(now), None) => {
                    self.may_be_new(&now)?;
                    let place = self.deliveries.len();
                    // A replay adds deliveries to an event that was recorded before.
                    let known = self.deliveries.values().find(|known| known.event == now.event);
                    let recorded = known.map_or(age.lived, |known| known.recorded);
                    self.replays += usize::from(now.replay.is_some());
                    self.deliveries.insert(*seq, now.at(place, recorded, age.lived));
                }
            }
        }
        self.requests.jobs_count(look, self.replays)?;
        if changed.is_empty() {
            return Ok(());
        }
        self.commits += 1;
        if self.commits.is_multiple_of(BOOKS) {
            self.books_are_right(look)?;
        }
        one_at_a_time(look)
    }

    /// Checks a delivery that is recorded for the first time: its event is as it was emitted, it does not repeat an
    /// accepted event that is still remembered, and the store had room for it.
    fn may_be_new(&self, new: &Delivery) -> Finding {
        let Some(number) = new.offer.filter(|_| new.subscription != NOTICES) else { return Ok(()) };
        let Some(offer) = self.offers.get(number) else {
            return Err(format!("event {} was never offered", new.event));
        };
        if new.json != offer.json {
            return Err(format!("event {} is not on disk as it was emitted", new.event));
        }
        if new.replay.is_some() || self.deliveries.values().any(|known| known.event == new.event) {
            return Ok(());
        }
        let repeated = |earlier: &&Delivery| {
            let known = !earlier.past.forgotten && earlier.subscription != NOTICES;
            earlier.offer.filter(|offer| known && *offer != number).is_some_and(|earlier| {
                let earlier = &self.offers[earlier];
                earlier.id == offer.id && earlier.at > offer.at.saturating_sub(WINDOW)
            })
        };
        match self.deliveries.values().find(repeated) {
            Some(_) => Err(format!("event {} was accepted twice", offer.id)),
            None => self.room.permit_event(),
        }
    }

    /// Checks that counters and rows agree with all deliveries that were ever recorded.
    fn books_are_right(&self, look: &Connection) -> Finding {
        let books = tallies(look).unwrap().remove("default").unwrap_or_default();
        let mut found = BTreeMap::<&str, u64>::new();
        for delivery in self.deliveries.values() {
            let state = if delivery.is_over() { delivery.state.as_str() } else { "pending" };
            *found.entry(state).or_default() += 1;
        }
        for (name, booked) in [
            ("delivered", books.delivered),
            ("pending", books.pending),
            ("dead", books.dead),
            ("expired", books.expired),
            ("filtered", books.filtered),
        ] {
            let found = found.get(name).copied().unwrap_or_default();
            if booked != found {
                return Err(format!("the books have {booked} {name} deliveries, and there were {found}"));
            }
        }
        if books.is_balanced() { Ok(()) } else { Err(format!("the books do not balance: {books:?}")) }
    }

    /// Returns the number of unfinished deliveries.
    pub(super) fn unfinished(&self) -> usize {
        self.deliveries.values().filter(|delivery| !delivery.is_over()).count()
    }

    /// Returns whether the store may lack the room for a small event.
    pub(super) fn is_short_of_room(&self) -> bool {
        self.room.is_short()
    }

    /// Returns whether the emitter got its 202.
    pub(super) fn is_acknowledged(&self, offer: usize) -> bool {
        self.offers[offer].acknowledged
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

    /// Checks that these events have reached every function that should get them, except where an ordered delivery
    /// waits for another one. Only a store with a limit may have refused them.
    pub(super) fn reached(&self, offers: &[usize]) -> Finding {
        for offer in offers {
            let Offer { id, fates, acknowledged, .. } = &self.offers[*offer];
            if !acknowledged {
                if self.room.is_limited() {
                    continue;
                }
                return Err(format!("event {id} was refused, although the store works and has room"));
            }
            let to_deliver = |(subscription, fate): &(&String, &Fate)| {
                *subscription != "ordered" && matches!(fate, Fate::Deliver { .. })
            };
            for (subscription, _) in fates.iter().filter(to_deliver) {
                let delivery = self.find(*offer, subscription)?;
                if !self.calls.iter().any(|call| call.delivery == delivery.seq) {
                    return Err(format!("a new event is overdue, and {subscription} works: {delivery:?}"));
                }
            }
        }
        Ok(())
    }

    /// Returns the number of deliveries to a subscription that succeeded.
    pub(super) fn delivered(&self, subscription: &str) -> usize {
        let delivered =
            |one: &&Delivery| one.subscription == subscription && one.state == DeliveryState::Delivered;
        self.deliveries.values().filter(delivered).count()
    }

    /// Returns the only delivery of an event to a subscription, besides those that replays created.
    fn find(&self, offer: usize, subscription: &str) -> Result<&Delivery, String> {
        let mut found = self.deliveries.values().filter(|one| {
            one.offer == Some(offer) && one.subscription == subscription && one.replay.is_none()
        });
        match (found.next(), found.next()) {
            (Some(delivery), None) => Ok(delivery),
            (None, _) => {
                Err(format!("event {} was acknowledged, and lost for {subscription}", self.offers[offer].id))
            }
            (Some(_), Some(_)) => Err(format!("offer {offer} has two deliveries for {subscription}")),
        }
    }
}

/// Checks that of the unfinished deliveries that share a key, exactly one is in flight or has a due time.
fn one_at_a_time(look: &Connection) -> Finding {
    let query = "
        SELECT subscription_id || ', ' || order_key || ': ' || group_concat(seq || ' ' || state || iif(due_at, ' due', ''))
        FROM deliveries WHERE order_key IS NOT NULL AND state IN ('pending', 'in_flight')
        GROUP BY subscription_id, order_key HAVING sum(due_at IS NOT NULL) <> 1";
    let wrong = look.prepare_cached(query).unwrap().query_row([], |row| row.get::<_, String>(0));
    match wrong.optional().unwrap() {
        None => Ok(()),
        Some(wrong) => Err(format!("of deliveries that share a key, not exactly one has its turn: {wrong}")),
    }
}

fn numbers(look: &Connection, query: &str) -> Vec<i64> {
    let mut statement = look.prepare_cached(query).unwrap();
    let number = |row: &Row<'_>| row.get(0);
    statement.query_map([], number).unwrap().collect::<Result<_, _>>().unwrap()
}
