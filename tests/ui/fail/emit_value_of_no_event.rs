use eg_runtime::{Emit, Error, Event, subscribe};

#[derive(serde::Serialize, Event)]
#[event("order.paid")]
struct Paid {}

#[derive(serde::Serialize)]
struct Shipped {}

#[subscribe("order.created")]
async fn handler(emit: Emit<Paid>) -> Result<(), Error> {
    emit.send(Shipped {}).await?;
    Ok(())
}

fn main() {}
