//! The smallest subscriber: one function, one event type.
//!
//! ```text
//! $ cargo eg run examples/hello-event
//! $ cargo eg emit --event visitor.arrived --data '"Donald"'
//! Event emitted: visitor.arrived
//! id: …
//! $ cargo eg logs --function greet
//! START RequestId: … Version: $LATEST
//! Hello, Donald!
//! END RequestId: …
//! REPORT RequestId: …
//! ```

use eg_runtime::{App, CloudEvent, Error, subscribe};

/// Greets a visitor.
#[subscribe("visitor.arrived")]
async fn greet(event: CloudEvent<String>) {
    println!("Hello, {}!", event.data);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
