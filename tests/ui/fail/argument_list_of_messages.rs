use eg_runtime::{CloudEvent, Data, queue};

#[queue("orders", batch_size = 10)]
async fn handler(orders: Vec<CloudEvent<Data>>) {
    drop(orders);
}

fn main() {}
