//! Stores alerts, each once. Sends nothing.

use eg_runtime::Error;
use serde::{Deserialize, Serialize};
use service_storage::{Item, Key, Store, Write};

const PARTITION: &str = "alert";

/// An alert: a function could not handle an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    pub(crate) function: String,
    pub(crate) event_type: String,
    pub(crate) event_id: String,
    /// The error of the first failed attempt.
    pub(crate) message: String,
}

/// The alerts. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Alerts(Store);

impl Alerts {
    pub(crate) fn new(store: Store) -> Self {
        Self(store)
    }

    /// Stores an alert about an event from `source`. Returns whether it is new: each pair of event and function gets
    /// one alert.
    pub(crate) async fn raise(&self, source: &str, alert: &Alert) -> Result<bool, Error> {
        let Alert { function, event_id, .. } = alert;
        let key = Key::new(PARTITION, format!("{function} {event_id} {source}"));
        match self.0.transact(vec![Write::put(key, alert)?.if_absent()]).await {
            Ok(()) => Ok(true),
            Err(conflict) if conflict.is_conflict() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns all alerts, grouped by function.
    pub(crate) async fn all(&self) -> Result<Vec<Alert>, Error> {
        let items = self.0.query(PARTITION).await?;
        Ok(items.iter().map(Item::read).collect::<Result<_, _>>()?)
    }
}
