use eg_runtime::{Emit, Error, Event, subscribe};

#[derive(serde::Serialize, Event)]
#[event("order.paid")]
struct Paid {}

#[derive(serde::Serialize, Event)]
#[event("order.shipped")]
struct Shipped {}

#[derive(serde::Serialize, Event)]
#[event("order.lost")]
struct Lost {}

#[subscribe("order.created")]
async fn handler(emit: Emit<(Paid, Shipped)>) -> Result<(), Error> {
    emit.send(Lost {}).await?;
    Ok(())
}

fn main() {}
