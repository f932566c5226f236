use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.amount >))]
async fn check() {}

fn main() {}
