use eg_runtime::subscribe;

#[subscribe("order.placed", where(any(data.a == 1)))]
async fn check() {}

fn main() {}
