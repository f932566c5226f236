//! Accepts events: writes each event and its deliveries in one transaction. The caller decides which deliveries an
//! event has.

use std::sync::Arc;

use eg_sdk::history::{DeliveryState, Loss, Mismatch};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::accounting::count;
use super::{SqliteStore, StoreError};
use crate::decide::arrival::{NewEvent, Origin};
use crate::decide::intake::{Fate, Intake};
use crate::decide::volume;
use crate::store::accounting::Counter;
use crate::store::events::Accepted;
use crate::store::notices::{GivingUp, Losses, Notices};
use crate::store::room;
use crate::store::seal::Sealer;
use crate::timestamp::Timestamp;

const DUPLICATE: &str = "SELECT event FROM events WHERE space = ?1 AND id = ?2 AND source = ?3
    AND type = ?4 AND method = ?5 AND path = ?6 AND accepted_at > ?7 LIMIT 1";

// A delivery is parked while an earlier one with its key is unfinished.
const DELIVERY: &str = "
    INSERT INTO deliveries (event, space, subscription_id, function_id, state, since, due_at, order_key, replay,
                            ended_at, reason)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6,
            iif(?7 IS NOT NULL AND EXISTS (
                    SELECT 1 FROM deliveries o WHERE o.space = ?2 AND o.subscription_id = ?3 AND o.order_key = ?7
                    AND o.order_key IS NOT NULL AND o.state IN ('pending', 'in_flight')), NULL, ?6),
            ?7, ?8, iif(?5 = 'pending', NULL, ?6), ?9)";

impl SqliteStore {
    pub(in crate::store) async fn accept(
        &self,
        space: &str,
        events: Arc<[NewEvent]>,
        notices: Notices,
    ) -> Result<(Vec<Accepted>, Losses), StoreError> {
        let sizes = || {
            let all = events.iter().flat_map(NewEvent::with_notices);
            all.map(|new| (&*new.origin.space, room::bytes(1 + new.intakes.len(), new.event.json().len())))
        };
        let _reserved =
            self.room.reserve(sizes().map(|(_, bytes)| bytes).sum(), || room::by_space(sizes()))?;
        let weight = volume::weight(&events);
        let work = Arc::clone(&events);
        let insert = move |connection: &Connection| {
            let mut losses = Losses::default();
            let accepted = work.iter().map(|event| insert(connection, event, &notices, &mut losses));
            let accepted = accepted.collect::<Result<_, _>>()?;
            Ok((accepted, losses))
        };
        self.writer.run_or_busy(space, weight, insert).await
    }
}

/// Writes an event, its deliveries and its notices, unless the event is a duplicate.
pub(crate) fn insert(
    connection: &Connection,
    event: &NewEvent,
    notices: &Notices,
    losses: &mut Losses,
) -> rusqlite::Result<Accepted> {
    if let Some(since) = event.unique_since {
        let NewEvent { event, origin: Origin { space, method, path, .. }, .. } = event;
        let mut duplicate = connection.prepare_cached(DUPLICATE)?;
        let key = params![space, event.id(), event.source(), event.ty(), method, path, since];
        if let Some(first) = duplicate.query_row(key, |row| row.get::<_, Vec<u8>>(0)).optional()? {
            let conflict = !event.has_payload_of(&first);
            let space = notices.counted_space(space);
            count(connection, space, Counter::Duplicates, 1)?;
            if conflict {
                count(connection, space, Counter::Conflicts, 1)?;
            }
            return Ok(Accepted::Duplicate { conflict });
        }
    }
    for event in event.with_notices() {
        store(connection, event, notices, losses)?;
    }
    Ok(Accepted::New)
}

fn store(
    connection: &Connection,
    new: &NewEvent,
    notices: &Notices,
    losses: &mut Losses,
) -> rusqlite::Result<()> {
    let event = write(connection, new)?;
    let NewEvent { origin: Origin { space, accepted_at, .. }, intakes, .. } = new;
    let deliveries = Deliveries { event, space, intakes, now: *accepted_at, replay: None };
    add_deliveries(connection, &deliveries, notices, losses)
}

/// Writes the row of an event, with its seal. Returns its number.
fn write(connection: &Connection, new: &NewEvent) -> rusqlite::Result<i64> {
    let NewEvent { event, origin: Origin { space, method, path, accepted_at }, .. } = new;
    let sealer = Sealer::default().text(space).text(event.id()).text(event.ty()).text(event.source());
    let sealer = sealer.optional(event.subject()).text(method).text(path).time(*accepted_at);
    let seal = sealer.blob(event.json()).seal();
    connection
        .prepare_cached(
            "INSERT INTO events (space, id, type, source, subject, method, path, accepted_at, event, seal)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            space,
            event.id(),
            event.ty(),
            event.source(),
            event.subject(),
            method,
            path,
            accepted_at,
            &**event.json(),
            seal
        ])?;
    Ok(connection.last_insert_rowid())
}

/// Returns the clause that does not match, as JSON: the reason of a filtered delivery.
fn clause(mismatch: &Mismatch) -> rusqlite::Result<String> {
    let json = serde_json::to_string(mismatch);
    json.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// The deliveries of an event or of its replay.
pub(super) struct Deliveries<'a> {
    /// The number of the event.
    pub(super) event: i64,
    pub(super) space: &'a str,
    pub(super) intakes: &'a [Intake],
    pub(super) now: Timestamp,
    pub(super) replay: Option<&'a str>,
}

