//! Functions by the clock and for queues, with hints for who deploys them.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, clippy::pedantic)]
#![allow(clippy::unused_async, reason = "what matters is the attribute, not what the function does")]

use eg_runtime::{CloudEvent, Data, Error, Json, http, queue, schedule, subscribe};

#[schedule("rate(5 minutes)")]
async fn often() {}

#[schedule("cron(0 8 ? * MON-FRI *)", "cron(0 10 ? * SAT *)", timeout = "15m", memory = 1024)]
async fn in_the_morning(event: CloudEvent<Data>) -> Result<(), Error> {
    if event.data.is_empty() { Err(Error::retry("no data")) } else { Ok(()) }
}

#[queue("orders", batch_size = 100, window = "5s")]
#[queue("orders.fifo", batch_size = 10)]
#[subscribe("order.placed", timeout = 30)]
#[http(POST, "/orders", memory = 256)]
async fn order(Json(order): Json<Vec<u8>>) {
    drop(order);
}

fn main() {}
