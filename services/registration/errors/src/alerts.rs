//! The alerts that were raised, each once. Tells nobody.

use eg_runtime::Error;
use serde::{Deserialize, Serialize};
use service_storage::{Item, Key, Store, Write};

const PARTITION: &str = "alert";

/// A function could not handle an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    pub(crate) function: String,
    pub(crate) event_type: String,
    pub(crate) event_id: String,
    /// What the first failed attempt said.
    pub(crate) message: String,
}

/// All alerts, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Alerts(Store);

impl Alerts {
    pub(crate) fn new(store: Store) -> Self {
        Self(store)
    }

    /// Keeps an alert about an event from `source`. Whether it is news: of one event at one function, it is only once.
    pub(crate) async fn raise(&self, source: &str, alert: &Alert) -> Result<bool, Error> {
        let Alert { function, event_id, .. } = alert;
        let key = Key::new(PARTITION, format!("{function} {event_id} {source}"));
        match self.0.transact(vec![Write::put(key, alert)?.if_absent()]).await {
            Ok(()) => Ok(true),
            Err(conflict) if conflict.is_conflict() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// All alerts, by function.
    pub(crate) async fn all(&self) -> Result<Vec<Alert>, Error> {
        let items = self.0.query(PARTITION).await?;
        Ok(items.iter().map(Item::read).collect::<Result<_, _>>()?)
    }
}
