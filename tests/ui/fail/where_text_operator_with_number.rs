use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.key like 5))]
async fn check() {}

fn main() {}
