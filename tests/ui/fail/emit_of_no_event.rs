use eg_runtime::{Emit, subscribe};

struct Shipped;

#[subscribe("order.paid")]
async fn ship(emit: Emit<Shipped>) {
    drop(emit);
}

fn main() {}
