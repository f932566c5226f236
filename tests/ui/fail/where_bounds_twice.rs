use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.amount > 5, data.amount > 10))]
async fn check() {}

fn main() {}
