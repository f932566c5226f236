//! A function for the messages of an SQS queue. Each message is one call, and only failed messages are delivered again.
//!
//! On AWS, Lambda polls the queue and calls the function with batches of messages. `cargo eg run` does the same for its
//! local queues, to which `cargo eg emit` and AWS's SDKs send:
//!
//! ```text
//! $ cargo eg run examples/queue-batch
//! $ cargo eg emit --queue payments --data '{"from":"Daisy","euros":40}'
//! Message sent: payments
//! id: …
//! $ cargo eg logs --function book
//! …
//! booked 40 € from Daisy
//! …
//! ```
//!
//! A message that fails five times becomes a dead letter, and one that is rejected becomes one at once:
//! `cargo eg dead-letters --queue payments` lists them. To see how a batch is answered, call the function with one:
//!
//! ```text
//! $ curl localhost:9001/2015-03-31/functions/queue-batch-book/invocations -d @examples/queue-batch/batch.json
//! {"batchItemFailures":[{"itemIdentifier":"message-2"}],"errors":{"message-2":"Scrooge cannot pay 0 €"},"rejected":["message-2"]}
//! ```

use eg_runtime::{App, Error, Json, queue};

#[derive(serde::Deserialize)]
struct Payment {
    from: String,
    euros: u32,
}

/// Books a payment.
#[queue("payments", batch_size = 10, window = "5s")]
async fn book(Json(payment): Json<Payment>) -> Result<(), Error> {
    let Payment { from, euros } = payment;
    if euros == 0 {
        return Err(Error::reject(format!("{from} cannot pay 0 €")));
    }
    println!("booked {euros} € from {from}");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
