use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.amount in 10..=5))]
async fn check() {}

fn main() {}
