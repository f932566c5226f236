//! Writes the `deadLettered` events of deliveries that are given up, in the transaction that gives them up: so each is
//! written once, whatever happens next. They hold plain values only, so nothing here can call the store.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::events::insert;
use crate::clock::Clock;
use crate::decide::arrival::{NewEvent, Terms};
use crate::decide::envelope::Stamp;
use crate::decide::event::Outgoing;
use crate::decide::snapshot::Snapshot;
use crate::decide::system::{self, Call, SystemEvent};
use crate::decide::system_arrivals::system_arrivals;

/// Makes the events that report given-up deliveries to those who subscribed to them. Given-up deliveries of system events
/// produce none.
#[derive(Clone)]
pub(crate) struct Notices {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) terms: Terms,
    pub(crate) clock: Clock,
}

/// A delivery that was just given up.
#[derive(Debug)]
struct Loss {
    space: String,
    function: String,
    subscription: String,
    event_type: String,
    /// The JSON that the function got, or would have got.
    json: Vec<u8>,
    attempts: u32,
    /// By its age. Otherwise it is dead.
    expired: bool,
    reason: String,
}

const LOSS: &str = "
    SELECT d.space, d.function_id, d.subscription_id, e.type, coalesce(d.payload, e.event), d.attempts,
           d.state = 'expired', coalesce(d.reason, '')
    FROM deliveries d JOIN events e ON e.seq = d.event WHERE d.seq = ?1 AND d.state IN ('dead', 'expired')";

impl Notices {
    /// Stores the events about these deliveries, and returns them.
    pub(super) fn write_all(
        &self,
        connection: &Connection,
        deliveries: impl IntoIterator<Item = i64>,
    ) -> rusqlite::Result<Vec<NewEvent>> {
        let mut written = Vec::new();
        for delivery in deliveries {
            written.extend(self.write(connection, delivery)?);
        }
        Ok(written)
    }

    /// Stores the events about this delivery, and returns them.
    pub(super) fn write(&self, connection: &Connection, delivery: i64) -> rusqlite::Result<Vec<NewEvent>> {
        let loss = connection.prepare_cached(LOSS)?.query_row(params![delivery], |row| {
            Ok(Loss {
                space: row.get(0)?,
                function: row.get(1)?,
                subscription: row.get(2)?,
                event_type: row.get(3)?,
                json: row.get(4)?,
                attempts: row.get(5)?,
                expired: row.get(6)?,
                reason: row.get(7)?,
            })
        })?;
        let events = self.events(loss);
        for event in &events {
            insert(connection, event)?;
        }
        Ok(events)
    }

    fn events(&self, loss: Loss) -> Vec<NewEvent> {
        if system::is_system(&loss.event_type) {
            return Vec::new();
        }
        let Loss { space, function, subscription, event_type, json, attempts, expired, reason } = loss;
        let event = Outgoing::stored(event_type, json, None);
        let call = Call { space: &space, function: &function, event: &event };
        let (subscription, reason) = (subscription.as_str(), reason.as_str());
        let event = SystemEvent::GivenUp { call, subscription, attempts, expired, reason };
        let stamp = || Stamp { id: self.clock.event_id().to_string(), time: self.clock.now() };
        system_arrivals(&self.snapshot.router, &self.terms, &space, &event, stamp)
    }
}
