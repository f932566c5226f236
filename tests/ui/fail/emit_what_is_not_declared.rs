use eg_runtime::{Emit, Error, Event, subscribe};

#[derive(serde::Serialize, Event)]
#[event("order.paid")]
struct Paid {}

#[derive(serde::Serialize, Event)]
#[event("order.shipped")]
struct Shipped {}

#[subscribe(Paid)]
async fn ship(emit: Emit<Paid>) -> Result<(), Error> {
    emit.send(Shipped {}).await?;
    Ok(())
}

fn main() {}
