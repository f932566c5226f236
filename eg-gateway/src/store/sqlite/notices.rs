//! Gives up deliveries. No other code makes a delivery dead or expired, so each given-up delivery has a reason, its
//! `deadLettered` events in the same transaction, and a place among the [`Losses`] that somebody must report.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::columns::lossy;
use super::deliveries::promote;
use super::events::insert;
use super::seal::{delivered, payload};
use crate::store::notices::{GivingUp, Losses, Lost, Notices};

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
}
