//! Stores the event history. An event's key consists of its owner, time, type and id. So the events of an owner are
//! listed in order, different events have different keys, and an event that arrives twice has the same key both
//! times.

use eg_runtime::{CloudEvent, Data, Error};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_storage::{Item, Key, Store, Write};

use crate::page::{Page, fitting};

/// The event history.
#[derive(Debug, Clone)]
pub(crate) struct History(Store);

/// A stored event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// The owner: `C#` and the customer, `P#` and the item, or `?#` and the source.
    pub(crate) who: String,
    /// Microseconds since 1970, event type and id.
    pub(crate) time_what: String,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) event_source: String,
    /// The whole event: its JSON as text.
    pub(crate) event_detail: String,
}

impl History {
    pub(crate) async fn open() -> Result<Self, Error> {
        Ok(Self(Store::open("event-store", "STORE_TABLE").await?))
    }

    #[cfg(test)]
    pub(crate) fn in_store(store: Store) -> Self {
        Self(store)
    }

    /// Stores an event, unless it is stored already.
    pub(crate) async fn add(&self, record: Record) -> Result<(), Error> {
        let key = Key::new(&record.who, &record.time_what);
        match self.0.transact(vec![Write::put(key, &record)?.if_absent()]).await {
            // The event arrived twice.
            Err(e) if e.is_conflict() => Ok(()),
            result => Ok(result?),
        }
    }

    /// Returns a page of an owner's events, oldest first.
    pub(crate) async fn of(&self, who: &str, page: &Page) -> Result<Vec<Record>, Error> {
        let items = self.0.page(who, page.after.as_deref(), page.limit()?).await?;
        let records: Vec<Record> = items.iter().map(Item::read).collect::<Result<_, _>>()?;
        Ok(fitting(records, |record| record.event_detail.len()))
    }
}

impl Record {
    /// Creates the record of an event, given with its JSON.
    pub(crate) fn new(event: &CloudEvent<Data>, json: String) -> Self {
        let payload = serde_json::from_slice(&event.payload()).unwrap_or(Value::Null);
        let id_of = |name: &str| payload.get(name).and_then(Value::as_str).filter(|id| !id.is_empty());
        let who = match (id_of("customerId"), id_of("itemId")) {
            (Some(customer), _) => format!("C#{customer}"),
            (None, Some(item)) => format!("P#{item}"),
            (None, None) => format!("?#{}", event.source()),
        };
        // An event without a `time` must get the same key each time it arrives.
        let micros = event.time().map_or(0, |time| (time.unix_timestamp_nanos() / 1_000).max(0));
        Self {
            who,
            time_what: format!("{micros:016}#{}#{}", event.ty(), event.id()),
            event_id: event.id().to_owned(),
            event_type: event.ty().to_owned(),
            event_source: event.source().to_owned(),
            event_detail: json,
        }
    }
}
