use eg_runtime::{CloudEvent, Data, subscribe};

#[subscribe("order.placed", where(data.amount > 500))]
async fn check(event: CloudEvent<Data>) {
    drop(event);
}

fn main() {}
