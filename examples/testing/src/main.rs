//! A service and its tests: requests and events go through the whole app in memory, without a server or gateway.
//!
//! ```text
//! $ cargo test -p testing
//! …
//! test result: ok. 2 passed; …
//! ```

use eg_runtime::{App, CloudEvent, Emit, Error, Event, Json, http, subscribe};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event("user.created")]
struct UserCreated {
    email: String,
}

/// Registers a user.
#[http(POST, "/users")]
async fn create_user(emit: Emit<UserCreated>, Json(user): Json<UserCreated>) -> Result<(), Error> {
    emit.send(user).await?;
    Ok(())
}

/// Welcomes a new user.
#[subscribe(UserCreated)]
async fn welcome(event: CloudEvent<UserCreated>) -> Result<(), Error> {
    let (name, _) = event.data.email.split_once('@').ok_or_else(|| Error::reject("this is no address"))?;
    println!("Welcome, {name}!");
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
    async fn new_users_are_announced_and_welcomed() -> Result<(), Error> {
        let app = TestApp::new(App::new())?;
        let answer = app.post("/users", &UserCreated { email: "donald@example.com".into() }).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(app.emitted::<UserCreated>()?[0].data.email, "donald@example.com");
        assert_eq!(app.settle().await[0].outcome, Outcome::Done);
        Ok(())
    }

    #[tokio::test]
    async fn what_is_no_address_becomes_a_dead_letter() -> Result<(), Error> {
        let deliveries = TestApp::new(App::new())?.deliver(UserCreated { email: "donald".into() }).await?;
        assert_eq!(deliveries[0].outcome, Outcome::Rejected("this is no address".into()));
        Ok(())
    }
}
