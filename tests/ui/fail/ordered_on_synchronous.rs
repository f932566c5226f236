use eg_runtime::subscribe;

#[subscribe("order.placed", mode = "sync", ordered)]
async fn check() {}

fn main() {}
