//! Handles the same event, with `lambda_runtime` and serde.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;

#[derive(Deserialize)]
struct Event {
    data: User,
}

#[derive(Deserialize)]
struct User {
    email: String,
}

async fn welcome(event: LambdaEvent<Event>) -> Result<(), Error> {
    if event.payload.data.email.contains('@') { Ok(()) } else { Err("no address".into()) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(welcome)).await
}
