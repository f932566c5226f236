//! The table of recorded events, with the columns that the original application filled in BigQuery. Rows never
//! change.

use eg_runtime::Error;
use serde::{Deserialize, Serialize};
use service_storage::{Item, Key, Store, Write};

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The event's type.
    pub(crate) event: String,
    pub(crate) id: String,
    pub(crate) received_at_s: i64,
    /// The payload, as text.
    pub(crate) data: String,
}

/// The table. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Records(Store);

impl Records {
    pub(crate) fn new(store: Store) -> Self {
        Self(store)
    }

    /// Stores a row and returns once it is stored. If the same event from the same `source` comes again, the row
    /// stays as it is.
    pub(crate) async fn keep(&self, source: &str, record: &Record) -> Result<(), Error> {
        // An id is unique within its source only.
        let key = Key::new(&record.event, format!("{} {source}", record.id));
        match self.0.transact(vec![Write::put(key, record)?.if_absent()]).await {
            Err(conflict) if conflict.is_conflict() => Ok(()),
            result => Ok(result?),
        }
    }

    /// Returns the rows of one event type, oldest first.
    pub(crate) async fn of(&self, event: &str) -> Result<Vec<Record>, Error> {
        let items = self.0.query(event).await?;
        let mut records = items.iter().map(Item::read).collect::<Result<Vec<Record>, _>>()?;
        records.sort_by_key(|record| record.received_at_s);
        Ok(records)
    }
}
