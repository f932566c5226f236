//! One HTTP route, several functions: one answers the request, the others get it as an event afterwards.
//!
//! ```text
//! $ cargo eg run examples/sync-and-async
//! $ curl localhost:4000/users/create -H 'content-type: application/json' -d '{"email":"donald@disney.com"}'
//! created donald@disney.com
//! $ cargo eg logs --function add_to_analytics
//! …
//! a user of disney.com
//! …
//! $ cargo eg logs --function store_event
//! …
//! POST /users/create
//! …
//! ```
//!
//! The gateway stores the event for the asynchronous functions, retries their calls, and keeps what fails as a dead
//! letter. The client does not wait for them.

use eg_runtime::{App, CloudEvent, Error, Json, http, subscribe};
use serde::Deserialize;

#[derive(Deserialize)]
struct User {
    email: String,
}

/// The part of a request's event that the asynchronous functions read.
#[derive(Deserialize)]
struct Request {
    method: String,
    path: String,
    body: User,
}

/// Creates a user and answers the request.
#[http(POST, "/users/create")]
async fn create_user(Json(user): Json<User>) -> String {
    format!("created {}\n", user.email)
}

/// Counts users by the domain of their address.
#[subscribe("http.request", path = "/users/create", method = POST)]
async fn add_to_analytics(event: CloudEvent<Request>) {
    println!("a user of {}", event.data.body.email.rsplit('@').next().unwrap_or_default());
}

/// Keeps an audit trail.
#[subscribe("http.request", path = "/users/create", method = POST)]
async fn store_event(event: CloudEvent<Request>) {
    println!("{} {}", event.data.method, event.data.path);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
