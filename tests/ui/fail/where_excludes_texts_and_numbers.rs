use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.x not in ["a", 1]))]
async fn check() {}

fn main() {}
