//! Writes to users. Sends by printing: the log of the function is the mailbox.

use eg_runtime::{App, CloudEvent, Emit, Error, subscribe};
use user_events::{EmailSent, UserCreated};

/// Welcomes a new user.
#[subscribe(UserCreated)]
async fn send_welcome_email(emit: Emit<EmailSent>, event: CloudEvent<UserCreated>) -> Result<(), Error> {
    let user = event.data;
    let subject = format!("Welcome, {}!", user.first_name);
    println!("To: {}\nSubject: {subject}", user.email);
    emit.send(EmailSent { user_id: user.id, to: user.email, subject }).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
