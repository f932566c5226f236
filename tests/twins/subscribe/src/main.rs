//! Handles an event, with the framework.

use eg_runtime::{App, CloudEvent, Error, subscribe};
use serde::Deserialize;

#[derive(Deserialize)]
struct User {
    email: String,
}

#[subscribe("user.created")]
async fn welcome(event: CloudEvent<User>) -> Result<(), Error> {
    if event.data.email.contains('@') { Ok(()) } else { Err(Error::reject("no address")) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
