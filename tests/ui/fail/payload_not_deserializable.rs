use eg_runtime::{CloudEvent, subscribe};

struct Order;

#[subscribe("order.created")]
async fn handler(event: CloudEvent<Order>) {
    drop(event.data);
}

fn main() {}
