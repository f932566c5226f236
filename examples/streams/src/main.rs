//! A function for the changes of a DynamoDB table. Each change is one call, in the order of its key.
//!
//! ```text
//! $ cargo eg run examples/streams
//! $ cargo eg invoke streams-ship --quiet --data @examples/streams/batch.json
//! {"batchItemFailures":[]}
//! $ cargo eg logs --function streams-ship
//! …
//! order 7 is paid
//! …
//! ```
//!
//! In the folder of the service, `cargo eg emit --stream orders --data '{"id":"7","paid":true}'` sends a new item.
//!
//! After a failure, nothing behind it in its shard is handled: Lambda sends the rest of the batch again, beginning with the
//! record that failed.

use eg_runtime::{App, Change, Error, Json, stream};
use serde::Deserialize;

#[derive(Deserialize)]
struct Order {
    id: String,
    paid: bool,
}

/// Ships orders when they are paid.
#[stream(dynamodb("orders"), batch_size = 100, retry(attempts = 10))]
async fn ship(Json(change): Json<Change<Order>>) -> Result<(), Error> {
    let was_paid = change.old.is_some_and(|order| order.paid);
    if let Some(order) = change.new.filter(|order| order.paid && !was_paid) {
        println!("order {} is paid", order.id);
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
