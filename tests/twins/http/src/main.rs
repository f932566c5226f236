//! Answers a request, with the framework.

use eg_runtime::{App, Error, Json, Path, http};
use serde::Serialize;

#[derive(Serialize)]
struct User {
    id: String,
    name: &'static str,
}

#[http(GET, "/users/{id}")]
async fn get_user(Path(id): Path<String>) -> Json<User> {
    Json(User { id, name: "Donald" })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
