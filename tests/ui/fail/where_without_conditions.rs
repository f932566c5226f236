use eg_runtime::subscribe;

#[subscribe("order.placed", where)]
async fn check() {}

fn main() {}
