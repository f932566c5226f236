//! A router of axum beside functions: pages that exist already move into the service as they are.
//!
//! ```text
//! $ cargo eg run examples/axum-router
//! $ curl localhost:4000/books
//! 2 books
//! $ curl localhost:4000/shelves/7
//! shelf 7
//! ```
//!
//! As a server, without a gateway, the process answers all routes of the router, also those that no function declares:
//!
//! ```text
//! $ cargo run -p axum-router
//! $ curl localhost:3000/about
//! A small library
//! ```

use eg_runtime::axum::{Router, routing::get};
use eg_runtime::tower::ServiceExt as _;
use eg_runtime::{App, Error, IntoResponse, Path, Request, State, http};

/// Counts the books.
#[http(GET, "/books")]
async fn books() -> &'static str {
    "2 books\n"
}

/// Hands everything below `/shelves` to the router, behind the gateway and on Lambda, too.
#[http(ANY, "/shelves/{*page}")]
async fn shelves(State(router): State<Router>, request: Request) -> impl IntoResponse {
    router.oneshot(request).await.into_response()
}

fn router() -> Router {
    Router::new()
        .route("/shelves/{number}", get(async |Path(number): Path<u32>| format!("shelf {number}\n")))
        .route("/about", get(async || "A small library\n"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().router(router()).run().await
}
