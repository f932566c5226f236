use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.a == 1), where(data.b == 1))]
async fn check() {}

fn main() {}
