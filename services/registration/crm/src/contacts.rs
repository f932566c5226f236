//! Stores the sales department's contacts. Knows no events.

use eg_runtime::Error;
use serde::{Deserialize, Serialize};
use service_storage::{Key, Store, Write};

/// A person to call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) id: String,
    pub(crate) email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

/// The contacts. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Contacts(Store);

impl Contacts {
    pub(crate) fn new(store: Store) -> Self {
        Self(store)
    }

    /// Stores a contact. Storing the same contact again changes nothing, so an event may arrive twice.
    pub(crate) async fn put(&self, contact: &Contact) -> Result<(), Error> {
        let key = Key::new("contact", &contact.id);
        Ok(self.0.transact(vec![Write::put(key, contact)?]).await?)
    }

    /// Returns the contact with this id.
    #[cfg(test)]
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Contact>, Error> {
        let item = self.0.get(&Key::new("contact", id)).await?;
        Ok(item.map(|item| item.read()).transpose()?)
    }
}
