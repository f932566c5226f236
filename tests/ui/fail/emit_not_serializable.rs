use eg_runtime::{Emit, Error, Event, subscribe};

#[derive(Event)]
#[event("order.paid")]
struct Paid {}

#[subscribe("order.created")]
async fn handler(emit: Emit<Paid>) -> Result<(), Error> {
    emit.send(Paid {}).await?;
    Ok(())
}

fn main() {}
