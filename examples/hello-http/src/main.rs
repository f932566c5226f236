//! The smallest service: one HTTP function.
//!
//! ```text
//! $ cargo eg run examples/hello-http
//! $ curl localhost:4000/hello/Donald
//! Hello, Donald!
//! ```

use eg_runtime::{App, Error, Path, http};

/// Greets the person in the path.
#[http(GET, "/hello/{name}")]
async fn hello(Path(name): Path<String>) -> String {
    format!("Hello, {name}!\n")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
