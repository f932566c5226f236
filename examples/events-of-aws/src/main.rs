//! A function for events that a service of AWS emits on EventBridge: here S3, for each new picture that is not empty.
//!
//! On AWS, the template makes a rule of the pattern. Locally, the gateway compares events with the same pattern:
//!
//! ```text
//! $ cargo eg run examples/events-of-aws
//! $ cargo eg emit --event 'Object Created' --source aws.s3 --data '{"bucket":{"name":"pictures"},"object":{"key":"duck.png","size":1024}}'
//! Event emitted: Object Created
//! id: …
//! $ cargo eg logs --function resize
//! …
//! duck.png has 1024 bytes
//! …
//! $ cargo eg invoke resize --sample s3-object-created
//! …
//! ```

use eg_runtime::{App, CloudEvent, Error, subscribe};
use serde::Deserialize;

#[derive(Deserialize)]
struct Created {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    size: u64,
}

/// Makes new pictures smaller.
#[subscribe(eventbridge(
    source = "aws.s3",
    detail_type = "Object Created",
    detail = {"bucket": {"name": ["pictures"]}, "object": {"size": [{"numeric": [">", 0]}]}},
))]
async fn resize(event: CloudEvent<Created>) -> Result<(), Error> {
    let Object { key, size } = event.data.object;
    println!("{key} has {size} bytes");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
