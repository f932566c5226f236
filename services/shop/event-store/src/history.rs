//! Stores the event history. An event's key consists of its owner, time, type and id. So a customer's events are
//! listed in order, different events have different keys, and an event that arrives twice has the same key both
//! times.

use eg_runtime::{CloudEvent, Data, Error, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_storage::{Item, Key, Store, Write};

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
    pub(crate) event_detail: Value,
}

/// Selects a page of the history.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

/// The maximum size of a page, which keeps the answer below Lambda's limit.
const LONGEST: usize = 1_000;

impl History {
    pub(crate) async fn open() -> Result<Self, Error> {
        Ok(Self(Store::open("event-store", "STORE_TABLE").await?))
    }

    #[cfg(test)]
    pub(crate) fn in_store(store: Store) -> Self {
        Self(store)
    }

    pub(crate) async fn add(&self, event: &CloudEvent<Data>) -> Result<(), Error> {
        let record = Record::new(event);
        let key = Key::new(&record.who, &record.time_what);
        match self.0.transact(vec![Write::put(key, &record)?.if_absent()]).await {
            // The event arrived twice.
            Err(e) if e.is_conflict() => Ok(()),
            result => Ok(result?),
        }
    }

    pub(crate) async fn of_customer(&self, customer_id: &str, page: &Page) -> Result<Vec<Record>, Error> {
        let limit = page.limit.unwrap_or(LONGEST);
        if !(1..=LONGEST).contains(&limit) {
            let message = format!("limit is {limit}; it is a number from 1 to {LONGEST}");
            return Err(Error::status(StatusCode::BAD_REQUEST, message));
        }
        let items = self.0.page(&format!("C#{customer_id}"), page.after.as_deref(), limit).await?;
        Ok(items.iter().map(Item::read).collect::<Result<_, _>>()?)
    }
}

impl Record {
    pub(crate) fn new(event: &CloudEvent<Data>) -> Self {
        // A payload that is not JSON is stored as text.
        let payload = event.payload();
        let detail = serde_json::from_slice(&payload)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&payload).into_owned()));
        let id_of = |name: &str| detail.get(name).and_then(Value::as_str).filter(|id| !id.is_empty());
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
            event_detail: detail,
        }
    }
}