/// Writes deliveries. Each of them counts as accepted, and those that are dead letters at once are given up.
pub(super) fn add_deliveries(
    connection: &Connection,
    deliveries: &Deliveries<'_>,
    notices: &Notices,
    losses: &mut Losses,
) -> rusqlite::Result<()> {
    let Deliveries { event, space, intakes, now, replay } = *deliveries;
    for Intake { subscription, fate } in intakes {
        let (id, function) = (&subscription.subscription_id, &subscription.function_id);
        let (state, order, reason) = match fate {
            Fate::Deliver { order } => (DeliveryState::Pending, order.as_deref(), None),
            Fate::Filtered { mismatch } => (DeliveryState::Filtered, None, Some(clause(mismatch)?)),
            Fate::Dead { .. } => (DeliveryState::Pending, None, None),
        };
        connection.prepare_cached(DELIVERY)?.execute(params![
            event,
            space,
            id,
            function,
            state.as_str(),
            now,
            order,
            replay,
            reason
        ])?;
        if let Fate::Dead { reason } = fate {
            let delivery = connection.last_insert_rowid();
            let one = GivingUp { delivery, loss: Loss::Dead, reason, attempted: false, now };
            notices.give_up(connection, &one, losses)?;
        }
    }
    if !intakes.is_empty() {
        count(connection, space, Counter::Accepted, i64::try_from(intakes.len()).unwrap_or(i64::MAX))?;
    }
    Ok(())
}

/// Stores an event without deliveries, for tests that fill a store. Returns its number.
#[cfg(test)]
pub(super) fn insert_example(
    connection: &Connection,
    space: &str,
    id: &str,
    accepted_at: Timestamp,
) -> rusqlite::Result<i64> {
    write(connection, &example(space, id, accepted_at))
}

#[cfg(test)]
fn example(space: &str, id: &str, accepted_at: Timestamp) -> NewEvent {
    let json = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"e"}}"#);
    let event = crate::decide::event::Event::read(json.into()).unwrap();
    let (space, method, path) = (space.to_owned(), "POST".to_owned(), "/".to_owned());
    let origin = Origin { space, method, path, accepted_at };
    NewEvent { event, origin, intakes: Vec::new(), unique_since: None, notices: Vec::new() }
}

#[cfg(test)]
mod tests {
    use eg_sdk::config::Subscription;
    use eg_sdk::history::Tally;
    use futures_util::FutureExt as _;

    use super::super::Idle;
    use super::*;
    use crate::clock::Clock;
    use crate::configuration::Configuration;
    use crate::decide::arrival::Terms;
    use crate::decide::catalog::{Change, Resource, Version};
    use crate::decide::place::OTHER_SPACES;
    use crate::decide::router::DEFAULT_SPACE;
    use crate::decide::routes::Routing;

    async fn notices(store: &SqliteStore) -> Notices {
        let clock = Clock::system();
        let configuration = Configuration::load(store.clone().into(), clock.clone(), Routing::default());
        let terms = Terms { dedupe_window: std::time::Duration::ZERO, max_hops: 16 };
        Notices { snapshot: configuration.await.unwrap().current(), terms, clock }
    }

    /// A client could fill the disk with counters, one for each name that it made up.
    #[tokio::test]
    async fn spaces_without_resources_have_no_counters() {
        let (dir, at) = (tempfile::tempdir().unwrap(), Timestamp::from_millis(1_000));
        let store = SqliteStore::open(dir.path(), at).unwrap();
        let mut subscription = Subscription::asynchronous("e", "f");
        "known".clone_into(&mut subscription.space);
        let put = Change::Put(Resource::Subscription(Arc::new(subscription)));
        store.change(Version::default(), vec![put], at).await.unwrap();
        for space in ["known", DEFAULT_SPACE, "one", "two"] {
            for _ in 0..2 {
                let since = Some(Timestamp::EARLIEST);
                let event = NewEvent { unique_since: since, ..example(space, "a", at) };
                let accepted = store.accept(space, Arc::new([event]), notices(&store).await);
                assert!(accepted.await.unwrap().1.lost.is_empty());
            }
        }
        let tallies = store.tallies().await.unwrap();
        let duplicates = |(space, tally): (&String, &Tally)| (space.clone(), tally.duplicates);
        let expected = [(OTHER_SPACES, 2), (DEFAULT_SPACE, 1), ("known", 1)];
        assert_eq!(
            tallies.iter().map(duplicates).collect::<Vec<_>>(),
            expected.map(|(space, duplicates)| (space.to_owned(), duplicates))
        );
    }

    /// They waited in the line of the first copy's space, where its own emitters were refused.
    #[tokio::test]
    async fn copies_wait_in_the_line_of_their_emitter() {
        let (dir, at) = (tempfile::tempdir().unwrap(), Timestamp::from_millis(1_000));
        let Idle { store, queue: _queue, .. } = SqliteStore::open_idle(dir.path(), at).unwrap();
        let notices = notices(&store).await;
        let accept = |space| {
            let copies = Arc::new([example("quiet", "a", at), example("noisy", "a", at)]);
            store.accept(space, copies, notices.clone()).now_or_never()
        };
        let mut waiting = 0;
        let refused = loop {
            match accept("noisy") {
                None => waiting += 1,
                Some(done) => break done,
            }
        };
        assert!(waiting > 0 && matches!(refused, Err(StoreError::Busy)), "{waiting}");
        assert!(accept("quiet").is_none(), "it waits, too");
    }
}
