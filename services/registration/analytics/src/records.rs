//! The table of what happened, with the columns that the original filled in BigQuery. A row is written once.

use eg_runtime::Error;
use serde::{Deserialize, Serialize};
use service_storage::{Item, Key, Store, Write};

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The event's type.
    pub(crate) event: String,
    pub(crate) id: String,
    pub(crate) received_at_s: i64,
    /// The payload, as text.
    pub(crate) data: String,
}

/// All rows, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Records(Store);

impl Records {
    pub(crate) fn new(store: Store) -> Self {
        Self(store)
    }

    /// Writes a row; returns when it is stored. The same event from the same `source` again leaves the row as it is.
    pub(crate) async fn keep(&self, source: &str, record: &Record) -> Result<(), Error> {
        // An id is unique for its source only.
        let key = Key::new(&record.event, format!("{} {source}", record.id));
        match self.0.transact(vec![Write::put(key, record)?.if_absent()]).await {
            Err(conflict) if conflict.is_conflict() => Ok(()),
            result => Ok(result?),
        }
    }

    /// The rows of one type of event, the oldest first.
    pub(crate) async fn of(&self, event: &str) -> Result<Vec<Record>, Error> {
        let items = self.0.query(event).await?;
        let mut records = items.iter().map(Item::read).collect::<Result<Vec<Record>, _>>()?;
        records.sort_by_key(|record| record.received_at_s);
        Ok(records)
    }
}
