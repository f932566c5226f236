//! The functions of a service that greets new users. Its `main` would create the app.

use eg_runtime::{CloudEvent, Error, State, subscribe};
use serde::Deserialize;

/// The mail server, which may be down.
#[derive(Clone)]
pub struct Mail(pub Option<&'static str>);

#[derive(Deserialize)]
struct User {
    email: String,
}

/// Greets a new user.
#[subscribe("user.created", retry(attempts = 3))]
async fn greet(State(mail): State<Mail>, event: CloudEvent<User>) -> Result<(), Error> {
    let server = mail.0.ok_or("the mail server is down")?;
    println!("{server} greets {}", event.data.email);
    Ok(())
}
