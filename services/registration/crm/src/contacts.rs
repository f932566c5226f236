//! Stores the sales department's contacts. Knows no events.

use eg_runtime::Error;
use serde::{Deserialize, Serialize};
use service_storage::{Item, Key, Store, Write};
use time::OffsetDateTime;

const PARTITION: &str = "contact";

/// A person to call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) id: String,
    pub(crate) email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

/// A contact, and how old its data is.
#[derive(Serialize, Deserialize)]
struct Row {
    #[serde(flatten)]
    contact: Contact,
    /// When the contact had this data, in microseconds since 1970.
    #[serde(default)]
    micros: i64,
}

/// The contacts. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Contacts(Store);

impl Contacts {
    pub(crate) fn new(store: Store) -> Self {
        Self(store)
    }

    /// Stores a contact as it was at `time`, by default now. Changes nothing if newer data is stored, so an event may
    /// arrive twice, or late.
    pub(crate) async fn put(&self, contact: &Contact, time: Option<OffsetDateTime>) -> Result<(), Error> {
        let micros = time.unwrap_or_else(OffsetDateTime::now_utc).unix_timestamp_nanos() / 1_000;
        let row = Row { contact: contact.clone(), micros: i64::try_from(micros).unwrap_or(i64::MAX) };
        let key = Key::new(PARTITION, &contact.id);
        loop {
            let write = match self.0.get(&key).await? {
                None => Write::put(key.clone(), &row)?.if_absent(),
                Some(item) if item.read::<Row>()?.micros > row.micros => return Ok(()),
                Some(item) => item.update(&row)?,
            };
            match self.0.transact(vec![write]).await {
                // Another process stored this contact in the meantime.
                Err(conflict) if conflict.is_conflict() => {}
                result => return Ok(result?),
            }
        }
    }

    /// Returns the contact with this id.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Contact>, Error> {
        if id.is_empty() {
            return Ok(None);
        }
        let item = self.0.get(&Key::new(PARTITION, id)).await?;
        Ok(item.map(|item| item.read()).transpose()?)
    }

    /// Returns all contacts, ordered by id.
    pub(crate) async fn all(&self) -> Result<Vec<Contact>, Error> {
        let items = self.0.query(PARTITION).await?;
        Ok(items.iter().map(Item::read).collect::<Result<_, _>>()?)
    }
}
