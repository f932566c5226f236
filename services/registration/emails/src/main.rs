//! Sends a welcome letter to new users of both forms. "Sending" prints the letter to the function's log.

use eg_runtime::{App, CloudEvent, Emit, Error, subscribe};
use registration_events::{EmailSent, UserCreated, UserRegistered};
use serde::Deserialize;

const SOURCE: &str = "/services/emails";

/// The part of both events that a letter needs: the address, and the name if there is one.
#[derive(Deserialize)]
struct Addressee {
    id: String,
    email: String,
    #[serde(alias = "firstName")]
    name: Option<String>,
}

/// Welcomes a new user.
#[subscribe(UserCreated, UserRegistered)]
async fn send_welcome_email(emit: Emit<EmailSent>, event: CloudEvent<Addressee>) -> Result<(), Error> {
    let cause = event.id().to_owned();
    let Addressee { id, email, name } = event.data;
    let subject = name.as_ref().map_or_else(|| "Welcome!".to_owned(), |name| format!("Welcome, {name}!"));
    println!("To: {email}\nSubject: {subject}");
    // The letter's event has the id of the event that it answers. If that event comes again, the gateway drops the
    // second letter as a duplicate.
    let sent = CloudEvent::new(SOURCE, EmailSent { id, email, name, subject }).with_id(cause);
    emit.send_event(sent).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}

#[cfg(test)]
mod tests {
    use eg_runtime::testing::{Outcome, TestApp};

    use super::*;

    fn donald() -> UserCreated {
        let [id, first_name, last_name, email] =
            ["10", "Donald", "Duck", "donald@disney.com"].map(str::to_owned);
        UserCreated { id, first_name, last_name, email }
    }

    fn daisy(name: Option<&str>) -> UserRegistered {
        let [id, session, email] = ["11", "secret", "daisy@disney.com"].map(str::to_owned);
        UserRegistered { id, session, email, name: name.map(str::to_owned) }
    }

    #[tokio::test]
    async fn everybody_is_welcomed_by_the_name_they_gave() -> Result<(), Error> {
        let app = TestApp::new(App::new())?;
        app.deliver(donald()).await?;
        app.deliver(daisy(Some("Daisy"))).await?;
        app.deliver(daisy(None)).await?;
        let sent = app.emitted::<EmailSent>()?;
        let letters: Vec<_> = sent
            .iter()
            .map(|event| (event.data.id.as_str(), event.data.email.as_str(), event.data.subject.as_str()))
            .collect();
        assert_eq!(
            letters,
            [
                ("10", "donald@disney.com", "Welcome, Donald!"),
                ("11", "daisy@disney.com", "Welcome, Daisy!"),
                ("11", "daisy@disney.com", "Welcome!"),
            ]
        );
        Ok(())
    }

    /// Deliveries are at least once, and an event must not lead to two recorded letters.
    #[tokio::test]
    async fn a_redelivery_sends_the_same_letter() -> Result<(), Error> {
        let app = TestApp::new(App::new())?;
        let event = CloudEvent::new("/services/users", donald());
        for _ in 0..2 {
            assert_eq!(app.deliver(event.clone()).await?[0].outcome, Outcome::Done);
        }
        let sent = app.emitted::<EmailSent>()?;
        assert_eq!((sent[0].id(), sent[0].source()), (event.id(), "/services/emails"));
        assert_eq!((sent[1].id(), sent[1].source()), (event.id(), "/services/emails"));
        Ok(())
    }

    #[tokio::test]
    async fn what_names_nobody_is_rejected() -> Result<(), Error> {
        let app = TestApp::new(App::new())?;
        let event = CloudEvent::of_type("user.created", "/tests", serde_json::json!({"id": "10"}));
        let outcome = app.deliver(event).await?.remove(0).outcome;
        assert!(matches!(outcome, Outcome::Rejected(reason) if reason.contains("missing field `email`")));
        assert!(app.events().is_empty());
        Ok(())
    }
}
