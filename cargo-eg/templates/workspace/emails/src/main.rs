//! Sends emails to users.

use eg_runtime::{App, CloudEvent, Error, subscribe};
use events::UserCreated;

/// Welcomes a new user. A failure (`?`) is retried; a rejected event becomes a dead letter.
#[subscribe(UserCreated)]
async fn send_welcome_email(event: CloudEvent<UserCreated>) -> Result<(), Error> {
    let (name, _) = event
        .data
        .email
        .split_once('@')
        .ok_or_else(|| Error::reject("this is no address"))?;
    println!("To: {}\nWelcome, {name}!", event.data.email);
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

    #[tokio::test]
    async fn what_is_no_address_becomes_a_dead_letter() -> Result<(), Error> {
        let app = TestApp::new(App::new())?;
        for (email, expected) in [
            ("donald@example.com", Outcome::Done),
            ("donald", Outcome::Rejected("this is no address".into())),
        ] {
            let deliveries = app
                .deliver(UserCreated {
                    id: "10".into(),
                    email: email.into(),
                })
                .await?;
            assert_eq!(deliveries[0].outcome, expected);
        }
        Ok(())
    }
}
