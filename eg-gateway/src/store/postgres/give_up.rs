//! Gives up deliveries. No other code makes a delivery dead or expired, so each given-up delivery has a reason, its
//! `deadLettered` events in the same transaction, and a place among the [`Losses`] that somebody must report.

use std::collections::{HashMap, VecDeque};

use eg_sdk::history::Loss;
use tokio_postgres::Row;

use super::batch::Batch;
use super::deliveries::promote;
use super::faults::Failure;
use super::session::Session;
use super::stored::{Payload, payload, size, up_to_bytes};
use super::values::{count, get, values};
use crate::store::events::PAGE;
use crate::store::notices::{Losses, Lost, Notices};
use crate::timestamp::Timestamp;

const LOST: &str = up_to_bytes!(
    "$2",
    "seq",
    "SELECT ",
    payload!(),
    ", d.seq, d.space AS lost_in, d.function_id, d.subscription_id, d.attempts, d.order_key IS NOT NULL AS ordered
    FROM deliveries d LEFT JOIN events e ON e.seq = d.event WHERE d.seq = ANY($1)"
);

const GIVE_UP: &str = "
    UPDATE deliveries d SET state = n.state, ended_at = n.ended_at, reason = n.reason
    FROM unnest($1::int8[], $2::text[], $3::int8[], $4::text[]) AS n (seq, state, ended_at, reason) WHERE d.seq = n.seq";

/// The number of deliveries that are read at once, with their events.
const AT_ONCE: usize = 50;

/// A delivery to give up.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) delivery: i64,
    pub(super) loss: Loss,
    pub(super) reason: String,
    /// Whether an attempt failed just now. Otherwise the delivery ends without another attempt.
    pub(super) attempted: bool,
    pub(super) now: Timestamp,
}

/// Gives up deliveries and adds them to `losses`. After one that was ordered, the next one with its key becomes due.
pub(super) async fn give_up(
    session: &mut Session,
    endings: Vec<Ending>,
    notices: &Notices,
    losses: &mut Losses,
) -> Result<(), Failure> {
    let mut rest = VecDeque::from(endings);
    while !rest.is_empty() {
        let some = rest.drain(..rest.len().min(AT_ONCE)).collect();
        // Reports of system events cause no further ones, so this ends.
        for further in give_up_some(session, some, notices, losses).await?.into_iter().rev() {
            rest.push_front(further);
        }
    }
    Ok(())
}

/// Gives up some deliveries. Returns those of their reports that must be given up as well, and the deliveries whose events
/// would be too many bytes at once.
async fn give_up_some(
    session: &mut Session,
    endings: Vec<Ending>,
    notices: &Notices,
    losses: &mut Losses,
) -> Result<Vec<Ending>, Failure> {
    let numbers: Vec<i64> = endings.iter().map(|ending| ending.delivery).collect();
    let rows = session.query(LOST, values![numbers, PAGE]).await?;
    let bytes: usize = rows.iter().map(size).sum::<Result<_, _>>()?;
    let rows: HashMap<i64, Row> =
        rows.into_iter().map(|row| Ok((get(&row, "seq")?, row))).collect::<Result<_, Failure>>()?;
    let (endings, mut further): (Vec<Ending>, Vec<Ending>) =
        endings.into_iter().partition(|ending| bytes < PAGE || rows.contains_key(&ending.delivery));
    session.later(
        GIVE_UP,
        values![
            endings.iter().map(|ending| ending.delivery).collect::<Vec<_>>(),
            endings.iter().map(|ending| ending.loss.as_str()).collect::<Vec<_>>(),
            endings.iter().map(|ending| ending.now).collect::<Vec<_>>(),
            endings.iter().map(|ending| ending.reason.as_str()).collect::<Vec<_>>()
        ],
    );
    let mut batch = Batch::default();
    for Ending { delivery, loss, reason, attempted, now } in endings {
        let Some(row) = rows.get(&delivery) else { continue };
        let Payload { event, json, is_sound } = Payload::read(row)?;
        // A damaged event is not passed on, not even in a report.
        let json = if is_sound { json.to_vec() } else { b"null".to_vec() };
        let lost = Lost {
            delivery,
            space: get(row, "lost_in")?,
            function: get(row, "function_id")?,
            event_id: event.id,
            event_type: event.ty,
            loss,
            reason,
            attempted,
        };
        if get(row, "ordered")? {
            losses.due.extend(promote(session, delivery, now).await?);
        }
        for event in notices.events(&lost, get(row, "subscription_id")?, json, count(row, "attempts")?) {
            further.extend(batch.add(session, &event)?);
            losses.notices.push(event);
        }
        losses.lost.push(lost);
    }
    batch.write(session);
    Ok(further)
}
