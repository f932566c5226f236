//! Writes events and deliveries many at a time: collects their rows, and inserts them with one statement for each table.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use eg_sdk::history::{DeliveryState, Loss, Mismatch};

use super::faults::Failure;
use super::give_up::Ending;
use super::session::Session;
use super::stored::seal_of;
use super::values::values;
use crate::decide::arrival::{NewEvent, Origin};
use crate::decide::intake::{Fate, Intake};
use crate::store::accounting::Counter;
use crate::store::room;
use crate::timestamp::Timestamp;

const EVENTS: &str = "
    INSERT INTO events (seq, space, id, type, source, subject, method, path, accepted_at, event, seal)
    SELECT * FROM unnest($1::int8[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                         $9::int8[], $10::bytea[], $11::int8[])";

/// The key that is stored for a column `order_key`. Of a long one, only a digest fits into the index.
macro_rules! order_key {
    () => {
        "CASE WHEN octet_length(order_key) > 200 THEN 'md5 ' || md5(order_key) ELSE order_key END"
    };
}
pub(super) use order_key;

// A delivery is parked while an earlier one with its key is unfinished: one of the store, or one before it in the batch.
const DELIVERIES: &str = concat!(
    "INSERT INTO deliveries (seq, event, space, subscription_id, function_id, state, since, due_at, order_key, replay,
                            ended_at, reason)
    SELECT n.seq, n.event, n.space, n.subscription_id, n.function_id, n.state, n.since,
           CASE WHEN n.parked OR (n.order_key IS NOT NULL AND EXISTS (
                    SELECT 1 FROM deliveries o WHERE o.space = n.space AND o.subscription_id = n.subscription_id
                    AND o.order_key = n.order_key AND o.order_key IS NOT NULL AND o.state IN ('pending', 'in_flight')))
                THEN NULL ELSE n.since END,
           n.order_key, n.replay, CASE WHEN n.state = 'pending' THEN NULL ELSE n.since END, n.reason
    FROM (SELECT seq, event, space, subscription_id, function_id, state, since, replay, reason, parked, ",
    order_key!(),
    " AS order_key
          FROM unnest($1::int8[], $2::int8[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int8[], $8::text[],
                      $9::text[], $10::text[], $11::bool[])
              AS r (seq, event, space, subscription_id, function_id, state, since, order_key, replay, reason, parked)) n"
);

const COUNTS: &str = "
    INSERT INTO counters (space, name, value) SELECT * FROM unnest($1::text[], $2::text[], $3::int8[])
    ON CONFLICT (space, name) DO UPDATE SET value = counters.value + excluded.value";

/// Rows that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    events: Events,
    deliveries: Deliveries,
    counts: BTreeMap<(String, String), i64>,
    /// The space, subscription and key of the ordered deliveries of the batch.
    turns: HashSet<(String, String, String)>,
}

#[derive(Debug, Default)]
struct Events {
    seq: Vec<i64>,
    space: Vec<String>,
    id: Vec<String>,
    ty: Vec<String>,
    source: Vec<String>,
    subject: Vec<Option<String>>,
    method: Vec<String>,
    path: Vec<String>,
    accepted_at: Vec<Timestamp>,
    json: Vec<Bytes>,
    seal: Vec<i64>,
}

#[derive(Debug, Default)]
struct Deliveries {
    seq: Vec<i64>,
    event: Vec<i64>,
    space: Vec<String>,
    subscription_id: Vec<String>,
    function_id: Vec<String>,
    state: Vec<&'static str>,
    since: Vec<Timestamp>,
    order_key: Vec<Option<String>>,
    replay: Vec<Option<String>>,
    reason: Vec<Option<String>>,
    parked: Vec<bool>,
}

impl Batch {
    /// Adds to a counter.
    pub(super) fn count(&mut self, space: &str, counter: Counter, by: i64) {
        *self.counts.entry((space.to_owned(), counter.name().into_owned())).or_default() += by;
    }

