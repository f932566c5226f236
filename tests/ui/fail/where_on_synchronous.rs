use eg_runtime::subscribe;

#[subscribe("order.placed", mode = "sync", where(subject exists))]
async fn check() {}

fn main() {}
