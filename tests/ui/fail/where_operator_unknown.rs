use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.name startswith "a"))]
async fn check() {}

fn main() {}