    /// Adds an event and its deliveries, without its notices. Returns the deliveries that must be given up once the batch is
    /// written.
    pub(super) fn add(&mut self, session: &mut Session, new: &NewEvent) -> Result<Vec<Ending>, Failure> {
        let NewEvent { event, origin: Origin { space, method, path, accepted_at }, intakes, .. } = new;
        session.numbers.event += 1;
        session.numbers.newest_at = *accepted_at;
        session.numbers.grow(room::bytes(1, event.json().len()));
        let seq = session.numbers.event;
        let columns = [space, event.id(), event.ty(), event.source()];
        let seal = seal_of(columns, event.subject(), [method, path], *accepted_at, event.json());
        let rows = &mut self.events;
        rows.seq.push(seq);
        rows.space.push(space.clone());
        rows.id.push(event.id().to_owned());
        rows.ty.push(event.ty().to_owned());
        rows.source.push(event.source().to_owned());
        rows.subject.push(event.subject().map(str::to_owned));
        rows.method.push(method.clone());
        rows.path.push(path.clone());
        rows.accepted_at.push(*accepted_at);
        rows.json.push(event.json().clone());
        rows.seal.push(seal.number().into());
        self.add_deliveries(
            session,
            &Replayed { event: seq, space, intakes, now: *accepted_at, replay: None },
        )
    }

    /// Adds deliveries of an event. Each of them counts as accepted. Returns those that must be given up once the batch is
    /// written.
    pub(super) fn add_deliveries(
        &mut self,
        session: &mut Session,
        deliveries: &Replayed<'_>,
    ) -> Result<Vec<Ending>, Failure> {
        let Replayed { event, space, intakes, now, replay } = *deliveries;
        let mut endings = Vec::new();
        for Intake { subscription, fate } in intakes {
            session.numbers.delivery += 1;
            let seq = session.numbers.delivery;
            let (state, order, reason) = match fate {
                Fate::Deliver { order } => (DeliveryState::Pending, order.clone(), None),
                Fate::Filtered { mismatch } => (DeliveryState::Filtered, None, Some(clause(mismatch)?)),
                Fate::Dead { reason } => {
                    let (loss, reason) = (Loss::Dead, reason.clone());
                    endings.push(Ending { delivery: seq, loss, reason, attempted: false, now });
                    (DeliveryState::Pending, None, None)
                }
            };
            let turn = order.clone().map(|key| (space.to_owned(), subscription.subscription_id.clone(), key));
            let rows = &mut self.deliveries;
            rows.seq.push(seq);
            rows.event.push(event);
            rows.space.push(space.to_owned());
            rows.subscription_id.push(subscription.subscription_id.clone());
            rows.function_id.push(subscription.function_id.clone());
            rows.state.push(state.as_str());
            rows.since.push(now);
            rows.order_key.push(order);
            rows.replay.push(replay.map(str::to_owned));
            rows.reason.push(reason);
            rows.parked.push(turn.is_some_and(|turn| !self.turns.insert(turn)));
        }
        if !intakes.is_empty() {
            session.numbers.grow(room::bytes(intakes.len(), 0));
            self.count(space, Counter::Accepted, i64::try_from(intakes.len()).unwrap_or(i64::MAX));
        }
        Ok(endings)
    }

    /// Writes the rows, together with the next statement.
    pub(super) fn write(self, session: &mut Session) {
        let Self { events, deliveries, counts, .. } = self;
        if !events.seq.is_empty() {
            let Events { seq, space, id, ty, source, subject, method, path, accepted_at, json, seal } =
                events;
            let values = values![seq, space, id, ty, source, subject, method, path, accepted_at, json, seal];
            session.later(EVENTS, values);
        }
        if !deliveries.seq.is_empty() {
            let Deliveries { seq, event, space, subscription_id, function_id, state, since, .. } = deliveries;
            let Deliveries { order_key, replay, reason, parked, .. } = deliveries;
            let values = values![
                seq,
                event,
                space,
                subscription_id,
                function_id,
                state,
                since,
                order_key,
                replay,
                reason,
                parked
            ];
            session.later(DELIVERIES, values);
        }
        if !counts.is_empty() {
            let (names, numbers): (Vec<_>, Vec<i64>) = counts.into_iter().unzip();
            let (spaces, names): (Vec<String>, Vec<String>) = names.into_iter().unzip();
            session.later(COUNTS, values![spaces, names, numbers]);
        }
    }
}

/// The deliveries of an event or of its replay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replayed<'a> {
    /// The number of the event.
    pub(super) event: i64,
    pub(super) space: &'a str,
    pub(super) intakes: &'a [Intake],
    pub(super) now: Timestamp,
    pub(super) replay: Option<&'a str>,
}

/// Returns the clause that does not match, as JSON: the reason of a filtered delivery.
fn clause(mismatch: &Mismatch) -> Result<String, Failure> {
    serde_json::to_string(mismatch).map_err(Failure::unreadable)
}
