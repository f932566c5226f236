//! A function for the messages of an SQS queue. Each message is one call, and only failed messages are delivered again.
//!
//! Lambda polls the queue and invokes the function with a batch. `cargo eg run` does the same for messages sent to its
//! SQS endpoint. You can also hand over a batch yourself:
//!
//! ```text
//! $ cargo eg run examples/queue-batch
//! $ curl localhost:9001/2015-03-31/functions/queue-batch-book/invocations -d @examples/queue-batch/batch.json
//! {"batchItemFailures":[{"itemIdentifier":"message-2"}]}
//! $ cargo eg logs --function book
//! …
//! booked 40 € from Daisy
//! …
//! booked 15 € from Donald
//! …
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
