//! Sends a welcome letter to new users of every form, and to others on request. Its data is in the table that
//! `EMAILS_TABLE` names, or in a file.

mod letters;

use eg_runtime::outbox::{Cause, OutboxError};
use eg_runtime::{App, CloudEvent, Emit, Error, Json, State, StatusCode, http, schedule, subscribe};
use letters::{Letter, Letters};
use registration_events::{EmailSent, UserCreated, UserRegistered, email_address};
use serde::{Deserialize, Serialize};
use service_storage::Store;
use time::OffsetDateTime;
use uuid::Uuid;

/// The part of both events, and of requests, that a letter needs: the address, and the rest if it is known.
#[derive(Deserialize)]
struct Addressee {
    id: Option<String>,
    email: String,
    name: Option<String>,
    #[serde(rename = "firstName", alias = "firstname")]
    first_name: Option<String>,
}

impl Addressee {
    /// Returns the letter. Its subject is one line, whatever the name contains.
    fn welcome(self) -> EmailSent {
        let Self { id, email, name, first_name } = self;
        let name = name.or(first_name);
        let one_line = |name: &String| format!("Welcome, {}!", name.replace(char::is_control, " "));
        let subject = name.as_ref().map_or_else(|| "Welcome!".to_owned(), one_line);
        EmailSent { id, email, name, subject }
    }
}

/// Welcomes a new user.
#[subscribe(UserCreated, UserRegistered)]
async fn send_welcome_email(
    State(letters): State<Letters>,
    emit: Emit<EmailSent>,
    event: CloudEvent<Addressee>,
) -> Result<(), Error> {
    let (cause, time) = (Cause::from(&event), event.time().unwrap_or_else(OffsetDateTime::now_utc));
    letters.send(&emit, cause, time, event.data.welcome()).await?;
    Ok(())
}

/// The answer to a request for a letter.
#[derive(Serialize)]
struct Message {
    message: &'static str,
}

/// Welcomes somebody on request: `{"email", "name"}`.
#[http(POST, "/email")]
async fn post_email(
    State(letters): State<Letters>,
    emit: Emit<EmailSent>,
    Json(addressee): Json<Addressee>,
) -> Result<Json<Message>, Error> {
    let Some(email) = email_address(&addressee.email) else {
        return Err(Error::status(StatusCode::BAD_REQUEST, "`email` is not an email address"));
    };
    let (cause, time) = (Cause::from(format!("request {}", Uuid::now_v7())), OffsetDateTime::now_utc());
    match letters.send(&emit, cause, time, Addressee { email, ..addressee }.welcome()).await {
        // The letter is sent and stored; `send_unsent` emits its event later.
        Ok(()) | Err(OutboxError::Unsent(_)) => Ok(Json(Message { message: "Email sent." })),
        Err(error) => Err(error.into()),
    }
}

/// Lists the letters that were sent, oldest first.
#[http(GET, "/email")]
async fn list_emails(State(letters): State<Letters>) -> Result<Json<Vec<Letter>>, Error> {
    Ok(Json(letters.all().await?))
}

/// Emits the stored events that could not be emitted earlier.
#[schedule("rate(1 minute)")]
async fn send_unsent(State(letters): State<Letters>, emit: Emit<EmailSent>) -> Result<(), Error> {
    letters.send_unsent(&emit).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::open("emails", "EMAILS_TABLE").await?;
    App::new().state(Letters::new(store)).run().await
}

#[cfg(test)]
mod tests;
