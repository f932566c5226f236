use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.x != null))]
async fn check() {}

fn main() {}
