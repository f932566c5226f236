//! tower and axum middleware around every function: a time limit and a log line.
//!
//! ```text
//! $ cargo eg run examples/middleware
//! $ curl localhost:4000/naps/1
//! slept 1 ms
//! $ curl localhost:4000/naps/5000
//! {"errors":["Internal Server Error"]}
//! $ cargo eg logs --function nap
//! …
//! GET /naps/1: 200 OK
//! …
//! GET /naps/5000: 500 Internal Server Error
//! …
//! ```

use std::time::Duration;

use axum::middleware::{Next, from_fn};
use eg_runtime::{App, Error, Path, Request, Response, http};
use tower::timeout::TimeoutLayer;

/// Sleeps for some milliseconds.
#[http(GET, "/naps/{milliseconds}")]
async fn nap(Path(milliseconds): Path<u64>) -> String {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    format!("slept {milliseconds} ms\n")
}

/// Prints each request with its outcome. Layers see events as requests, too.
async fn log(request: Request, next: Next) -> Response {
    let call = format!("{} {}", request.method(), request.uri().path());
    let response = next.run(request).await;
    println!("{call}: {}", response.status());
    response
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // The layer added last sees requests first, so the log also has the requests that timed out.
    App::new().layer(TimeoutLayer::new(Duration::from_secs(1))).layer(from_fn(log)).run().await
}
