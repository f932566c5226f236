//! Writes the `deadLettered` events of given-up deliveries in the transaction that gives them up, so each is written
//! exactly once. Notices hold plain values only and cannot call the store.

use std::sync::Arc;

use eg_grammar::is_system_event_type;
use eg_sdk::history::Loss;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

use super::columns::{Name, lossy};
use super::events::insert;
use super::seal::{JSON, bytes_fit, fits};
use crate::clock::Clock;
use crate::decide::arrival::{NewEvent, Terms};
use crate::decide::envelope::Stamp;
use crate::decide::event::Outgoing;
use crate::decide::snapshot::Snapshot;
use crate::decide::system::{Call, SystemEvent};
use crate::decide::system_arrivals::system_arrivals;

/// Creates the events that report given-up deliveries to subscribers. Given-up deliveries of system events produce
/// none.
#[derive(Clone)]
pub(crate) struct Notices {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) terms: Terms,
    pub(crate) clock: Clock,
}

/// A delivery that was just given up.
#[derive(Debug)]
struct LostDelivery {
    space: String,
    function: String,
    subscription: String,
    event_type: String,
    /// The JSON that the function received or would have received.
    json: Vec<u8>,
    attempts: u32,
    loss: Loss,
    reason: String,
}

const LOST: &str = "
    SELECT d.payload, d.payload_seal,
           e.space, e.id, e.type, e.source, e.subject, e.method, e.path, e.accepted_at, e.event, e.seal,
           d.space AS lost_in, d.function_id, d.subscription_id, d.attempts, d.state, coalesce(d.reason, '') AS reason
    FROM deliveries d LEFT JOIN events e ON e.seq = d.event
    WHERE d.seq = ?1 AND d.state IN ('dead', 'expired')";

/// The positions of the edited payload and of the event among the columns of [`LOST`].
const PAYLOAD: usize = 0;
const EVENT: usize = 2;

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
        let lost = connection.prepare_cached(LOST)?.query_row(params![delivery], |row| {
            let edited = row.get_ref(PAYLOAD)? != ValueRef::Null;
            let sound = if edited { bytes_fit(row, PAYLOAD)? } else { fits(row, EVENT)? };
            // A damaged event is not passed on, not even in a report.
            let json = match row.get_ref(if edited { PAYLOAD } else { EVENT + JSON })? {
                ValueRef::Blob(json) if sound => json.to_vec(),
                _ => b"null".to_vec(),
            };
            let text = |column: &str| row.get_ref(column).map(|value| lossy(value).into_owned());
            Ok(LostDelivery {
                space: text("lost_in")?,
                function: text("function_id")?,
                subscription: text("subscription_id")?,
                event_type: text("type")?,
                json,
                attempts: row.get("attempts").unwrap_or_default(),
                loss: row.get::<_, Name<Loss>>("state")?.0,
                reason: text("reason")?,
            })
        })?;
        let events = self.events(lost);
        for event in &events {
            insert(connection, event)?;
        }
        Ok(events)
    }

    fn events(&self, lost: LostDelivery) -> Vec<NewEvent> {
        if is_system_event_type(&lost.event_type) {
            return Vec::new();
        }
        let LostDelivery { space, function, subscription, event_type, json, attempts, loss, reason } = lost;
        let event = Outgoing::stored(event_type, json, None);
        let call = Call { space: &space, function: &function, event: &event };
        let (subscription, reason) = (subscription.as_str(), reason.as_str());
        let event = SystemEvent::GivenUp { call, subscription, attempts, loss, reason };
        let stamp = || Stamp { id: self.clock.event_id().to_string(), time: self.clock.now() };
        system_arrivals(&self.snapshot.router, &self.terms, &space, &event, stamp)
    }
}
