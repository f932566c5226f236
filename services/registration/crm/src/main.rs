//! Maintains the sales department's list of contacts. This service can fail on demand, to show that other services
//! are not affected: set `CRM_FAILURE` to `always`, `never` (the default), or `first:N` for the first N attempts per
//! event. Its data is in the table that `CRM_TABLE` names, or in a file.

mod contacts;

use contacts::{Contact, Contacts};
use eg_runtime::{
    App, CloudEvent, Data, Error, Json, Path, ResultExt as _, State, StatusCode, http, subscribe,
};
use registration_events::{UserCreated, UserRegistered};
use registration_faults::Faults;
use serde::Deserialize;
use serde_json::Value;
use service_storage::Store;

/// The part of a new user that a contact needs. Lenient, because other programs emit `user.created` too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    id: Option<String>,
    email: String,
    name: Option<String>,
    #[serde(alias = "firstname")]
    first_name: Option<String>,
    #[serde(alias = "lastname")]
    last_name: Option<String>,
}

impl Person {
    /// Returns the contact. A person without an id is identified by the email address.
    fn contact(self) -> Contact {
        let Self { id, email, name, first_name, last_name } = self;
        let names: Vec<String> = [first_name, last_name].into_iter().flatten().collect();
        let name = name.or_else(|| (!names.is_empty()).then(|| names.join(" ")));
        Contact { id: id.unwrap_or_else(|| email.clone()), email, name }
    }
}

/// Adds a new user to the customer relationship management system.
#[subscribe(UserRegistered, UserCreated, retry(attempts = 3, max_age = "1h"))]
async fn add_user_to_crm(
    State(contacts): State<Contacts>,
    State(faults): State<Faults>,
    event: CloudEvent<Data>,
) -> Result<(), Error> {
    let payload = event.payload();
    let Json(person) = Json::<Person>::from_bytes(&payload).map_err(|e| Error::reject(e.body_text()))?;
    let user: Value = serde_json::from_slice(&payload).reject()?;
    if faults.strike(event.id()).await? {
        return Err(Error::retry("Can't add user to the CRM"));
    }
    println!("Saving user to CRM:\n{user:#}");
    contacts.put(&person.contact(), event.time()).await
}

/// Lists the contacts.
#[http(GET, "/contacts")]
async fn list_contacts(State(contacts): State<Contacts>) -> Result<Json<Vec<Contact>>, Error> {
    Ok(Json(contacts.all().await?))
}

/// Returns the contact of a user.
#[http(GET, "/contacts/{id}")]
async fn get_contact(
    State(contacts): State<Contacts>,
    Path(id): Path<String>,
) -> Result<Json<Contact>, Error> {
    match contacts.get(&id).await? {
        Some(contact) => Ok(Json(contact)),
        None => Err(Error::status(StatusCode::NOT_FOUND, format!("there is no contact `{id}`"))),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::open("crm", "CRM_TABLE").await?;
    let faults = Faults::from_env("CRM_FAILURE", store.clone())?;
    App::new().state(Contacts::new(store)).state(faults).run().await
}

#[cfg(test)]
mod tests;
