//! Gives up deliveries. No other code makes a delivery dead or expired, so each given-up delivery has a reason, its
//! `deadLettered` events in the same transaction, and a place among the [`Losses`] that somebody must report.

use std::sync::Arc;

use eg_grammar::is_system_event_type;
use eg_sdk::history::Loss;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::columns::lossy;
use super::deliveries::promote;
use super::events::insert;
use super::seal::{delivered, payload};
use crate::clock::Clock;
use crate::decide::arrival::{NewEvent, Terms};
use crate::decide::envelope::Stamp;
use crate::decide::event::Outgoing;
use crate::decide::lanes::Lane;
use crate::decide::snapshot::Snapshot;
use crate::decide::system::{Call, SystemEvent};
use crate::decide::system_arrivals::system_arrivals;
use crate::timestamp::Timestamp;

/// Creates the events that report given-up deliveries to subscribers. Given-up deliveries of system events produce
/// none.
#[derive(Clone)]
pub(crate) struct Notices {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) terms: Terms,
    pub(crate) clock: Clock,
}

/// A delivery that is given up.
#[derive(Debug)]
pub(crate) struct GivingUp<'a> {
    pub(crate) delivery: i64,
    pub(crate) loss: Loss,
    pub(crate) reason: &'a str,
    /// Whether an attempt failed just now. Otherwise the delivery ends without another attempt.
    pub(crate) attempted: bool,
    pub(crate) now: Timestamp,
}

/// Deliveries that were given up in a transaction, and what follows. Once it is on disk, `Reception::lost` counts and
/// announces them.
#[derive(Debug, Default)]
#[must_use = "given-up deliveries must be counted and announced"]
pub(crate) struct Losses {
    pub(crate) lost: Vec<Lost>,
    /// The events that report them to subscribers.
    pub(crate) notices: Vec<NewEvent>,
    /// The lanes in which a delivery is due because the one before it with the same key has ended, given up or not.
    pub(crate) due: Vec<Lane>,
}

/// A delivery that was given up.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) delivery: i64,
    pub(crate) space: String,
    pub(crate) function: String,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) loss: Loss,
    pub(crate) reason: String,
    /// Whether an attempt failed just then.
    pub(crate) attempted: bool,
}

const LOST: &str = concat!(
    "SELECT ",
    delivered!(),
    ", d.space AS lost_in, d.function_id, d.subscription_id, d.attempts, d.order_key IS NOT NULL AS ordered
    FROM deliveries d LEFT JOIN events e ON e.seq = d.event WHERE d.seq = ?1"
);

const GIVE_UP: &str = "UPDATE deliveries SET state = ?2, ended_at = ?3, reason = ?4 WHERE seq = ?1";

impl Notices {
    /// Gives up a delivery and adds it to `losses`. If it was ordered, the next one with its key becomes due.
    pub(super) fn give_up(
        &self,
        connection: &Connection,
        one: &GivingUp<'_>,
        losses: &mut Losses,
    ) -> rusqlite::Result<()> {
        let GivingUp { delivery, loss, reason, attempted, now } = *one;
        let read = |row: &Row<'_>| {
            let payload = payload(row, 0)?;
            // A damaged event is not passed on, not even in a report.
            let json = match row.get_ref(payload.column)? {
                ValueRef::Blob(json) if payload.is_sound => json.to_vec(),
                _ => b"null".to_vec(),
            };
            let text = |column: &str| row.get_ref(column).map(|value| lossy(value).into_owned());
            let lost = Lost {
                delivery,
                space: text("lost_in")?,
                function: text("function_id")?,
                event_id: text("id")?,
                event_type: text("type")?,
                loss,
                reason: reason.to_owned(),
                attempted,
            };
            let attempts = row.get("attempts").unwrap_or_default();
            Ok((lost, text("subscription_id")?, json, attempts, row.get("ordered")?))
        };
        let mut query = connection.prepare_cached(LOST)?;
        let (lost, subscription, json, attempts, ordered): (_, _, _, _, bool) =
            query.query_row([delivery], read)?;
        connection.prepare_cached(GIVE_UP)?.execute(params![delivery, loss.as_str(), now, reason])?;
        if ordered {
            losses.due.extend(promote(connection, delivery, now)?);
        }
        for event in self.events(&lost, &subscription, json, attempts) {
            // It is a system event, so a delivery of it that is given up at once causes no further events.
            insert(connection, &event, self, losses)?;
            losses.notices.push(event);
        }
        losses.lost.push(lost);
        Ok(())
    }

    fn events(&self, lost: &Lost, subscription: &str, json: Vec<u8>, attempts: u32) -> Vec<NewEvent> {
        if is_system_event_type(&lost.event_type) {
            return Vec::new();
        }
        let Lost { space, function, event_type, loss, reason, .. } = lost;
        let event = Outgoing::stored(event_type.clone(), json, None);
        let call = Call { space, function, event: &event };
        let event = SystemEvent::GivenUp { call, subscription, attempts, loss: *loss, reason };
        let stamp = || Stamp { id: self.clock.event_id().to_string(), time: self.clock.now() };
        system_arrivals(&self.snapshot.router, &self.terms, space, &event, stamp)
    }
}
