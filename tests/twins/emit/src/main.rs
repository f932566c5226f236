//! Handles an event and emits another, over plain HTTP.

use eg_runtime::{App, CloudEvent, Emit, Error, Event, subscribe};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct User {
    email: String,
}

#[derive(Serialize, Event)]
#[event("email.sent")]
struct Sent {
    to: String,
}

#[subscribe("user.created")]
async fn welcome(emit: Emit<Sent>, event: CloudEvent<User>) -> Result<(), Error> {
    emit.send(Sent { to: event.data.email }).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
