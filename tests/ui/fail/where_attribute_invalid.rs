use eg_runtime::subscribe;

#[subscribe("order.placed", where(Tenant == "a"))]
async fn check() {}

fn main() {}
