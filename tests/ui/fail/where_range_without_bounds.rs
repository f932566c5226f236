use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.amount in ..))]
async fn check() {}

fn main() {}
