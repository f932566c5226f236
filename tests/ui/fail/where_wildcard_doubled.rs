use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.key like "a**b"))]
async fn check() {}

fn main() {}
