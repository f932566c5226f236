use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.amount > 10, data.amount < 5))]
async fn check() {}

fn main() {}
