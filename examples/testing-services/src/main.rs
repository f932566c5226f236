//! A test of two services together, with one clock: this one, and the functions of `greetings`, which are in a library so
//! that the test can link them.
//!
//! ```text
//! $ cargo test -p testing-services
//! …
//! test result: ok. 2 passed; …
//! ```

use eg_runtime::{App, Emit, Error, Event, Json, http};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event("user.created")]
struct UserCreated {
    email: String,
}

/// Registers a user.
#[http(PUT, "/users")]
async fn create_user(emit: Emit<UserCreated>, Json(user): Json<UserCreated>) -> Result<(), Error> {
    emit.send(user).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use eg_runtime::testing::{Outcome, TestApp};
    use greetings::Mail;

    use super::*;

    async fn after_a_user(mail: Mail) -> Result<TestApp, Error> {
        let app = TestApp::of("testing-services", App::new())?.and("greetings", App::new().state(mail))?;
        app.put("/users", &UserCreated { email: "donald@example.com".into() }).await;
        Ok(app)
    }

    #[tokio::test]
    async fn the_other_service_greets_a_new_user() -> Result<(), Error> {
        let deliveries = after_a_user(Mail(Some("mail.example.com"))).await?.settle().await;
        assert_eq!((deliveries[0].function, &deliveries[0].outcome), ("greet", &Outcome::Done));
        Ok(())
    }

    #[tokio::test]
    async fn it_tries_three_times() -> Result<(), Error> {
        let app = after_a_user(Mail(None)).await?;
        assert_eq!(app.advance(Duration::from_secs(60)).await.len(), 3);
        assert_eq!(app.dead_letters()[0].reason, "the mail server is down");
        Ok(())
    }
}
