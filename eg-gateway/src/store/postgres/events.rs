//! Accepts events: writes those of many requests and their deliveries at once. The caller decides which deliveries an event
//! has.

use std::collections::HashMap;
use std::sync::Arc;

use super::batch::Batch;
use super::faults::Failure;
use super::give_up::give_up;
use super::queue::Request;
use super::session::Session;
use super::stored::named;
use super::values::{get, values};
use super::{PostgresStore, StoreError};
use crate::decide::arrival::NewEvent;
use crate::decide::volume;
use crate::store::accounting::Counter;
use crate::store::events::Accepted;
use crate::store::notices::{Losses, Notices};
use crate::store::room;

const DUPLICATES: &str = concat!(
    "SELECT n.place, f.event FROM
    unnest($1::int8[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int8[])
        AS n (place, space, id, source, type, method, path, since)
    JOIN LATERAL (
        SELECT e.event FROM events e WHERE ",
    named!("n.space", "n.id"),
    " AND md5(e.source) = md5(n.source) AND e.source = n.source AND e.type = n.type AND e.method = n.method
        AND e.path = n.path AND e.accepted_at > n.since LIMIT 1) f ON TRUE"
);

impl PostgresStore {
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
        self.writer.accept(space, weight, events, notices).await
    }
}

/// What makes two events duplicates.
type Key<'a> = [&'a str; 6];

fn key(new: &NewEvent) -> Key<'_> {
    let NewEvent { event, origin, .. } = new;
    [&origin.space, event.id(), event.source(), event.ty(), &origin.method, &origin.path]
}

/// Writes the events of requests, their deliveries and their notices, except for duplicates.
pub(super) async fn insert(session: &mut Session, mut requests: Vec<&mut Request>) -> Result<(), Failure> {
    let all: Vec<Arc<[NewEvent]>> = requests.iter().map(|request| Arc::clone(&request.events)).collect();
    if all.is_empty() {
        return Ok(());
    }
    let stored = stored(session, &all).await?;
    session.begun().await?;
    let (mut batch, mut endings, mut place) = (Batch::default(), Vec::new(), 0);
    let mut new: HashMap<Key<'_>, Vec<&NewEvent>> = HashMap::new();
    for (request, events) in requests.iter_mut().zip(&all) {
        request.accepted.clear();
        request.losses = Losses::default();
        let mut of_request = Vec::new();
        for event in events.iter() {
            let earlier = event.unique_since.and_then(|since| {
                let before = new.get(&key(event))?.iter().find(|one| one.origin.accepted_at > since)?;
                Some(before.event.json().to_vec())
            });
            let first = stored.get(&place).cloned().or(earlier);
            place += 1_i64;
            let Some(first) = first else {
                for event in event.with_notices() {
                    of_request.extend(batch.add(session, event)?);
                }
                new.entry(key(event)).or_default().push(event);
                request.accepted.push(Accepted::New);
                continue;
            };
            let conflict = !event.event.has_payload_of(&first);
            let space = request.notices.counted_space(&event.origin.space);
            batch.count(space, Counter::Duplicates, 1);
            if conflict {
                batch.count(space, Counter::Conflicts, 1);
            }
            request.accepted.push(Accepted::Duplicate { conflict });
        }
        endings.push(of_request);
    }
    batch.write(session);
    for (request, endings) in requests.iter_mut().zip(endings) {
        give_up(session, endings, &request.notices, &mut request.losses).await?;
    }
    Ok(())
}

/// Returns the events of the store of which the given ones are duplicates, by their place among all of the given ones.
async fn stored(session: &mut Session, all: &[Arc<[NewEvent]>]) -> Result<HashMap<i64, Vec<u8>>, Failure> {
    let (mut places, mut since) = (Vec::new(), Vec::new());
    let mut columns: [Vec<&str>; 6] = Default::default();
    for (place, event) in (0..).zip(all.iter().flat_map(|events| events.iter())) {
        if let Some(unique_since) = event.unique_since {
            places.push(place);
            since.push(unique_since);
            columns.iter_mut().zip(key(event)).for_each(|(column, text)| column.push(text));
        }
    }
    if places.is_empty() {
        return Ok(HashMap::new());
    }
    let [space, id, source, ty, method, path] = columns;
    let values = values![places, space, id, source, ty, method, path, since];
    let rows = session.query(DUPLICATES, values).await?;
    rows.iter().map(|row| Ok((get(row, "place")?, get(row, "event")?))).collect()
}
