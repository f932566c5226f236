//! Accepting events.

use std::sync::Arc;

use bytes::Bytes;
use eg_sdk::config::Subscription;
use rusqlite::{Connection, params};

use super::{Store, StoreError};

/// An event to accept.
#[derive(Debug)]
pub(crate) struct NewEvent {
    pub(crate) space: String,
    pub(crate) id: String,
    pub(crate) ty: String,
    pub(crate) source: String,
    pub(crate) method: String,
    pub(crate) path: String,
    /// Milliseconds since the epoch.
    pub(crate) accepted_at: i64,
    /// The JSON that functions get.
    pub(crate) json: Bytes,
    /// One delivery is made for each.
    pub(crate) subscriptions: Vec<Arc<Subscription>>,
}

impl Store {
    /// Returns once all the events and their deliveries are on disk; when it fails, none of them is.
    ///
    /// # Errors
    /// [`StoreError::Busy`] at once when too much waits already; otherwise when the disk fails. Then they do not count
    /// as accepted.
    pub(crate) async fn accept(&self, events: Vec<NewEvent>) -> Result<(), StoreError> {
        let insert =
            move |connection: &Connection| events.iter().try_for_each(|event| insert(connection, event));
        self.writer.run_or_busy(insert).await
    }
}

fn insert(connection: &Connection, event: &NewEvent) -> rusqlite::Result<()> {
    let NewEvent { space, id, ty, source, method, path, accepted_at, json, subscriptions } = event;
    connection
        .prepare_cached(
            "INSERT INTO events (space, id, type, source, method, path, accepted_at, event)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![space, id, ty, source, method, path, accepted_at, &**json])?;
    let event = connection.last_insert_rowid();
    let mut delivery = connection.prepare_cached(
        "INSERT INTO deliveries (event, space, subscription_id, function_id, state, due_at)
         VALUES (?1, ?2, ?3, ?4, 'pending', ?5)",
    )?;
    for subscription in subscriptions {
        let (id, function) = (&subscription.subscription_id, &subscription.function_id);
        delivery.execute(params![event, subscription.space, id, function, accepted_at])?;
    }
    Ok(())
}
