//! Answers the same request, with axum and `lambda_http`.

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

#[derive(Serialize)]
struct User {
    id: String,
    name: &'static str,
}

async fn get_user(Path(id): Path<String>) -> Json<User> {
    Json(User { id, name: "Donald" })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda_http::run(Router::new().route("/users/{id}", get(get_user))).await
}
