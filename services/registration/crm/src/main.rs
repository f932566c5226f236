//! Maintains the sales department's list of contacts. This service can fail on demand, to show that other services
//! are not affected: set `CRM_FAILURE` to `always`, `never` (the default), or `first:N` for the first N attempts per
//! event. Its data is in the table that `CRM_TABLE` names, or in a file.

mod contacts;

use contacts::{Contact, Contacts};
use eg_runtime::{App, CloudEvent, Error, State, subscribe};
use registration_events::UserRegistered;
use registration_faults::Faults;
use service_storage::Store;

/// Adds a new user to the customer relationship management system.
#[subscribe(UserRegistered, retry(attempts = 3, max_age = "1h"))]
async fn add_user_to_crm(
    State(contacts): State<Contacts>,
    State(faults): State<Faults>,
    event: CloudEvent<UserRegistered>,
) -> Result<(), Error> {
    if faults.strike(event.id()).await? {
        return Err(Error::retry("Can't add user to the CRM"));
    }
    let UserRegistered { id, email, name, .. } = event.data;
    contacts.put(&Contact { id, email, name }).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::open("crm", "CRM_TABLE").await?;
    let faults = Faults::from_env("CRM_FAILURE", store.clone())?;
    App::new().state(Contacts::new(store)).state(faults).run().await
}

#[cfg(test)]
mod tests;
