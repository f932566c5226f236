use eg_runtime::{Emit, Event, subscribe};

#[derive(serde::Serialize, Event)]
#[event("order.paid")]
struct Paid {}

#[derive(serde::Serialize, Event)]
#[event("order.shipped")]
struct Shipped {}

#[subscribe("order.created")]
async fn handler(emit: Emit<(Paid, Shipped, Paid)>) {
    drop(emit);
}

fn main() {}
